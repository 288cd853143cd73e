//! Subscriptions that a message broker feeds.
//!
//! A field's events are cut to what was selected; what they lack is asked for once for all clients of one
//! identity, as a query of the gateway's own, by that identity's rights.

mod stream;
mod turns;

use std::sync::Arc;

use artesian_compose::{
    Composed, EventField, Part, Pattern, ReadLimits, SchemaError, ServiceSchema,
};
use artesian_engine::{ErrorCode, GraphQLError, Identity, identity::ADMIN_ROLE};
use artesian_events::{
    Context, EventsError, FieldConfig, Hub, Named, Root, Topic, config::EventsConfig,
};
use bytes::Bytes;
use http::HeaderName;
use serde_json::{Map, Value as Json};

use crate::{
    config::Prefix,
    identity::{WantedHeaders, Wants},
};

pub(super) use stream::BrokerStream;
pub use turns::Turns;

/// A broker among the sources.
pub struct EventsMember {
    /// The name of the source.
    pub name: Arc<str>,
    /// What comes before the names of its root fields and types.
    pub prefix: Prefix,
    /// Its settings.
    pub config: EventsConfig,
    /// The same as they were written.
    pub written: Json,
    /// Its schema in the schema definition language.
    pub schema: String,
    /// The broker.
    pub hub: Arc<Hub>,
    /// The queries that supply what messages lack.
    pub turns: Arc<Turns>,
}

impl EventsMember {
    /// What is to be seen of it by a role. Types that its schema names and has not are those of the other
    /// sources.
    pub(super) fn part(
        &self,
        role: &str,
        others: Option<&Composed>,
    ) -> Result<(Part, ServiceSchema), SchemaError> {
        let limits = ReadLimits::default();
        let schema = ServiceSchema::from_sdl_beside(&self.schema, others, &limits)?;
        let mut part = Part::new(Arc::clone(&self.name), schema.clone());
        part.field_prefix = self.prefix.root_fields.clone();
        part.type_prefix = self.prefix.types.clone();
        // One that is no pattern must not be left out: without any, everything would be offered.
        let pattern = |text: &str| {
            let refused = |error| SchemaError::Invalid(format!("{text:?}: {error}"));
            text.parse::<Pattern>().map_err(refused)
        };
        // Only subscriptions have somebody who answers them.
        part.exclude = vec![pattern("query.*")?, pattern("mutation.*")?];
        let fields = self.config.fields.iter().filter(|(_, field)| is_seen(field, role));
        let include = fields.map(|(name, _)| pattern(&format!("subscription.{name}")));
        part.include = include.collect::<Result<_, _>>()?;
        if part.include.is_empty() {
            part.exclude.push(pattern("subscription.*")?);
        }
        Ok((part, schema))
    }

    /// Which of its fields a role sees, in their order.
    pub(super) fn view(&self, role: &str) -> impl Iterator<Item = bool> {
        self.config.fields.values().map(move |field| is_seen(field, role))
    }

    /// What templates look at of a client's words.
    pub(super) fn wants(&self) -> Wants {
        wants(&self.config, &self.written)
    }
}

fn is_seen(field: &FieldConfig, role: &str) -> bool {
    role == ADMIN_ROLE || field.is_open_to(role)
}

/// What these settings' templates look at of a client's words.
pub fn wants(config: &EventsConfig, written: &Json) -> Wants {
    let init_payload = config.fields.values().any(|field| uses(field, Root::ConnectionInit));
    let (mut headers, mut claims) = (Vec::new(), Vec::new());
    mentions(written, "headers.", &mut headers);
    mentions(written, "claims.", &mut claims);
    let headers = headers.iter().filter_map(|name| name.parse().ok()).collect();
    let claims = claims.into_iter().map(String::into_boxed_str).collect();
    let wants =
        Wants { headers: WantedHeaders::Named(headers), init_payload, claims, ..Wants::default() };
    wants.union(Wants::default())
}

/// The names behind a root, wherever they stand in templates and conditions.
fn mentions(value: &Json, root: &str, names: &mut Vec<String>) {
    let mut look = |text: &str| {
        for (at, _) in text.match_indices(root) {
            let rest = text.get(at + root.len()..).unwrap_or_default();
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '/');
            let name: String = rest.chars().take_while(|c| is_part(*c)).collect();
            if !name.is_empty() {
                names.push(name);
            }
        }
    };
    match value {
        Json::String(text) => look(text),
        Json::Array(items) => items.iter().for_each(|item| mentions(item, root, names)),
        Json::Object(members) => {
            members.keys().for_each(|key| look(key));
            members.values().for_each(|value| mentions(value, root, names));
        }
        _ => {}
    }
}

fn uses(field: &FieldConfig, root: Root) -> bool {
    field.topics.iter().any(|topic| topic.uses(root))
        || [&field.require, &field.filter].into_iter().flatten().any(|p| p.uses(root))
        || field.payload.as_ref().is_some_and(|p| p.uses(root))
        || field.complete.as_ref().is_some_and(|c| c.arguments.uses(root))
}

