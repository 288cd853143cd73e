//! What is to be re-run, when, and together with what.
//!
//! This is a plain state machine: it is told what happens and what time it is,
//! and it answers with batches to run. It waits for nothing.
//!
//! Each plan counts the changes that touched it (its generation); a cohort
//! remembers the generation at which its last run started. That is all it
//! takes never to lose a change: whatever arrives during a run leaves the two
//! numbers different. A change costs as much as the cohorts that were clean,
//! so its cost is bounded by that of the runs that made them clean, however
//! many changes arrive.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::cohort::{Cohort, CohortId, Joined, Phase, PlanId, Publisher, Tell};
use crate::config::Config;
use crate::feed::Change;
use crate::gate::{FlightId, Gate, Verdict};
use crate::index::Index;
use crate::plan::{Params, Plan};

/// A snapshot of the engine's load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Plans that have cohorts.
    pub plans: usize,
    /// Cohorts that have subscribers.
    pub cohorts: usize,
    /// Subscribers.
    pub subscribers: usize,
    /// Cohorts that have to be re-run: queued, waiting for their time, or
    /// changed again while their run is under way.
    pub dirty: usize,
    /// Batches under way.
    pub in_flight: usize,
}

/// One life of a plan.
struct Entry<P> {
    plan: Arc<P>,
    by_params: HashMap<Params, CohortId>,
    /// Changes that touched this plan.
    generation: u64,
    clean: BTreeSet<CohortId>,
    running: BTreeSet<CohortId>,
    ready: BTreeMap<u64, CohortId>,
    /// Ready too, but these failed last time and run alone.
    ready_alone: BTreeMap<u64, CohortId>,
    /// Whether the last batch was one of those.
    alone_last: bool,
    /// Quarantined cohorts that a change may bring forward.
    hopeful: BTreeSet<CohortId>,
    /// Its place in the queue of plans, if it has work.
    queued: Option<u64>,
    /// When it is next polled, if it is.
    poll_at: Option<Instant>,
}

impl<P> Entry<P> {
    fn has_work(&self) -> bool {
        !self.ready.is_empty() || !self.ready_alone.is_empty()
    }
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Cohort(CohortId),
    Poll(PlanId),
}

/// A batch to run.
pub(crate) struct Batch<P> {
    pub flight: FlightId,
    pub id: PlanId,
    pub plan: Arc<P>,
    pub cohorts: Vec<CohortId>,
}

/// One cohort of a statement that is about to run.
pub(crate) struct Seat<E> {
    pub cohort: CohortId,
    pub run: u64,
    pub publisher: Publisher<E>,
}

/// Everything the engine knows.
pub(crate) struct Scheduler<P, E> {
    config: Config,
    plans: BTreeMap<PlanId, Entry<P>>,
    by_plan: HashMap<Arc<P>, PlanId>,
    /// Boxed: half of a large table is empty.
    cohorts: HashMap<CohortId, Box<Cohort<E>>>,
    index: Index,
    /// Plans that have work, in the order of their turns.
    queue: BTreeMap<u64, PlanId>,
    timers: BTreeSet<(Instant, Timer)>,
    gate: Gate<E>,
    in_flight: usize,
    subscribers: usize,
    /// Every plan is polled, for want of a feed.
    polling: bool,
    closed: bool,
    last_number: u64,
    /// Errors to be published once the lock is released.
    tells: Vec<Tell<E>>,
    /// Something happened that may let a batch start or changes the time of
    /// the next timer.
    stirred: bool,
}

