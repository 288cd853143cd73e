//! The schema of a role, and documents read by it.

use std::sync::{Arc, Weak};

use artesian_compose::{
    ComposeError, Composed, Part, PlanError, PlanLimits, ReadLimits, RootNames, ServiceSchema,
    compose, compose_as,
};
use artesian_engine::{
    EngineConfig, ErrorCode, GraphQLError, Identity, Payload, Planned, Reader, Reading, Request,
    Variables, identity::ADMIN_ROLE,
};
use artesian_graphql::{
    document::{Document, OperationType, ParseLimits},
    introspection,
    schema::Schema,
    sdl,
};

use super::{EventsMember, Gateway, Member, ask::unexpected, plan::GatewayPlan};
use crate::config::Prefix;

/// What a role sees, and who answers it.
pub(super) struct RoleReader {
    this: Weak<Self>,
    gateway: Weak<Gateway>,
    composed: Arc<Composed>,
    notes: Vec<String>,
    /// Kept, since readers are found by its address.
    _schema: Option<Arc<Schema>>,
    /// By the indices of the composed schema's sources.
    parts: Vec<Answerer>,
    /// The database's schema, if it is asked for under its own names.
    database: Option<(usize, Arc<Schema>)>,
}

/// Who answers a root field.
#[derive(Clone)]
pub(super) enum Answerer {
    Database,
    Service(Arc<Member>),
    /// A broker, with its schema.
    Events(Arc<EventsMember>, ServiceSchema),
}

/// The database's share of a role's schema.
pub(super) struct DatabasePart {
    pub name: Arc<str>,
    pub prefix: Prefix,
    pub schema: Arc<Schema>,
}

impl RoleReader {
    /// `None` if no service takes part. Services come with the number of the view that the role has.
    pub fn compose(
        gateway: Weak<Gateway>,
        database: Option<DatabasePart>,
        services: Vec<(Arc<Member>, usize, Arc<ServiceSchema>)>,
        events: (&str, &[Arc<EventsMember>]),
    ) -> Result<Option<Arc<Self>>, ComposeError> {
        let (role, events) = events;
        let mut notes = Vec::new();
        let is_alone = services.is_empty() && events.is_empty();
        if is_alone && database.as_ref().is_none_or(|d| d.prefix == Prefix::default()) {
            return Ok(None);
        }
        let (mut parts, mut answerers) = (Vec::new(), Vec::new());
        let (mut own, mut names) = (None, None);
        let seen = database.as_ref().map(|database| Arc::clone(&database.schema));
        if let Some(DatabasePart { name, prefix, schema }) = database {
            // Ours, and larger than what others may send.
            let limits = ReadLimits {
                bytes: usize::MAX,
                types: usize::MAX,
                members: usize::MAX,
                ..ReadLimits::default()
            };
            let read = ServiceSchema::from_sdl(&sdl::print(&schema), &limits);
            let read =
                read.map_err(|error| ComposeError(vec![format!("source \"{name}\": {error}")]))?;
            names = Some(RootNames::of(&read));
            let is_own = prefix.root_fields.is_empty() && prefix.types.is_empty();
            own = is_own.then_some((0, schema));
            let mut part = Part::new(name, read);
            part.field_prefix = prefix.root_fields;
            part.type_prefix = prefix.types;
            parts.push(part);
            answerers.push(Answerer::Database);
        }
        for (member, view, schema) in services {
            parts.push(member.part(view, &schema));
            answerers.push(Answerer::Service(member));
        }
        let put_together = |parts: &[Part]| match &names {
            Some(names) => compose_as(parts, names),
            None => compose(parts),
        };
        if !events.is_empty() {
            // What goes wrong here is told with all the parts.
            let others = put_together(&parts).ok();
            for member in events {
                match member.part(role, others.as_ref()) {
                    Ok((part, schema)) => {
                        // That another role may not see some type is nothing to talk about.
                        let told = schema.notes().iter().filter(|_| role == ADMIN_ROLE);
                        notes
                            .extend(told.map(|note| format!("source \"{}\": {note}", member.name)));
                        parts.push(part);
                        answerers.push(Answerer::Events(Arc::clone(member), schema));
                    }
                    // Its types may be those of a service that has not come yet.
                    Err(error) => {
                        notes.push(format!("source \"{}\" takes no part: {error}", member.name));
                    }
                }
            }
        }
        let composed = Arc::new(put_together(&parts)?);
        Ok(Some(Arc::new_cyclic(|this| Self {
            this: this.clone(),
            gateway,
            notes: composed.notes().iter().cloned().chain(notes).collect(),
            composed,
            _schema: seen,
            parts: answerers,
            database: own,
        })))
    }