/// What conditions and templates look at, for one client.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Words {
    args: Json,
    identity: Identity,
    init_payload: Json,
    claims: Json,
}

impl Words {
    fn new(args: &Map<String, Json>, identity: &Identity) -> Self {
        let forwarded = identity.forwarded.as_deref();
        let read = |text: Option<&Bytes>| {
            text.and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default()
        };
        Self {
            args: Json::Object(args.clone()),
            identity: identity.clone(),
            init_payload: read(forwarded.and_then(|f| f.init_payload.as_ref())),
            claims: read(forwarded.and_then(|f| f.claims.as_ref())),
        }
    }

    /// Calls with all that there is to look at.
    fn with<T>(&self, payload: Option<&Json>, look: impl FnOnce(&Context<'_>) -> T) -> T {
        let session = Named(|name: &str| self.identity.session.get(name).map(str::to_owned));
        let headers = Named(|name: &str| {
            let name: HeaderName = name.parse().ok()?;
            let forwarded = self.identity.forwarded.as_deref()?;
            let (_, value) = forwarded.headers.iter().find(|(other, _)| *other == name)?;
            value.to_str().ok().map(str::to_owned)
        });
        let context = Context::new()
            .with(Root::Args, &self.args)
            .with(Root::Session, &session)
            .with(Root::Headers, &headers)
            .with(Root::ConnectionInit, &self.init_payload)
            .with(Root::Claims, &self.claims);
        match payload {
            Some(payload) => look(&context.with(Root::Payload, payload)),
            None => look(&context),
        }
    }
}

/// A subscription of one client to a broker's field.
pub(super) struct EventAsk {
    pub member: Arc<EventsMember>,
    pub field: Arc<EventField>,
    words: Words,
    topics: Vec<Topic>,
}

impl EventAsk {
    /// Checks that the client may subscribe.
    ///
    /// # Errors
    /// It may not, or there is no such topic for it.
    pub fn new(
        member: Arc<EventsMember>,
        field: EventField,
        identity: &Identity,
    ) -> Result<Self, GraphQLError> {
        let denied = || {
            GraphQLError::new(ErrorCode::PermissionError, "you may not subscribe to these events")
        };
        let config = member.config.fields.get(field.name()).ok_or_else(denied)?;
        if !is_seen(config, &identity.role) {
            return Err(denied());
        }
        let words = Words::new(field.arguments(), identity);
        if !words.with(None, |context| config.is_allowed(context)) {
            return Err(denied());
        }
        let topics = words.with(None, |context| config.topics(context));
        // What the topic is called is nobody's business.
        let topics = topics.map_err(|error| {
            tracing::debug!(%error, "a topic cannot be made of what the client said");
            GraphQLError::new(ErrorCode::BadRequest, format!("these events have no topic: {error}"))
        })?;
        Ok(Self { field: Arc::new(field), words, topics, member })
    }

    fn config(&self) -> Option<&FieldConfig> {
        self.member.config.fields.get(self.field.name())
    }

    /// Whether both, read of one document, are the same to the broker and to the client.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.member, &other.member)
            && self.topics == other.topics
            && self.words == other.words
            && self.field.selects_like(&other.field)
    }

    pub fn identity(&self) -> &Identity {
        &self.words.identity
    }

    /// What a message is for this client: the value, or `None` if it is not for it.
    fn value(&self, message: &Json) -> Option<Json> {
        let config = self.config()?;
        self.words.with(Some(message), |context| {
            config.passes(context).then(|| config.value(context, message).into_owned())
        })
    }

    /// Whether something else supplies what messages lack.
    fn completes(&self) -> bool {
        self.config().is_some_and(|config| config.complete.is_some())
    }

    /// Where the rest comes from: the field and its arguments.
    fn completion(&self, message: &Json) -> Option<(&str, Map<String, Json>)> {
        let complete = self.config()?.complete.as_ref()?;
        let arguments = self.words.with(Some(message), |context| {
            complete.arguments.expand(context).map(|value| value.into_owned())
        });
        match arguments {
            Some(Json::Object(arguments)) => Some((&complete.field, arguments)),
            _ => Some((&complete.field, Map::new())),
        }
    }
}

pub(super) fn error(error: &EventsError) -> GraphQLError {
    let code = match error {
        EventsError::TooSlow(_) => ErrorCode::SlowConsumer,
        EventsError::TooManyTopics(_) | EventsError::TopicTooLong(_) => ErrorCode::LimitExceeded,
        EventsError::Refused(_) | EventsError::UnknownTopic(_) => ErrorCode::NotFound,
        EventsError::Unavailable(_) | EventsError::Closed => ErrorCode::RemoteSchemaError,
    };
    GraphQLError::new(code, error.to_string())
}