impl<P: Plan, E: Clone + PartialEq> Scheduler<P, E> {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            plans: BTreeMap::new(),
            by_plan: HashMap::new(),
            cohorts: HashMap::new(),
            index: Index::default(),
            queue: BTreeMap::new(),
            timers: BTreeSet::new(),
            gate: Gate::new(),
            in_flight: 0,
            subscribers: 0,
            polling: false,
            closed: false,
            last_number: 0,
            tells: Vec::new(),
            stirred: false,
        }
    }

    /// What has to be told and whether the driver has to look, since this was
    /// last asked.
    pub(crate) fn aftermath(&mut self) -> (Vec<Tell<E>>, bool) {
        (std::mem::take(&mut self.tells), std::mem::take(&mut self.stirred))
    }

    // Subscribers

    /// A subscriber comes.
    pub(crate) fn join(&mut self, plan: Arc<P>, params: Params, now: Instant) -> Joined<E> {
        if self.closed {
            let mut cohort = Cohort::new(PlanId(0), params, now);
            return cohort.admit(CohortId(0), 0, true);
        }
        let plan = self.plan_for(plan, now);
        let new = CohortId(self.number());
        let (id, generation) = match self.plans.get_mut(&plan) {
            Some(entry) => {
                (*entry.by_params.entry(Arc::clone(&params)).or_insert(new), entry.generation)
            }
            None => (new, 0),
        };
        let cohort =
            self.cohorts.entry(id).or_insert_with(|| Box::new(Cohort::new(plan, params, now)));
        let fresh_from = match cohort.phase {
            Phase::Clean if id == new => 1,
            Phase::Clean => 0,
            Phase::Running if cohort.seen == generation => cohort.runs,
            Phase::Running | Phase::Ready(_) | Phase::Waiting(_) => cohort.runs + 1,
        };
        self.subscribers += 1;
        let joined = cohort.admit(id, fresh_from, false);
        if id == new {
            self.schedule(id, now, now);
        }
        joined
    }

    fn plan_for(&mut self, plan: Arc<P>, now: Instant) -> PlanId {
        if let Some(&id) = self.by_plan.get(&plan) {
            return id;
        }
        let id = PlanId(self.number());
        // Known to the index before anything is read.
        self.index.insert(id, plan.dependencies());
        self.by_plan.insert(Arc::clone(&plan), id);
        self.plans.insert(
            id,
            Entry {
                plan,
                by_params: HashMap::new(),
                generation: 0,
                clean: BTreeSet::new(),
                running: BTreeSet::new(),
                ready: BTreeMap::new(),
                ready_alone: BTreeMap::new(),
                alone_last: false,
                hopeful: BTreeSet::new(),
                queued: None,
                poll_at: None,
            },
        );
        self.arm_poll(id, now);
        id
    }

    /// A subscriber goes.
    pub(crate) fn leave(&mut self, id: CohortId) {
        let Some(cohort) = self.cohorts.get_mut(&id) else {
            return;
        };
        self.subscribers = self.subscribers.saturating_sub(1);
        cohort.subscribers = cohort.subscribers.saturating_sub(1);
        if cohort.subscribers > 0 {
            return;
        }
        self.detach(id);
        let Some(cohort) = self.cohorts.remove(&id) else {
            return;
        };
        let Some(entry) = self.plans.get_mut(&cohort.plan) else {
            return;
        };
        entry.by_params.remove(&cohort.params);
        if entry.by_params.is_empty() {
            self.remove_plan(cohort.plan);
        }
    }

    fn remove_plan(&mut self, id: PlanId) {
        let Some(entry) = self.plans.remove(&id) else {
            return;
        };
        self.by_plan.remove(&entry.plan);
        self.index.remove(id, entry.plan.dependencies());
        if let Some(turn) = entry.queued {
            self.queue.remove(&turn);
        }
        if let Some(at) = entry.poll_at {
            self.timers.remove(&(at, Timer::Poll(id)));
        }
    }

    /// Ends everything, for good.
    pub(crate) fn close(&mut self) -> Vec<Publisher<E>> {
        self.closed = true;
        self.plans.clear();
        self.by_plan.clear();
        self.index = Index::default();
        self.queue.clear();
        self.timers.clear();
        self.subscribers = 0;
        self.stirred = true;
        self.cohorts.drain().map(|(_, c)| c.publisher).collect()
    }

    // Changes

    /// Something was committed.
    pub(crate) fn invalidate(&mut self, change: &Change, now: Instant) {
        let affected: Vec<PlanId> = match change {
            Change::Tables(tables) => self.index.affected(tables).into_iter().collect(),
            Change::Everything => self.plans.keys().copied().collect(),
        };
        for plan in affected {
            let Some(entry) = self.plans.get_mut(&plan) else {
                continue;
            };
            entry.generation += 1;
            let hopeful = std::mem::take(&mut entry.hopeful);
            self.soil(plan, now);
            for id in hopeful {
                self.bring_forward(id, now);
            }
        }
    }

    /// Every clean cohort of a plan has to be re-run.
    fn soil(&mut self, plan: PlanId, now: Instant) {
        let Some(entry) = self.plans.get_mut(&plan) else {
            return;
        };
        for id in std::mem::take(&mut entry.clean) {
            let not_before = self.cohorts.get(&id).map_or(now, |c| c.not_before);
            self.schedule(id, not_before, now);
        }
    }

    /// A change may have mended what made this cohort fail.
    fn bring_forward(&mut self, id: CohortId, now: Instant) {
        let Some(cohort) = self.cohorts.get_mut(&id) else {
            return;
        };
        let at = cohort.failed_at + self.config.backoff_min;
        if matches!(cohort.phase, Phase::Waiting(due) if at < due) {
            cohort.early = true;
            self.detach(id);
            self.schedule(id, at, now);
        }
    }

    /// No feed is left (or one is there again).
    pub(crate) fn set_polling(&mut self, polling: bool, now: Instant) {
        self.polling = polling;
        if polling {
            let plans: Vec<PlanId> = self.plans.keys().copied().collect();
            for plan in plans {
                self.arm_poll(plan, now);
            }
        }
    }

    fn arm_poll(&mut self, id: PlanId, now: Instant) {
        let Some(entry) = self.plans.get_mut(&id) else {
            return;
        };
        let polled = self.polling || entry.plan.dependencies().volatile;
        if polled && entry.poll_at.is_none() {
            let at = now + self.config.refetch_interval;
            entry.poll_at = Some(at);
            self.timers.insert((at, Timer::Poll(id)));
            self.stirred = true;
        }
    }

    // The schedule

    /// Puts a cohort that is nowhere into the queue, or to sleep until it may
    /// be queued.
    fn schedule(&mut self, id: CohortId, at: Instant, now: Instant) {
        let Some(cohort) = self.cohorts.get_mut(&id) else {
            return;
        };
        self.stirred = true;
        if at > now {
            cohort.phase = Phase::Waiting(at);
            self.timers.insert((at, Timer::Cohort(id)));
            return;
        }
        self.last_number += 1;
        let place = self.last_number;
        cohort.phase = Phase::Ready(place);
        if let Some(error) = self.gate.excuse(now) {
            self.tells.push(Tell {
                publisher: Arc::clone(&cohort.publisher),
                runs: cohort.runs,
                error: error.clone(),
            });
        }
        let Some(entry) = self.plans.get_mut(&cohort.plan) else {
            return;
        };
        if cohort.failures > 0 {
            entry.ready_alone.insert(place, id);
        } else {
            entry.ready.insert(place, id);
        }
        if entry.queued.is_none() {
            entry.queued = Some(place);
            self.queue.insert(place, cohort.plan);
        }
    }

    /// Takes a cohort from wherever it is. It must be put somewhere else, or
    /// removed.
    fn detach(&mut self, id: CohortId) {
        let Some(cohort) = self.cohorts.get(&id) else {
            return;
        };
        let Some(entry) = self.plans.get_mut(&cohort.plan) else {
            return;
        };
        entry.hopeful.remove(&id);
        match cohort.phase {
            Phase::Clean => {
                entry.clean.remove(&id);
            }
            Phase::Running => {
                entry.running.remove(&id);
            }
            Phase::Waiting(at) => {
                self.timers.remove(&(at, Timer::Cohort(id)));
            }
            Phase::Ready(place) => {
                entry.ready.remove(&place);
                entry.ready_alone.remove(&place);
                if !entry.has_work()
                    && let Some(turn) = entry.queued.take()
                {
                    self.queue.remove(&turn);
                }
            }
        }
    }

    /// Time passed.
    pub(crate) fn advance(&mut self, now: Instant) {
        while let Some(&(at, timer)) = self.timers.first() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            match timer {
                Timer::Cohort(id) => self.schedule(id, now, now),
                Timer::Poll(plan) => {
                    if let Some(entry) = self.plans.get_mut(&plan) {
                        entry.poll_at = None;
                    }
                    // Cohorts that are under way are not marked: a database
                    // that cannot keep up is polled more slowly.
                    self.soil(plan, now);
                    self.arm_poll(plan, now);
                }
            }
        }
    }

    /// When to look again if nothing happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|&(at, _)| at);
        let gate = self
            .gate
            .reopens()
            .filter(|_| !self.queue.is_empty() && self.in_flight < self.config.connections);
        match (timer, gate) {
            (Some(timer), Some(gate)) => Some(timer.min(gate)),
            (timer, gate) => timer.or(gate),
        }
    }

    /// The next batch, if there is work, a free connection, and a database.
    pub(crate) fn launch(&mut self, now: Instant) -> Option<Batch<P>> {
        if self.in_flight >= self.config.connections || !self.gate.admits(now) {
            return None;
        }
        let (_, id) = self.queue.pop_first()?;
        let turn = self.number();
        let entry = self.plans.get_mut(&id)?;
        let alone = !entry.ready_alone.is_empty() && (entry.ready.is_empty() || !entry.alone_last);
        entry.alone_last = alone;
        let mut cohorts = Vec::new();
        if alone {
            cohorts.extend(entry.ready_alone.pop_first().map(|(_, id)| id));
        } else {
            while cohorts.len() < self.config.batch_size
                && let Some((_, id)) = entry.ready.pop_first()
            {
                cohorts.push(id);
            }
        }
        for id in &cohorts {
            entry.running.insert(*id);
            if let Some(cohort) = self.cohorts.get_mut(id) {
                cohort.phase = Phase::Running;
            }
        }
        // Back to the end of the queue: every plan has its turn.
        entry.queued = entry.has_work().then_some(turn);
        if entry.queued.is_some() {
            self.queue.insert(turn, id);
        }
        let flight = FlightId(turn);
        self.in_flight += 1;
        self.gate.departs(flight);
        Some(Batch { flight, id, plan: Arc::clone(&entry.plan), cohorts })
    }

    // Runs

    /// A statement for these cohorts is about to start: whatever changes from
    /// here on is not in its result. Cohorts that are gone are left out.
    pub(crate) fn begin(&mut self, plan: PlanId, ids: &[CohortId]) -> Vec<(Params, Seat<E>)> {
        let Some(entry) = self.plans.get(&plan) else {
            return Vec::new();
        };
        ids.iter()
            .filter_map(|id| {
                let cohort = self.cohorts.get_mut(id)?;
                cohort.seen = entry.generation;
                cohort.runs += 1;
                Some((
                    Arc::clone(&cohort.params),
                    Seat {
                        cohort: *id,
                        run: cohort.runs,
                        publisher: Arc::clone(&cohort.publisher),
                    },
                ))
            })
            .collect()
    }

    /// The database answered.
    pub(crate) fn reached(&mut self, flight: FlightId) {
        self.gate.reached(flight);
    }

    /// A statement gave results, which are published.
    pub(crate) fn succeeded(
        &mut self,
        ids: impl Iterator<Item = CohortId>,
        started: Instant,
        took: Duration,
        now: Instant,
    ) {
        let not_before = started + self.config.spacing(took);
        for id in ids {
            self.detach(id);
            let Some(cohort) = self.cohorts.get_mut(&id) else {
                continue;
            };
            cohort.failures = 0;
            cohort.early = false;
            cohort.not_before = not_before;
            let Some(entry) = self.plans.get_mut(&cohort.plan) else {
                continue;
            };
            if cohort.seen == entry.generation {
                cohort.phase = Phase::Clean;
                entry.clean.insert(id);
            } else {
                self.schedule(id, not_before, now);
            }
        }
    }

    /// A cohort failed on its own; its subscribers are told.
    pub(crate) fn failed(&mut self, id: CohortId, now: Instant) {
        self.detach(id);
        let Some(cohort) = self.cohorts.get_mut(&id) else {
            return;
        };
        cohort.failures = cohort.failures.saturating_add(1);
        cohort.failed_at = now;
        let retry = now + self.config.backoff(cohort.failures);
        cohort.not_before = retry;
        // One early retry for each retry by the clock: a busy table cannot
        // defeat the pauses.
        if !std::mem::take(&mut cohort.early)
            && let Some(entry) = self.plans.get_mut(&cohort.plan)
        {
            entry.hopeful.insert(id);
        }
        self.schedule(id, retry, now);
    }

    /// The database could not be reached; the subscribers of the statement's
    /// cohorts are told. `ids` is all that the batch has not finished.
    pub(crate) fn unreached(
        &mut self,
        flight: FlightId,
        ids: impl Iterator<Item = CohortId>,
        error: &E,
        now: Instant,
    ) {
        let verdict = self.gate.unreached(flight, error, now, &self.config);
        for id in ids {
            self.detach(id);
            self.schedule(id, now, now);
        }
        if verdict == Verdict::Confirmed {
            let queued = self
                .plans
                .values()
                .flat_map(|entry| entry.ready.values().chain(entry.ready_alone.values()));
            for cohort in queued.filter_map(|id| self.cohorts.get(id)) {
                self.tells.push(Tell {
                    publisher: Arc::clone(&cohort.publisher),
                    runs: cohort.runs,
                    error: error.clone(),
                });
            }
        }
    }

    /// A batch is over. `left` is what it did not finish, for whatever reason.
    pub(crate) fn landed(
        &mut self,
        flight: FlightId,
        left: impl Iterator<Item = CohortId>,
        now: Instant,
    ) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let mut pause = Duration::ZERO;
        for id in left {
            pause = self.config.backoff_min;
            self.detach(id);
            self.schedule(id, now + pause, now);
        }
        self.gate.landed(flight, now, pause);
        self.stirred = true;
    }

    // The rest

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn stats(&self) -> Stats {
        let clean: usize = self
            .plans
            .values()
            .map(|entry| {
                let current = entry.running.iter().filter(|id| {
                    self.cohorts
                        .get(id)
                        .is_some_and(|cohort| cohort.seen == entry.generation && cohort.runs > 0)
                });
                entry.clean.len() + current.count()
            })
            .sum();
        Stats {
            plans: self.plans.len(),
            cohorts: self.cohorts.len(),
            subscribers: self.subscribers,
            dirty: self.cohorts.len() - clean,
            in_flight: self.in_flight,
        }
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

#[cfg(test)]
mod tests;
