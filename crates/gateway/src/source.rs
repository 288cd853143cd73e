//! The source of the engine: services and a database under one schema for each role.
//!
//! | module | subject |
//! |---|---|
//! | `member` | services that take part, and what each role sees of them |
//! | `roles` | which schemas there are, made before they are needed |
//! | `seats` | the schemas of services, those in use and those refused |
//! | `role` | the schema of a role, and documents read by it |
//! | `plan` | an operation over services, with the values of a request |
//! | `broker` | subscriptions that a message broker feeds |
//! | `shared` | what is done once for all who run one plan |
//! | `ask` | one sub-request, and what came of it |
//! | `events` | subscriptions of services, event by event |
//! | `live` | queries of services as live queries |

mod ask;
mod broker;
mod events;
mod live;
mod member;
mod plan;
mod role;
mod roles;
mod seats;
mod shared;
#[cfg(test)]
mod testing;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use artesian_compose::ComposeError;
use artesian_engine::{Engine, EngineConfig, Generation, GraphQLError, Plan, Reader, Source};
use artesian_graphql::{bind::BoundOperation, schema::Schema};
use async_trait::async_trait;
use futures_util::future::join_all;
use parking_lot::{Mutex, RwLock};

pub use broker::{EventsMember, Turns, wants as events_wants};
pub use member::Member;
use roles::Roles;
pub use seats::Refreshed;
use seats::{Fitted, Seat};

use crate::{config::Prefix, identity::Wants};

/// A limit that nothing reaches which came through those of the settings.
const FREE: usize = 1 << 20;

/// The same of a depth: the parser allows no more, whatever the settings say, and binding recurses.
const FREE_DEPTH: usize = 500;

/// The same of a time.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The database among the sources.
pub struct DatabaseMember {
    /// The name of the source.
    pub name: Arc<str>,
    /// What comes before the names of its root fields and types.
    pub prefix: Prefix,
    /// It.
    pub source: Arc<dyn Source>,
}

/// The database with an engine that answers its share of operations over several sources.
struct Database {
    name: Arc<str>,
    prefix: Prefix,
    source: Arc<dyn Source>,
    engine: Engine,
}

/// Several sources as one.
pub struct Gateway {
    database: Option<Database>,
    members: ArcSwap<Vec<Seat>>,
    events: ArcSwap<Vec<Arc<EventsMember>>>,
    /// Held while members or their schemas change: the database's schema that they were fitted to.
    changing: Mutex<Fitted>,
    generation: Generation,
    roles: RwLock<Roles>,
    /// Held while a schema is made that somebody waits for.
    composing: Mutex<()>,
    wants: ArcSwap<Wants>,
    this: Weak<Self>,
}

/// The sources beside the database.
#[derive(Clone, Default)]
pub struct Sources {
    /// Services.
    pub services: Vec<Arc<Member>>,
    /// Brokers.
    pub events: Vec<Arc<EventsMember>>,
}

/// Why the sources cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// Their schemas conflict.
    #[error("the sources cannot be one schema:\n{0}")]
    Conflict(#[from] ComposeError),
}

impl Gateway {
    /// Waits until each service has been read once or has failed, for no longer than `patience`. A
    /// service that is not there joins when it comes.
    ///
    /// # Errors
    /// The schemas that are there conflict.
    pub async fn start(
        database: Option<DatabaseMember>,
        sources: Sources,
        patience: Duration,
    ) -> Result<Arc<Self>, GatewayError> {
        let database = database.map(Database::new);
        let generation =
            database.as_ref().map(|database| database.source.generation()).unwrap_or_default();
        let readings = join_all(sources.services.iter().map(|member| member.service.refresh_now()));
        // Those that take longer join later.
        let _ = tokio::time::timeout(patience, readings).await;
        let gateway = Arc::new_cyclic(|this| Self {
            database,
            members: ArcSwap::default(),
            events: ArcSwap::default(),
            changing: Mutex::default(),
            generation,
            roles: RwLock::default(),
            composing: Mutex::default(),
            wants: ArcSwap::default(),
            this: this.clone(),
        });
        gateway.replace(sources)?;
        Ok(gateway)
    }

