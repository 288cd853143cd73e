//! What carries one upstream subscription from its first client to its last: attempts, pauses between
//! them, and the end.

use std::{sync::Arc, time::Duration};

use artesian_fanout::backoff::pause_of_at_least;
use tokio::time::Instant;

use super::{AttemptEnd, End, Fan, Key, Sink};
use crate::{
    CircuitState, RemoteError,
    config::{Reconnect, Transport},
    stats::Counter,
    stream::{Asked, Outcome, Streams},
    ws::{Pool, Running, Shared},
};

/// Over what subscriptions go.
pub(crate) struct Carrier {
    pub shared: Arc<Shared>,
    pub pool: Arc<Pool>,
    pub streams: Streams,
}

/// Attempts so far.
#[derive(Default)]
struct Progress {
    /// Whether any attempt was established.
    was_established: bool,
    /// Failures in a row.
    failures: u32,
    /// When to give up.
    until: Option<Instant>,
    /// How long the service last said that clients are to wait.
    retry: Option<Duration>,
}

impl Carrier {
    /// Carries a subscription to its end. Dropping this unsubscribes.
    pub async fn carry(self: Arc<Self>, key: Key, fan: Arc<Fan>) {
        let mut progress = Progress::default();
        loop {
            let sink = Sink {
                fan: Arc::clone(&fan),
                counters: Arc::clone(&self.shared.counters),
                is_resumption: progress.was_established,
            };
            let started = Instant::now();
            let Outcome { is_established, end, retry } = self.attempt(&key, sink).await;
            let error = match end {
                AttemptEnd::Finished(end) => return fan.end(end),
                AttemptEnd::Abandoned => return,
                AttemptEnd::Lost(error) => error,
            };
            progress.retry = retry.or(progress.retry);
            if is_established {
                fan.interrupted();
            }
            if let Err(end) = self.after(&mut progress, is_established, started, error).await {
                return fan.end(end);
            }
        }
    }

    async fn attempt(&self, key: &Key, sink: Sink) -> Outcome {
        let asked = match self.shared.config.transport {
            Transport::Auto => return self.negotiate(key, sink).await,
            Transport::Sse(method) => Asked::Sse(method),
            Transport::Multipart => Asked::Multipart,
            Transport::TransportWs | Transport::LegacyWs | Transport::None => {
                return match self.begin_on_socket(key, sink).await {
                    Ok(running) => Outcome::of(running.end().await),
                    Err(error) => Outcome::failed(error),
                };
            }
        };
        match self.streams.begin(asked, &key.operation, &key.credentials).await {
            Ok(begun) => begun.follow(&sink).await,
            Err(error) => Outcome::failed(error),
        }
    }

    pub(super) async fn begin_on_socket(
        &self,
        key: &Key,
        sink: Sink,
    ) -> Result<Running, RemoteError> {
        let request = key.operation.to_json()?;
        self.pool.begin(&key.credentials, request, sink).await
    }

    /// Waits until the next attempt, or says how the subscription ends.
    async fn after(
        &self,
        progress: &mut Progress,
        is_established: bool,
        started: Instant,
        error: RemoteError,
    ) -> Result<(), End> {
        let config = &self.shared.config;
        let retry = &config.retry;
        if self.shared.stop.is_cancelled() {
            return Err(End::Failed(RemoteError::ShutDown));
        }
        if is_established {
            self.shared.counters.add(Counter::Lost);
            match config.reconnect {
                Reconnect::Resume => {}
                Reconnect::Error => return Err(End::Failed(error)),
                Reconnect::End if error.is_passing() => return Err(End::Complete),
                Reconnect::End => return Err(End::Failed(error)),
            }
            if !progress.was_established || started.elapsed() >= retry.stable_after {
                let retry = progress.retry;
                *progress = Progress { was_established: true, retry, ..Progress::default() };
            }
        }
        if !error.is_passing() {
            return Err(End::Failed(error));
        }
        let now = Instant::now();
        if progress.was_established {
            let until = *progress.until.get_or_insert(now + retry.give_up_after.min(A_YEAR));
            if now >= until {
                return Err(End::Failed(error));
            }
            if error == RemoteError::CircuitOpen {
                // Somebody else finds out when the service is back.
                let waited = tokio::time::timeout_at(until, self.shared.circuit.wait()).await;
                return waited.map_err(|_| End::Failed(error));
            }
        } else {
            if error == RemoteError::CircuitOpen
                && self.shared.circuit.state() == CircuitState::HalfOpen
            {
                // It is about to be known whether the service is back.
                let waited = tokio::time::timeout(A_TRIAL, self.shared.circuit.trial()).await;
                return waited.map_err(|_| End::Failed(error));
            }
            if progress.failures >= retry.attempts || error == RemoteError::CircuitOpen {
                return Err(End::Failed(error));
            }
            self.shared.counters.add(Counter::Retries);
        }
        let least = progress.retry.unwrap_or_default().max(error.least_pause());
        let wait = pause_of_at_least(least, retry.first, retry.longest, progress.failures);
        tokio::time::sleep(wait).await;
        progress.failures = progress.failures.saturating_add(1);
        Ok(())
    }
}

/// The longest wait for somebody else's trial.
const A_TRIAL: Duration = Duration::from_secs(10);
/// So that times stay times.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
