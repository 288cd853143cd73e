//! Whether the database can be reached.
//!
//! While it cannot, one batch at a time tries, with growing pauses, instead of
//! every cohort on its own.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::Config;

/// One statement's worth of work under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlightId(pub u64);

/// The database is out of reach.
struct Outage<E> {
    failures: u32,
    until: Instant,
    error: E,
    probe: Option<FlightId>,
}

/// Open as long as the database can be reached.
pub(crate) struct Gate<E> {
    outage: Option<Outage<E>>,
}

/// What a failure meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The outage was known.
    Known,
    /// Possibly no more than one broken connection.
    Suspected,
    /// A probe failed too: the database is down.
    Confirmed,
}

impl<E: Clone> Gate<E> {
    pub(crate) fn new() -> Self {
        Self { outage: None }
    }

    /// Whether a batch may start now.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        match &self.outage {
            None => true,
            Some(outage) => outage.probe.is_none() && now >= outage.until,
        }
    }

    /// When to look again, if nothing else happens before.
    pub(crate) fn reopens(&self) -> Option<Instant> {
        self.outage.as_ref().filter(|outage| outage.probe.is_none()).map(|outage| outage.until)
    }

    /// A batch starts.
    pub(crate) fn departs(&mut self, flight: FlightId) {
        if let Some(outage) = &mut self.outage {
            outage.probe = Some(flight);
        }
    }

    /// A statement was answered, well or badly: the database was reached.
    /// What started before the outage proves nothing.
    pub(crate) fn reached(&mut self, flight: FlightId) {
        if self.is_probe(flight) {
            self.outage = None;
        }
    }

    /// A statement did not get through.
    pub(crate) fn unreached(
        &mut self,
        flight: FlightId,
        error: &E,
        now: Instant,
        config: &Config,
    ) -> Verdict {
        match &mut self.outage {
            None => {
                self.outage = Some(Outage {
                    failures: 1,
                    until: now + config.backoff(1),
                    error: error.clone(),
                    probe: None,
                });
                Verdict::Suspected
            }
            Some(outage) if outage.probe == Some(flight) => {
                outage.failures = outage.failures.saturating_add(1);
                outage.until = now + config.backoff(outage.failures);
                outage.error = error.clone();
                outage.probe = None;
                if outage.failures == 2 { Verdict::Confirmed } else { Verdict::Known }
            }
            Some(_) => Verdict::Known,
        }
    }

    /// A batch is over, however it ended.
    pub(crate) fn landed(&mut self, flight: FlightId, now: Instant, pause: Duration) {
        if self.is_probe(flight)
            && let Some(outage) = &mut self.outage
        {
            outage.probe = None;
            outage.until = outage.until.max(now + pause);
        }
    }

    /// What a cohort that has to be run, and cannot be, should be told.
    pub(crate) fn excuse(&self, now: Instant) -> Option<&E> {
        self.outage
            .as_ref()
            .filter(|outage| outage.failures >= 2 && (outage.probe.is_some() || now < outage.until))
            .map(|outage| &outage.error)
    }

    fn is_probe(&self, flight: FlightId) -> bool {
        self.outage.as_ref().is_some_and(|outage| outage.probe == Some(flight))
    }
}