    /// What may be worth a line in the log.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    pub fn answerer(&self, source: usize) -> Option<&Answerer> {
        self.parts.get(source)
    }

    pub fn composed(&self) -> &Composed {
        &self.composed
    }

    /// Runs a query of our own for a client.
    pub async fn run(
        &self,
        text: &str,
        variables: Variables,
        identity: &Identity,
    ) -> Result<Payload, GraphQLError> {
        let config = EngineConfig::default();
        let limits = ParseLimits { max_tokens: config.max_tokens, max_depth: config.max_depth };
        let document = Document::parse(text, limits)?;
        let answer = async {
            match self.read(text, &document, None, &config)? {
                Reading::Bind(_) => {
                    let gateway = self.gateway();
                    let gateway = gateway.ok_or_else(|| unexpected("the gateway is closing"))?;
                    let request = Request { query: text.into(), variables, ..Request::default() };
                    Ok(gateway.share_of_database(request, identity)?.execute().await)
                }
                Reading::Planned(planned) => {
                    planned.plan.bind(&variables, identity)?.execute().await
                }
            }
        };
        let in_time = tokio::time::timeout(config.execution_timeout, answer).await;
        in_time.unwrap_or_else(|_| {
            Err(GraphQLError::new(ErrorCode::Timeout, "the rest of the event took too long"))
        })
    }

    pub fn gateway(&self) -> Option<Arc<Gateway>> {
        self.gateway.upgrade()
    }

    /// The database's schema, if the database alone answers an operation.
    fn of_database(&self, document: &Document, operation: Option<&str>) -> Option<&Arc<Schema>> {
        let (source, schema) = self.database.as_ref()?;
        let operation = document.operation(operation).ok()?;
        let fields = document.root_fields(operation)?;
        let is_its = |field: &&str| {
            let answered = self.composed.root_field(operation.operation_type, field);
            **field == *"__typename" || answered.is_some_and(|(index, _)| index == *source)
        };
        let is_meta = |field: &&str| field.starts_with("__");
        (fields.iter().all(is_its) && !fields.iter().all(is_meta)).then_some(schema)
    }
}

/// The limits of a document, in the form of the planner.
fn limits(config: &EngineConfig) -> PlanLimits {
    PlanLimits {
        tokens: config.max_tokens,
        depth: config.max_depth,
        root_fields: config.max_root_fields,
        ..PlanLimits::default()
    }
}

/// A request that cannot be planned.
pub(super) fn refused(error: PlanError) -> GraphQLError {
    let code = match &error {
        PlanError::Invalid(_) => ErrorCode::ValidationFailed,
        PlanError::TooLarge { .. } => ErrorCode::LimitExceeded,
        PlanError::Unsupported(_) => ErrorCode::NotSupported,
    };
    GraphQLError::new(code, error.to_string())
}

fn too_many(limit: usize, what: &str) -> GraphQLError {
    GraphQLError::new(
        ErrorCode::LimitExceeded,
        format!("the operation has more than {limit} {what}"),
    )
}

impl Reader for RoleReader {
    fn read(
        &self,
        text: &str,
        document: &Document,
        operation: Option<&str>,
        config: &EngineConfig,
    ) -> Result<Reading, GraphQLError> {
        if let Some(schema) = self.of_database(document, operation) {
            return Ok(Reading::Bind(Arc::clone(schema)));
        }
        let measures = document.measure();
        if measures.aliases > config.max_aliases {
            return Err(too_many(config.max_aliases, "aliases"));
        }
        if measures.directives > config.max_directives {
            return Err(too_many(config.max_directives, "directives in one place"));
        }
        let limits = limits(config);
        let valid = self.composed.parse(text, &limits).map_err(refused)?;
        let plan =
            artesian_compose::Plan::new(Arc::clone(&self.composed), valid, operation, &limits);
        let plan = Arc::new(plan.map_err(refused)?);
        let kind = plan.kind();
        let this = self.this.upgrade().ok_or_else(|| unexpected("the schema is going"))?;
        let introspects = plan.introspects();
        if let (OperationType::Subscription, Some(field)) = (kind, introspects) {
            let message = format!("a subscription cannot select '{field}'");
            return Err(GraphQLError::new(ErrorCode::ValidationFailed, message));
        }
        let introspects = introspects.filter(|field| introspection::is_meta_field(field));
        Ok(Reading::Planned(Planned {
            kind,
            name: plan.name(),
            live: plan.is_live() && kind == OperationType::Query,
            introspects: introspects.map(|field| format!("$.selectionSet.{field}").into()),
            plan: Arc::new(GatewayPlan::new(this, plan)),
        }))
    }

    fn sdl(&self) -> String {
        self.composed.sdl()
    }
}
