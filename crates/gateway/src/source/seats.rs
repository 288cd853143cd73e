//! Services with the schemas by which they take part: what each offers, and what of it can be used beside
//! the others.

use std::sync::Arc;

use artesian_compose::ServiceSchema;
use artesian_engine::identity::ADMIN_ROLE;
use artesian_graphql::schema::Schema;
use futures_util::future::join_all;
use tokio::task::AbortHandle;

use super::{EventsMember, Gateway, Member, roles::Roles};
use crate::service::{Outcome, ServiceError};

/// A member with the schema by which it takes part.
#[derive(Clone)]
pub(super) struct Seat {
    pub member: Arc<Member>,
    /// In use. None until the service has been there once with one that can be used.
    pub schema: Option<Arc<ServiceSchema>>,
    /// What the service has now.
    offered: Option<Arc<ServiceSchema>>,
    /// Why that is not in use.
    refused: Option<Arc<str>>,
    /// The task that hears of its schemas; it ends with the last clone.
    _follower: Arc<Follower>,
}

struct Follower(AbortHandle);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What came of reading a service's schema because somebody asked for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// The name of the source.
    pub name: Arc<str>,
    /// Whether it was read, and what is new in it.
    pub read: Result<Outcome, ServiceError>,
    /// Why the schema that the service has now is not in use: it conflicts with other sources.
    pub refused: Option<Arc<str>>,
}

impl Seat {
    /// A seat of a member whose schemas are followed from now on. It takes part with what it has now.
    pub fn new(gateway: &Gateway, member: Arc<Member>) -> Self {
        let mut changes = member.service.changes();
        let schema = changes.borrow_and_update().clone();
        let (gateway, of) = (gateway.this.clone(), Arc::downgrade(&member));
        let follower = tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                let (Some(gateway), Some(member)) = (gateway.upgrade(), of.upgrade()) else {
                    return;
                };
                changes.mark_unchanged();
                gateway.take(member).await;
            }
        });
        let follower = Arc::new(Follower(follower.abort_handle()));
        Self { member, offered: schema.clone(), schema, refused: None, _follower: follower }
    }

    /// Whether the service has a schema that is not in use.
    fn is_behind(&self) -> bool {
        match (&self.schema, &self.offered) {
            (Some(used), Some(offered)) => !Arc::ptr_eq(used, offered),
            (used, offered) => used.is_some() != offered.is_some(),
        }
    }
}

/// What the schemas in use were put together with: the database's, as the administrator sees it. It is
/// kept, so that no other has its address.
#[derive(Default)]
pub(super) struct Fitted(Option<Arc<Schema>>);

impl Fitted {
    /// As it is now.
    pub fn to(gateway: &Gateway) -> Self {
        Self(gateway.schema_of_database(ADMIN_ROLE))
    }

    fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }
}

impl Gateway {
    /// After a change of the database: its tables cannot be refused, so services give way that conflict
    /// with them, and no others. Those that gave way before may have a place again.
    pub(super) fn fit_to_database(&self) {
        let mut fitted = self.changing.lock();
        let (generation, now) = (self.generation.now(), Fitted::to(self));
        if fitted.is_same(&now) {
            return;
        }
        *fitted = now;
        let mut seats = Vec::clone(&self.members.load());
        let events = Vec::clone(&self.events.load());
        let together = self.prepare(&seats, &events).map_err(|error| {
            tracing::error!("the sources do not go together since the database changed: {error}");
        });
        let Ok(roles) = together else {
            let roles = self.seat_anew(&mut seats, &events);
            // If there is no place for anybody, it is the events that are in the way.
            match self.settle(&mut seats, &events, None).or(roles) {
                Some(roles) => self.publish(seats, events, roles),
                None => tracing::error!("no service and no broker takes part until that ends"),
            }
            return;
        };
        match self.settle(&mut seats, &events, None) {
            Some(roles) => self.publish(seats, events, roles),
            None => self.keep_prepared(generation, roles),
        }
    }

    /// Leaves in use what can be of the schemas that are, in the order of the seats.
    fn seat_anew(&self, seats: &mut [Seat], events: &[Arc<EventsMember>]) -> Option<Roles> {
        let former: Vec<_> = seats.iter_mut().map(|seat| seat.schema.take()).collect();
        let mut prepared = self.prepare(seats, events).ok();
        for (at, schema) in former.into_iter().enumerate() {
            let Some(seat) = seats.get_mut(at).filter(|_| schema.is_some()) else { continue };
            seat.schema = schema;
            if let Ok(roles) = self.prepare(seats, events) {
                prepared = Some(roles);
            } else if let Some(seat) = seats.get_mut(at) {
                // Why is told when a place is looked for.
                seat.schema = None;
            }
        }
        prepared
    }

