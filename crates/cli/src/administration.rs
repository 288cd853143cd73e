//! What the administrator is told of the sources, and can ask of them.

use std::{sync::Arc, time::Duration};

use artesian_gateway::{
    EventsMember, Gateway, Member,
    service::{Outcome, State},
};
use artesian_server::sources::{
    Read, RefreshError, Refreshed, SchemaStatus, SourceKind, SourceStatus, Sources,
};
use async_trait::async_trait;

use crate::connect::Opened;

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// The sources of this process.
pub struct Administration {
    gateway: Arc<Gateway>,
    /// Where the database is, without its password.
    database: Option<Arc<str>>,
}

impl Administration {
    /// Of what was opened.
    pub fn new(opened: &Opened) -> Self {
        let database = opened.database.as_ref().map(|database| database.url.to_string().into());
        Self { gateway: Arc::clone(&opened.gateway), database }
    }

    async fn database(&self) -> Option<SourceStatus> {
        let (name, source) = self.gateway.database()?;
        let error = match tokio::time::timeout(PATIENCE, source.ready()).await {
            Ok(answer) => answer.err(),
            Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        Some(SourceStatus {
            name: Arc::clone(name),
            kind: SourceKind::Database,
            url: self.database.clone(),
            state: if error.is_none() { "up" } else { "down" },
            since: None,
            error: error.map(Into::into),
            schema: None,
        })
    }

    fn service(&self, member: &Member) -> SourceStatus {
        let now = member.service.status();
        let refused = self.gateway.refused(&now.name);
        SourceStatus {
            kind: SourceKind::GraphQL,
            url: Some(now.url),
            state: now.state.as_str(),
            since: (now.state != State::Starting).then_some(now.since),
            error: now.error,
            schema: Some(SchemaStatus {
                digest: now.digest,
                file: now.schema_file,
                read: now.read,
                changed: now.changed,
                refused,
            }),
            name: now.name,
        }
    }
}

fn broker(member: &EventsMember) -> SourceStatus {
    let now = member.hub.stats();
    let ended = now.disconnected.saturating_add(now.connect_failed);
    SourceStatus {
        name: Arc::clone(&member.name),
        kind: SourceKind::Events,
        url: None,
        state: match (now.connected > now.disconnected, ended) {
            (true, _) => "up",
            // Nothing has been asked of it.
            (false, 0) => "starting",
            (false, _) => "down",
        },
        since: None,
        error: None,
        schema: None,
    }
}

#[async_trait]
impl Sources for Administration {
    async fn list(&self) -> Vec<SourceStatus> {
        let mut all: Vec<_> = self.database().await.into_iter().collect();
        let sources = self.gateway.sources();
        all.extend(sources.services.iter().map(|member| self.service(member)));
        all.extend(sources.events.iter().map(|member| broker(member)));
        all
    }

    async fn refresh(&self, name: Option<&str>) -> Result<Vec<Refreshed>, RefreshError> {
        let all = self.gateway.refresh(name).await;
        if let Some(name) = name
            && all.is_empty()
        {
            return Err(self.no_service(name));
        }
        Ok(all.into_iter().map(told).collect())
    }
}

impl Administration {
    fn no_service(&self, name: &str) -> RefreshError {
        let sources = self.gateway.sources();
        let database = self.gateway.database().map(|(name, _)| name);
        let services = sources.services.iter().map(|member| member.service.name());
        let brokers = sources.events.iter().map(|member| &member.name);
        let others = database.into_iter().chain(brokers);
        if others.clone().any(|other| **other == *name) {
            return RefreshError::NoService(name.to_owned());
        }
        let known: Vec<&str> = others.chain(services).map(|name| &**name).collect();
        RefreshError::Unknown { name: name.to_owned(), known: known.join(", ") }
    }
}

fn told(one: artesian_gateway::Refreshed) -> Refreshed {
    let read = match (one.read, one.refused) {
        (Err(error), _) => Read::Failed(error.to_string().into()),
        (Ok(_), Some(why)) => Read::Refused(why),
        (Ok(Outcome::Unchanged), None) => Read::Unchanged,
        (Ok(Outcome::Joined), None) => Read::Joined,
        (Ok(Outcome::Changed(what)), None) => Read::Changed(what.into()),
    };
    Refreshed { name: one.name, read }
}
