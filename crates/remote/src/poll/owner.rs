//! What keeps one poll going from its first client to its last.

use std::{sync::Arc, time::Duration};

use artesian_fanout::backoff::{pause, pause_of_at_least, spread};
use tokio::{sync::Semaphore, time::Instant};

use super::{Key, Update, board::Board};
use crate::{
    RemoteError, Response,
    http::{Answered, Requests},
    stats::Counter,
    subscription::End,
    ws::Shared,
};

/// Runs the polls of one service.
pub(crate) struct Poller {
    shared: Arc<Shared>,
    requests: Arc<Requests>,
    /// Polls wait here and not among the single operations, so that these need not wait for all polls.
    turns: Semaphore,
}

/// How far one poll has come.
#[derive(Default)]
struct Progress {
    /// What was published last.
    published: Option<Update>,
    /// Failures in a row.
    failures: u32,
}

impl Poller {
    pub fn new(shared: Arc<Shared>, requests: Arc<Requests>) -> Self {
        let most = shared.config.limits.concurrent_polls.clamp(1, Semaphore::MAX_PERMITS);
        Self { shared, requests, turns: Semaphore::new(most) }
    }

    /// Keeps a poll going to its end. Dropping this ends it.
    pub async fn keep(self: Arc<Self>, key: Key, board: Arc<Board>) {
        let end = tokio::select! {
            end = self.run(&key, &board) => end,
            () = self.shared.stop.cancelled() => End::Failed(RemoteError::ShutDown),
        };
        board.write(Update::End(end));
    }

    async fn run(&self, key: &Key, board: &Board) -> End {
        let mut progress = Progress::default();
        loop {
            let (started, result) = self.ask(key).await;
            match judge(result) {
                Judged::Result(response) => {
                    progress.failures = 0;
                    self.publish(&mut progress, board, Update::Next(response));
                    // A slow service is left alone between two requests as well.
                    let next = started + spread(key.interval);
                    tokio::time::sleep_until(next.max(Instant::now() + key.interval / 4)).await;
                }
                Judged::Failure(error) => {
                    self.publish(&mut progress, board, Update::Failed(error.clone()));
                    self.wait_after(&mut progress, key.interval, &error).await;
                }
                Judged::End(end) => return end,
            }
        }
    }

    /// Runs the query once; says when it was begun, too.
    async fn ask(&self, key: &Key) -> (Instant, Result<Answered, RemoteError>) {
        let turn = self.turns.acquire().await;
        let started = Instant::now();
        if turn.is_err() {
            return (started, Err(RemoteError::ShutDown));
        }
        self.shared.counters.add(Counter::PollsRun);
        (started, self.requests.run(&key.operation, &key.credentials).await)
    }

    /// Tells the clients, if it is news.
    fn publish(&self, progress: &mut Progress, board: &Board, update: Update) {
        if progress.published.as_ref().is_some_and(|before| is_same(before, &update)) {
            self.shared.counters.add(Counter::PollsUnchanged);
            return;
        }
        progress.published = Some(update.clone());
        board.write(update);
    }

    /// Waits longer from failure to failure, or until the circuit lets something through.
    async fn wait_after(&self, progress: &mut Progress, interval: Duration, error: &RemoteError) {
        let retry = &self.shared.config.retry;
        if *error == RemoteError::CircuitOpen {
            // Somebody tries then; that all do at the same time is of no use.
            self.shared.circuit.wait().await;
            tokio::time::sleep(pause(interval, retry.longest, 0)).await;
            return;
        }
        let (least, failures) = (error.least_pause(), progress.failures);
        let longer = pause_of_at_least(least, retry.first, retry.longest, failures);
        progress.failures = failures.saturating_add(1);
        tokio::time::sleep(spread(interval).max(longer)).await;
    }
}

/// What an answer means for a poll.
enum Judged {
    Result(Response),
    Failure(RemoteError),
    End(End),
}

/// Nothing but fresh credentials helps against a refusal, and nothing at all against a request that
/// cannot be sent. Everything else may pass: services are repaired.
fn judge(result: Result<Answered, RemoteError>) -> Judged {
    match result {
        Ok(Answered { status, response }) => match (status, &response.data, &response.errors) {
            (401 | 403, None, Some(errors)) => Judged::End(End::Errors(errors.clone())),
            _ => Judged::Result(response.compact()),
        },
        Err(RemoteError::Status(status @ (401 | 403))) => {
            Judged::End(End::Failed(RemoteError::status_of_opening(status)))
        }
        Err(error @ (RemoteError::Request(_) | RemoteError::ShutDown)) => {
            Judged::End(End::Failed(error))
        }
        Err(error) => Judged::Failure(error),
    }
}

/// Whether clients need not hear of it.
fn is_same(before: &Update, now: &Update) -> bool {
    match (before, now) {
        (Update::Next(before), Update::Next(now)) => {
            before.data == now.data && before.errors == now.errors
        }
        // That it is not asked for a while says less than why.
        (Update::Failed(_), Update::Failed(RemoteError::CircuitOpen)) => true,
        (before, now) => before == now,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::Bytes;

    use super::*;

    fn next(text: &'static str) -> Update {
        Update::Next(Response::parse(&Bytes::from_static(text.as_bytes())).unwrap())
    }

    #[test]
    fn what_is_news() {
        let failed = Update::Failed;
        for (before, now, same) in [
            (next(r#"{"data":{"n":1}}"#), next(r#"{"data":{"n":1}}"#), true),
            (next(r#"{"data":{"n":1}}"#), next(r#"{"data":{"n":2}}"#), false),
            (next(r#"{"data":{"n":1}}"#), next(r#"{"data":{"n":1},"extensions":{"t":2}}"#), true),
            (next(r#"{"data":null}"#), next(r#"{"data":null,"errors":[{}]}"#), false),
            (next(r#"{"data":{"n":1}}"#), failed(RemoteError::CircuitOpen), false),
            (failed(RemoteError::Silent), failed(RemoteError::Silent), true),
            (failed(RemoteError::Silent), failed(RemoteError::CircuitOpen), true),
            (failed(RemoteError::CircuitOpen), failed(RemoteError::Silent), false),
            (failed(RemoteError::Silent), next(r#"{"data":{"n":1}}"#), false),
        ] {
            assert_eq!(is_same(&before, &now), same, "{before:?} {now:?}");
        }
    }
}
