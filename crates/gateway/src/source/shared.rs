//! What is done once for all who run one plan: an event becomes a result, and what it lacks is asked for.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use artesian_compose::{Bound, Missing};
use artesian_engine::{GraphQLError, Identity, Payload};
use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use serde_json::{Map, Value as Json};

use super::{broker::EventAsk, plan::GatewayPlan};

/// Completions that are kept for those who come next.
const MAX_COMPLETIONS: usize = 64;

/// What was asked for to complete an event: members of its value, and errors.
pub(super) type Found = Result<(Map<String, Json>, Vec<Json>), GraphQLError>;

/// The same while it is asked for.
pub(super) type Completing = Shared<BoxFuture<'static, Found>>;

/// The work that is shared. It is kept only while there are streams.
#[derive(Default)]
pub(super) struct SharedWork {
    service: Mutex<Option<ServiceMemo>>,
    broker: Mutex<Option<BrokerMemo>>,
    completions: Mutex<VecDeque<Completion>>,
    /// Streams that are given events.
    streams: AtomicUsize,
}

/// An event of a service with what it became.
struct ServiceMemo {
    /// Kept, so that no other event can be at its place in memory.
    event: Bytes,
    bound: Arc<Bound>,
    payload: Payload,
}

/// What a broker's event became for equal clients; `None`: it is not for them.
struct BrokerMemo {
    event: artesian_events::Event,
    ask: Arc<EventAsk>,
    bound: Arc<Bound>,
    payload: Option<Payload>,
}

struct Completion {
    event: artesian_events::Event,
    missing: Missing,
    identity: Identity,
    found: Completing,
}

impl SharedWork {
    /// What a service's event becomes. All who get it one after the other share the work.
    pub fn joined(
        &self,
        event: &Bytes,
        bound: &Arc<Bound>,
        join: impl FnOnce() -> Payload,
    ) -> Payload {
        let is_it = |memo: &&ServiceMemo| {
            memo.event.as_ptr() == event.as_ptr()
                && memo.event.len() == event.len()
                && (Arc::ptr_eq(&memo.bound, bound) || memo.bound.joins_like(bound))
        };
        if let Some(memo) = self.service.lock().as_ref().filter(is_it) {
            return memo.payload.clone();
        }
        let payload = join();
        let (event, bound) = (event.clone(), Arc::clone(bound));
        *self.service.lock() = Some(ServiceMemo { event, bound, payload: payload.clone() });
        payload
    }

    /// What a broker's event becomes, made once for equal clients that get it one after the other.
    pub fn made(
        &self,
        event: &artesian_events::Event,
        ask: &Arc<EventAsk>,
        bound: &Arc<Bound>,
        make: impl FnOnce() -> Option<Payload>,
    ) -> Option<Payload> {
        let is_it = |memo: &&BrokerMemo| {
            memo.event.is(event)
                && (Arc::ptr_eq(&memo.ask, ask) || memo.ask.is_same(ask))
                && (Arc::ptr_eq(&memo.bound, bound) || memo.bound.joins_like(bound))
        };
        if let Some(memo) = self.broker.lock().as_ref().filter(is_it) {
            return memo.payload.clone();
        }
        let payload = make();
        let (event, ask, bound) = (event.clone(), Arc::clone(ask), Arc::clone(bound));
        *self.broker.lock() = Some(BrokerMemo { event, ask, bound, payload: payload.clone() });
        payload
    }

    /// What an event lacks, asked for by the first client of each identity.
    pub fn completed(
        &self,
        event: &artesian_events::Event,
        missing: Missing,
        identity: &Identity,
        ask: impl FnOnce(Missing, Identity) -> BoxFuture<'static, Found>,
    ) -> Completing {
        let mut completions = self.completions.lock();
        let is_it = |one: &&Completion| {
            one.event.is(event) && one.missing == missing && one.identity == *identity
        };
        if let Some(there) = completions.iter().find(is_it) {
            return there.found.clone();
        }
        let found = ask(missing.clone(), identity.clone()).shared();
        if completions.len() >= MAX_COMPLETIONS {
            completions.pop_front();
        }
        let (event, identity) = (event.clone(), identity.clone());
        completions.push_back(Completion { event, missing, identity, found: found.clone() });
        found
    }
}

/// A stream's share in a plan: with the last one go the events that are kept.
pub(super) struct PlanShare(Arc<GatewayPlan>);

impl PlanShare {
    pub fn new(plan: &Arc<GatewayPlan>) -> Self {
        plan.shared().streams.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(plan))
    }
}

impl std::ops::Deref for PlanShare {
    type Target = Arc<GatewayPlan>;

    fn deref(&self) -> &Arc<GatewayPlan> {
        &self.0
    }
}

impl Drop for PlanShare {
    fn drop(&mut self) {
        let shared = self.0.shared();
        // One that begins just now only loses what it would have to make again.
        if shared.streams.fetch_sub(1, Ordering::Relaxed) == 1 {
            *shared.service.lock() = None;
            *shared.broker.lock() = None;
            shared.completions.lock().clear();
        }
    }
}