    /// Reads the schemas of all services now, or of the one with this name, and waits until what is new in
    /// them is in use. Empty: there is no service of this name.
    pub async fn refresh(&self, name: Option<&str>) -> Vec<Refreshed> {
        let mut members = self.members();
        members.retain(|member| name.is_none_or(|name| **member.service.name() == *name));
        join_all(members.into_iter().map(async |member| {
            let name = Arc::clone(member.service.name());
            let read = member.service.refresh_now().await;
            let refused = match &read {
                Ok(_) => self.take(member).await,
                Err(_) => None,
            };
            Refreshed { name, read, refused }
        }))
        .await
    }

    /// Why the schema that a service has now is not in use, by the name of the source.
    pub fn refused(&self, name: &str) -> Option<Arc<str>> {
        let seats = self.members.load();
        seats.iter().find(|seat| **seat.member.service.name() == *name)?.refused.clone()
    }

    /// Puts the schema into force that a member has now. Why it is not in use afterwards.
    async fn take(&self, member: Arc<Member>) -> Option<Arc<str>> {
        let gateway = self.this.upgrade()?;
        // Megabytes are composed and validated.
        let taking = tokio::task::spawn_blocking(move || {
            let schema = member.service.schema()?;
            gateway.accept(&member, schema)
        });
        taking.await.ok().flatten()
    }

    /// A member has this schema now. Why it is not in use afterwards.
    pub(super) fn accept(
        &self,
        member: &Arc<Member>,
        schema: Arc<ServiceSchema>,
    ) -> Option<Arc<str>> {
        // Not with a database that has changed in between.
        self.fit_to_database();
        let _changing = self.changing.lock();
        let mut seats = Vec::clone(&self.members.load());
        let at = seats.iter().position(|seat| Arc::ptr_eq(&seat.member, member))?;
        let seat = seats.get_mut(at)?;
        if seat.offered.as_ref().is_some_and(|offered| Arc::ptr_eq(offered, &schema)) {
            return seat.refused.clone();
        }
        seat.offered = Some(schema);
        let events = Vec::clone(&self.events.load());
        let prepared = self.settle(&mut seats, &events, Some(at));
        let refused = seats.get(at).and_then(|seat| seat.refused.clone());
        match prepared {
            Some(roles) => self.publish(seats, events, roles),
            // Nobody sees anything else.
            None => self.members.store(Arc::new(seats)),
        }
        refused
    }

    /// Takes all schemas into use that can be: the one of the seat `first` before the others, and then
    /// those that were refused before, since what they conflicted with may be gone. Gives what was
    /// prepared for what is in use then, or nothing if nothing could be taken.
    pub(super) fn settle(
        &self,
        seats: &mut [Seat],
        events: &[Arc<EventsMember>],
        first: Option<usize>,
    ) -> Option<Roles> {
        let mut prepared = None;
        loop {
            let others = (0..seats.len()).filter(|at| Some(*at) != first);
            let mut has_taken = false;
            for at in first.into_iter().chain(others) {
                if let Some(roles) = self.try_one(seats, events, at) {
                    prepared = Some(roles);
                    has_taken = true;
                }
            }
            // What was taken may have made room for what came before it.
            if !has_taken || !seats.iter().any(Seat::is_behind) {
                return prepared;
            }
        }
    }

    /// Takes the schema of one seat into use, if it is not and can be.
    fn try_one(
        &self,
        seats: &mut [Seat],
        events: &[Arc<EventsMember>],
        at: usize,
    ) -> Option<Roles> {
        let seat = seats.get_mut(at).filter(|seat| seat.is_behind())?;
        let service = Arc::clone(seat.member.service.name());
        let former = std::mem::replace(&mut seat.schema, seat.offered.clone());
        let result = self.prepare(seats, events);
        let seat = seats.get_mut(at)?;
        match result {
            Ok(roles) => {
                if seat.refused.take().is_some() {
                    tracing::info!(%service, "the service's schema can be used now");
                }
                Some(roles)
            }
            Err(error) => {
                let kept = match &former {
                    Some(_) => "the one before stays in use",
                    None => "it takes no part",
                };
                seat.schema = former;
                let why: Arc<str> = error.to_string().into();
                if seat.refused.as_ref() != Some(&why) {
                    tracing::error!(%service, "the service's schema cannot be used, {kept}: {why}");
                    seat.refused = Some(why);
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
