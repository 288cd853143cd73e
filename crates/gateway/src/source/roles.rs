//! Which schemas there are: one for all roles that see the same, made before they are needed.

use std::{collections::HashMap, sync::Arc};

use artesian_compose::ComposeError;
use artesian_engine::identity::ADMIN_ROLE;
use artesian_graphql::schema::Schema;

use super::{
    EventsMember, Gateway, Seat,
    role::{DatabasePart, RoleReader},
};

/// How many roles' schemas are kept. Clients may invent roles.
const MAX_ROLES: usize = 1024;

/// Readers by role, as long as nothing changes.
#[derive(Default)]
pub(super) struct Roles {
    generation: u64,
    by_role: HashMap<Box<str>, Seen>,
    /// Roles that see the same share one.
    by_view: HashMap<ViewKey, Arc<RoleReader>>,
}

/// What a role sees.
#[derive(Clone)]
pub(super) struct Seen {
    /// The database's schema that this was made with.
    schema: Option<Arc<Schema>>,
    /// None if no service is to be seen.
    pub reader: Option<Arc<RoleReader>>,
}

/// The database's schema, by its address, and which of its views each member shows. The reader keeps the
/// schema, so that no other has its address.
type ViewKey = (usize, Vec<Option<usize>>);

fn address(schema: Option<&Arc<Schema>>) -> usize {
    schema.map_or(0, |schema| Arc::as_ptr(schema) as usize)
}

/// Does what takes long without keeping other tasks of this thread from running, if it is a runtime's.
/// Megabytes are composed and validated: 2,000 types take 55 ms, 10,000 take 430 ms.
pub(super) fn at_leisure<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

impl Gateway {
    /// The schemas over these members, of the administrator and of all roles that were seen lately, or why
    /// they cannot be one.
    pub(super) fn prepare(
        &self,
        seats: &[Seat],
        events: &[Arc<EventsMember>],
    ) -> Result<Roles, ComposeError> {
        let known: Vec<Box<str>> = self.roles.read().by_role.keys().cloned().collect();
        let mut roles = Roles::default();
        let schema = self.schema_of_database(ADMIN_ROLE);
        let reader = self.compose(ADMIN_ROLE, schema.as_ref(), seats, events)?;
        for note in reader.iter().flat_map(|reader| reader.notes()) {
            tracing::warn!("{note}");
        }
        let key = view_key(ADMIN_ROLE, schema.as_ref(), seats, events);
        roles.keep(ADMIN_ROLE, key, schema, reader);
        for role in known.iter().filter(|role| ***role != *ADMIN_ROLE) {
            let schema = self.schema_of_database(role);
            let key = view_key(role, schema.as_ref(), seats, events);
            let reader = match roles.by_view.get(&key) {
                Some(reader) => Some(Arc::clone(reader)),
                None => self.compose_narrowed(role, schema.as_ref(), seats, events),
            };
            roles.keep(role, key, schema, reader);
        }
        Ok(roles)
    }

    /// Keeps what was prepared, where the members are the same as before.
    pub(super) fn keep_prepared(&self, generation: u64, mut prepared: Roles) {
        prepared.generation = generation;
        *self.roles.write() = prepared;
    }

    /// Puts members into force, with the schemas that were prepared.
    pub(super) fn publish(
        &self,
        seats: Vec<Seat>,
        events: Vec<Arc<EventsMember>>,
        mut prepared: Roles,
    ) {
        // Whoever hears of the change and asks finds the new schemas.
        let mut roles = self.roles.write();
        self.members.store(Arc::new(seats));
        self.events.store(Arc::new(events));
        self.generation.advance();
        prepared.generation = self.generation.now();
        *roles = prepared;
    }

    pub(super) fn schema_of_database(&self, role: &str) -> Option<Arc<Schema>> {
        self.database.as_ref().and_then(|database| database.source.schema(role))
    }