    /// Other services from now on. Those among them that were there before go on, and so does what runs
    /// on them.
    ///
    /// # Errors
    /// The schemas that are there conflict. Nothing has changed then.
    pub fn replace(&self, sources: Sources) -> Result<(), GatewayError> {
        roles::at_leisure(|| self.replace_now(sources))
    }

    fn replace_now(&self, sources: Sources) -> Result<(), GatewayError> {
        let mut fitted = self.changing.lock();
        let of_database = Fitted::to(self);
        let old = self.members.load();
        let mut seats: Vec<Seat> = sources
            .services
            .into_iter()
            .map(|member| {
                let there = old.iter().find(|seat| Arc::ptr_eq(&seat.member, &member));
                there.cloned().unwrap_or_else(|| Seat::new(self, member))
            })
            .collect();
        let roles = self.prepare(&seats, &sources.events)?;
        // What was refused before may have a place now.
        let roles = self.settle(&mut seats, &sources.events, None).unwrap_or(roles);
        let wants = seats.iter().map(|seat| seat.member.wants.clone());
        let wants = wants.chain(sources.events.iter().map(|member| member.wants()));
        let wants = wants.fold(Wants::default(), Wants::union);
        self.wants.store(Arc::new(wants));
        self.publish(seats, sources.events, roles);
        *fitted = of_database;
        Ok(())
    }

    /// The database among the sources, with its name.
    pub fn database(&self) -> Option<(&Arc<str>, &Arc<dyn Source>)> {
        self.database.as_ref().map(|database| (&database.name, &database.source))
    }

    /// The services that take part now.
    pub fn members(&self) -> Vec<Arc<Member>> {
        self.members.load().iter().map(|seat| Arc::clone(&seat.member)).collect()
    }

    /// All sources beside the database now.
    pub fn sources(&self) -> Sources {
        Sources { services: self.members(), events: Vec::clone(&self.events.load()) }
    }
}

impl Database {
    fn new(member: DatabaseMember) -> Self {
        // What a request may be, and how long it may take, is decided before its share comes here, by
        // settings that may allow more than the defaults.
        let config = EngineConfig {
            max_depth: FREE_DEPTH,
            max_root_fields: FREE,
            max_aliases: FREE,
            max_tokens: FREE,
            max_directives: FREE,
            persisted_queries: false,
            execution_timeout: A_DAY,
            ..EngineConfig::default()
        };
        let engine = Engine::new(Arc::clone(&member.source), config);
        let DatabaseMember { name, prefix, source } = member;
        Self { name, prefix, source, engine }
    }
}

#[async_trait]
impl Source for Gateway {
    fn schema(&self, role: &str) -> Option<Arc<Schema>> {
        self.database.as_ref().and_then(|database| database.source.schema(role))
    }

    fn reader(&self, role: &str) -> Option<Arc<dyn Reader>> {
        let is_plain = |database: &Database| database.prefix == Prefix::default();
        if self.database.as_ref().is_some_and(is_plain)
            && self.members.load().is_empty()
            && self.events.load().is_empty()
        {
            return None;
        }
        self.seen(role).reader.map(|reader| reader as Arc<dyn Reader>)
    }

    fn plan(&self, role: &str, operation: &BoundOperation) -> Result<Arc<dyn Plan>, GraphQLError> {
        match &self.database {
            Some(database) => database.source.plan(role, operation),
            None => Err(ask::unexpected("there is no database among the sources")),
        }
    }

    fn wants(&self) -> Arc<dyn artesian_engine::Wants> {
        self.wants.load_full()
    }

    fn generation(&self) -> Generation {
        self.generation.clone()
    }

    async fn ready(&self) -> Result<(), String> {
        if let Some(database) = &self.database {
            database.source.ready().await?;
            return Ok(());
        }
        let members = self.members.load();
        if members.is_empty() || members.iter().any(|seat| seat.schema.is_some()) {
            return Ok(());
        }
        Err("no service has been reached yet".to_owned())
    }
}
