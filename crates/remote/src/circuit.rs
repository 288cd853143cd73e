//! Leaving a service alone that fails.
//!
//! *Closed*: everything goes through, and failures in a row are counted. *Open*: nothing goes through
//! for a while. *Half open*: after that one trial does; if it succeeds the circuit is closed, if it
//! fails it is open for twice as long.

use std::{sync::Arc, time::Duration};

use artesian_fanout::backoff;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::{
    RemoteError,
    config::CircuitConfig,
    stats::{Counter, Counters},
};

/// So that times stay times.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where a circuit stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CircuitState {
    /// Everything goes through.
    #[default]
    Closed,
    /// Nothing goes through.
    Open,
    /// One trial goes through.
    HalfOpen,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, times: u32 },
    HalfOpen { times: u32 },
}

/// The circuit of one service.
#[derive(Debug)]
pub(crate) struct Circuit {
    config: CircuitConfig,
    state: Mutex<State>,
    changed: Notify,
    counters: Arc<Counters>,
}

/// Leave to try once. Without an outcome it is as if nothing had been tried.
#[derive(Debug)]
pub(crate) struct Permit {
    circuit: Arc<Circuit>,
    is_trial: bool,
    settled: bool,
}

impl Circuit {
    pub fn new(config: CircuitConfig, counters: Arc<Counters>) -> Arc<Self> {
        let state = Mutex::new(State::Closed { failures: 0 });
        Arc::new(Self { config, state, changed: Notify::new(), counters })
    }

