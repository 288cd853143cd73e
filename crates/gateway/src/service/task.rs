//! When a schema is read.

use std::{sync::Arc, time::Duration};

use artesian_remote::{Upstream, pause};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Outcome, Published, ServiceError,
    read::Reader,
    status::{Board, IsNews},
};
use crate::config::{SchemaSource, ServiceConfig};

type Reply = oneshot::Sender<Result<Outcome, ServiceError>>;

/// How often a service is asked that answers, and not with a schema, where no interval is set.
const USUAL: Duration = Duration::from_secs(60);
/// Notes on one schema that are logged.
const MAX_NOTES: usize = 20;

/// Keeps the schema of one service fresh.
pub(super) struct Task {
    pub config: Arc<ServiceConfig>,
    pub upstream: Arc<Upstream>,
    pub board: Arc<Board>,
    pub publish: watch::Sender<Published>,
    pub asked: mpsc::Receiver<Reply>,
    pub stop: CancellationToken,
}

impl Task {
    pub async fn run(mut self) {
        let stop = self.stop.clone();
        // A reading that is under way ends too.
        stop.run_until_cancelled(self.keep_fresh()).await;
    }

    async fn keep_fresh(&mut self) {
        let mut reader = Reader::new(&self.config);
        let mut waiting: Vec<Reply> = Vec::new();
        let mut failures: u32 = 0;
        loop {
            // One reading answers all that have asked before it begins.
            while let Ok(reply) = self.asked.try_recv() {
                waiting.push(reply);
            }
            let result = reader.read(&self.config, &self.upstream).await;
            let result = self.note(result.map(Arc::new));
            failures = if result.is_ok() { 0 } else { failures.saturating_add(1) };
            let wait = self.wait(&result, failures);
            for reply in waiting.drain(..) {
                // Who asked may have gone.
                let _ = reply.send(result.clone());
            }
            let due = wait.and_then(|wait| Instant::now().checked_add(wait));
            tokio::select! {
                reply = self.asked.recv() => match reply {
                    Some(reply) => waiting.push(reply),
                    None => return,
                },
                () = at(due) => {}
            }
        }
    }

    /// How long until it is read again; `None`: until somebody asks.
    fn wait(&self, result: &Result<Outcome, ServiceError>, failures: u32) -> Option<Duration> {
        let retry = &self.config.upstream.retry;
        let again = |attempt| pause(retry.first, retry.longest, attempt).max(retry.first);
        match result {
            Ok(_) if self.config.schema != SchemaSource::Introspection => None,
            Ok(_) => self.config.refresh,
            Err(ServiceError::Remote { error }) if error.is_passing() => {
                let wait = again(failures.saturating_sub(1));
                Some(wait.min(self.config.refresh.unwrap_or(wait)))
            }
            // It has to be mended by somebody, who may not think of telling us.
            Err(_) => Some(self.config.refresh.unwrap_or(USUAL)),
        }
    }

    /// Publishes what is new, and says so.
    fn note(
        &self,
        read: Result<Arc<artesian_compose::ServiceSchema>, ServiceError>,
    ) -> Result<Outcome, ServiceError> {
        let name = self.board.status().name;
        let service = &*name;
        let new = match read {
            Ok(new) => new,
            Err(error) => {
                self.failed(service, &error);
                return Err(error);
            }
        };
        let old = self.publish.borrow().clone();
        let outcome = match &old {
            None => Outcome::Joined,
            Some(old) if old.digest() == new.digest() => Outcome::Unchanged,
            Some(old) => Outcome::Changed(old.difference(&new).to_string()),
        };
        let IsNews(is_back) = self.board.succeeded(&outcome, new.digest());
        match &outcome {
            Outcome::Joined => tracing::info!(service, "the service's schema is there"),
            Outcome::Changed(what) => {
                tracing::info!(service, "the service's schema changed: {what}")
            }
            Outcome::Unchanged if is_back => {
                tracing::info!(service, "the service is back with the schema that it had");
            }
            Outcome::Unchanged => {}
        }
        if outcome != Outcome::Unchanged {
            for note in new.notes().iter().take(MAX_NOTES) {
                tracing::info!(service, "the service's schema: {note}");
            }
            self.publish.send_replace(Some(new));
        }
        Ok(outcome)
    }

    fn failed(&self, service: &str, error: &ServiceError) {
        let IsNews(is_news) = self.board.failed(error);
        if is_news {
            let kept = match *self.publish.borrow() {
                Some(_) => "; the schema that it had stays in use",
                None => "; it takes part as soon as it is there",
            };
            tracing::warn!(service, "the service's schema cannot be read: {error}{kept}");
        }
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