    fn compose(
        &self,
        role: &str,
        schema: Option<&Arc<Schema>>,
        seats: &[Seat],
        events: &[Arc<EventsMember>],
    ) -> Result<Option<Arc<RoleReader>>, ComposeError> {
        let database = self.database.as_ref().zip(schema).map(|(database, schema)| DatabasePart {
            name: Arc::clone(&database.name),
            prefix: database.prefix.clone(),
            schema: Arc::clone(schema),
        });
        let services = seats.iter().filter_map(|seat| {
            let view = seat.member.view(role)?;
            Some((Arc::clone(&seat.member), view, Arc::clone(seat.schema.as_ref()?)))
        });
        RoleReader::compose(self.this.clone(), database, services.collect(), (role, events))
    }

    /// As [`compose`](Self::compose) where it is one schema for the administrator, so that a conflict is
    /// about what this role sees.
    fn compose_narrowed(
        &self,
        role: &str,
        schema: Option<&Arc<Schema>>,
        seats: &[Seat],
        events: &[Arc<EventsMember>],
    ) -> Option<Arc<RoleReader>> {
        self.compose(role, schema, seats, events).unwrap_or_else(|error| {
            tracing::error!(role, "the sources are no schema for this role: {error}");
            None
        })
    }

    /// What a role sees now.
    pub(super) fn seen(&self, role: &str) -> Seen {
        let schema = self.schema_of_database(role);
        if let Some(seen) = self.roles.read().of_role(role, self.generation.now(), schema.as_ref())
        {
            return seen;
        }
        // A role that is new here, or a change of the database's. Everybody of the role may be waiting.
        at_leisure(|| {
            let _composing = self.composing.lock();
            self.fit_to_database();
            let generation = self.generation.now();
            let schema = self.schema_of_database(role);
            if let Some(seen) = self.roles.read().of_role(role, generation, schema.as_ref()) {
                return seen;
            }
            let (seats, events) = (self.members.load(), self.events.load());
            let key = view_key(role, schema.as_ref(), &seats, &events);
            let there = {
                let roles = self.roles.read();
                roles.by_view.get(&key).filter(|_| roles.generation == generation).cloned()
            };
            let reader =
                there.or_else(|| self.compose_narrowed(role, schema.as_ref(), &seats, &events));
            let mut roles = self.roles.write();
            if roles.generation > generation {
                // Something has changed in the meantime. This one prepares again when it hears of it.
                return Seen { schema, reader };
            }
            if roles.generation < generation || roles.by_role.len() >= MAX_ROLES {
                *roles = Roles { generation, ..Roles::default() };
            }
            roles.keep(role, key, schema, reader)
        })
    }
}

impl Roles {
    fn of_role(&self, role: &str, generation: u64, schema: Option<&Arc<Schema>>) -> Option<Seen> {
        let seen = self.by_role.get(role).filter(|_| self.generation == generation)?;
        (address(seen.schema.as_ref()) == address(schema)).then(|| seen.clone())
    }

    fn keep(
        &mut self,
        role: &str,
        key: ViewKey,
        schema: Option<Arc<Schema>>,
        reader: Option<Arc<RoleReader>>,
    ) -> Seen {
        // One that is there already stays, so that the plans of all who see the same are one.
        let reader = reader.map(|new| Arc::clone(self.by_view.entry(key).or_insert(new)));
        let seen = Seen { schema, reader };
        self.by_role.insert(role.into(), seen.clone());
        seen
    }
}

fn view_key(
    role: &str,
    schema: Option<&Arc<Schema>>,
    seats: &[Seat],
    events: &[Arc<EventsMember>],
) -> ViewKey {
    let services =
        seats.iter().map(|seat| seat.member.view(role).filter(|_| seat.schema.is_some()));
    let events = events.iter().flat_map(|member| member.view(role));
    let views = services.chain(events.map(|is_seen| Some(usize::from(is_seen))));
    (address(schema), views.collect())
}

#[cfg(test)]
mod tests;