    pub fn state(&self) -> CircuitState {
        match *self.state.lock() {
            State::Closed { .. } => CircuitState::Closed,
            State::Open { .. } => CircuitState::Open,
            State::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    /// Leave to try now.
    pub fn admit(self: &Arc<Self>) -> Result<Permit, RemoteError> {
        let mut state = self.state.lock();
        let is_trial = match *state {
            State::Closed { .. } => false,
            State::Open { until, times } if until <= Instant::now() => {
                *state = State::HalfOpen { times };
                true
            }
            _ => return Err(RemoteError::CircuitOpen),
        };
        Ok(Permit { circuit: Arc::clone(self), is_trial, settled: false })
    }

    /// Waits until it is worth while to ask again.
    pub async fn wait(&self) {
        loop {
            let changed = self.changed.notified();
            let state = *self.state.lock();
            match state {
                State::Closed { .. } => return,
                State::Open { until, .. } if until <= Instant::now() => return,
                State::Open { until, .. } => tokio::time::sleep_until(until).await,
                State::HalfOpen { .. } => changed.await,
            }
        }
    }

    /// Waits for the outcome of a trial, if there is one.
    pub async fn trial(&self) {
        loop {
            let changed = self.changed.notified();
            if self.state() != CircuitState::HalfOpen {
                return;
            }
            changed.await;
        }
    }

    /// `failed` is how long the service asks to be left alone, if it is in a bad state.
    fn settle(&self, is_trial: bool, failed: Option<Duration>) {
        let mut state = self.state.lock();
        let before = *state;
        *state = match before {
            // What was tried before the circuit opened says nothing about now.
            State::Open { .. } => before,
            State::HalfOpen { .. } if !is_trial => before,
            State::HalfOpen { .. } | State::Closed { .. } if failed.is_none() => {
                State::Closed { failures: 0 }
            }
            State::HalfOpen { times } => self.open(times.saturating_add(1), failed),
            State::Closed { failures } => {
                let failures = failures.saturating_add(1);
                if self.config.failures > 0 && failures >= self.config.failures {
                    self.open(0, failed)
                } else {
                    State::Closed { failures }
                }
            }
        };
        drop(state);
        self.changed.notify_waiters();
    }

    fn open(&self, times: u32, least: Option<Duration>) -> State {
        self.counters.add(Counter::CircuitOpenings);
        let longest = backoff::ceiling(self.config.first, self.config.longest, times);
        // Between half of it and all of it, so that several machines do not try at the same time.
        let length = longest / 2 + backoff::pause(longest / 2, longest / 2, 0);
        let least = least.unwrap_or_default().min(self.config.longest).min(A_DAY);
        let length = length.max(least).max(Duration::from_millis(1));
        State::Open { until: Instant::now() + length, times }
    }

    fn give_back(&self) {
        let mut state = self.state.lock();
        if let State::HalfOpen { times } = *state {
            *state = State::Open { until: Instant::now(), times };
        }
        drop(state);
        self.changed.notify_waiters();
    }
}

impl Permit {
    /// The service answered, if only to refuse.
    pub fn succeeded(mut self) {
        self.settled = true;
        self.circuit.settle(self.is_trial, None);
    }

    /// What an attempt says of the service.
    pub fn failed(mut self, error: &RemoteError) {
        self.settled = true;
        let failed = error.is_outage().then(|| error.least_pause());
        self.circuit.settle(self.is_trial, failed);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_trial && !self.settled {
            self.circuit.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn circuit() -> Arc<Circuit> {
        let config = CircuitConfig {
            failures: 2,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(3),
        };
        Circuit::new(config, Arc::default())
    }

    fn fail(circuit: &Arc<Circuit>) {
        circuit.admit().unwrap().failed(&RemoteError::Silent);
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_tries_and_closes() {
        let circuit = circuit();
        fail(&circuit);
        circuit.admit().unwrap().succeeded();
        fail(&circuit);
        assert_eq!(circuit.state(), CircuitState::Closed, "failures must be in a row");
        fail(&circuit);
        assert_eq!(circuit.state(), CircuitState::Open);
        assert_eq!(circuit.admit().unwrap_err(), RemoteError::CircuitOpen);

        let mut pauses = Vec::new();
        for _ in 0..4 {
            let start = Instant::now();
            circuit.wait().await;
            pauses.push(start.elapsed().as_millis());
            let trial = circuit.admit().unwrap();
            assert_eq!(circuit.state(), CircuitState::HalfOpen);
            assert!(circuit.admit().is_err(), "one trial at a time");
            trial.failed(&RemoteError::Silent);
        }
        for (pause, least) in pauses.iter().zip([500, 1000, 1500, 1500]) {
            assert!((least..=2 * least + 2).contains(pause), "{pauses:?}");
        }
        circuit.trial().await;
        circuit.wait().await;
        let trial = circuit.admit().unwrap();
        let mut outcome = std::pin::pin!(circuit.trial());
        assert!(futures_util::poll!(&mut outcome).is_pending());
        trial.succeeded();
        outcome.await;
        assert_eq!(circuit.state(), CircuitState::Closed);
        circuit.wait().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_is_given_up_leaves_the_next_one() {
        let circuit = circuit();
        fail(&circuit);
        fail(&circuit);
        circuit.wait().await;
        let trial = circuit.admit().unwrap();
        let waiting = tokio::spawn({
            let circuit = Arc::clone(&circuit);
            async move { circuit.wait().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(trial);
        waiting.await.unwrap();
        circuit.admit().unwrap().succeeded();
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_asks_to_be_left_alone_is() {
        for (asked, least, most) in [(2, 2000, 2000), (60, 3000, 3000), (0, 500, 1000)] {
            let circuit = circuit();
            for _ in 0..2 {
                let retry_after = Duration::from_secs(asked);
                let error = RemoteError::Unavailable { status: 503, retry_after };
                circuit.admit().unwrap().failed(&error);
            }
            let start = Instant::now();
            circuit.wait().await;
            let waited = start.elapsed().as_millis();
            assert!((least..=most + 2).contains(&waited), "{asked} {waited}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_an_answer() {
        let circuit = circuit();
        for _ in 0..5 {
            circuit.admit().unwrap().failed(&RemoteError::Status(404));
        }
        assert_eq!(circuit.state(), CircuitState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn late_outcomes_do_not_count() {
        let circuit = circuit();
        let early = circuit.admit().unwrap();
        fail(&circuit);
        fail(&circuit);
        early.succeeded();
        assert_eq!(circuit.state(), CircuitState::Open);
    }
}
