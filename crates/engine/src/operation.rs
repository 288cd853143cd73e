//! Preparation and execution of operations.

use std::{sync::Arc, time::Duration};

use artesian_graphql::{
    bind::{self, BindLimits, BoundField, BoundOperation, Variables},
    document::{Document, OperationType, ParseLimits},
    introspection,
    schema::Schema,
    sdl,
};
use bytes::Bytes;
use serde_json::{Map, Value as Json};

use crate::{
    Allow, ErrorCode, Event, Explanation, GraphQLError, Identity, Inputs, OperationKind, Payload,
    Request, ResultStream, Source,
    cache::{Answer, PlanCache, Prepared},
    source::Plan,
};

/// Limits and switches of the engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Deepest nesting of selection sets and of input values.
    pub max_depth: usize,
    /// Most root fields of an operation.
    pub max_root_fields: usize,
    /// Most aliases in an operation.
    pub max_aliases: usize,
    /// Most tokens in a document.
    pub max_tokens: usize,
    /// Prepared documents that are kept, counted in KiB of text begun.
    pub plan_cache_size: usize,
    /// Longest execution of a query.
    pub execution_timeout: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            max_depth: 50,
            max_root_fields: 200,
            max_aliases: 200,
            max_tokens: 15_000,
            plan_cache_size: 4096,
            execution_timeout: Duration::from_secs(60),
        }
    }
}

impl EngineConfig {
    fn parse_limits(&self) -> ParseLimits {
        ParseLimits { max_tokens: self.max_tokens, max_depth: self.max_depth }
    }

    fn bind_limits(&self) -> BindLimits {
        BindLimits {
            max_depth: self.max_depth,
            max_root_fields: self.max_root_fields,
            max_aliases: self.max_aliases,
            ..BindLimits::default()
        }
    }
}

/// The heart: sources, their schemas, the cache of plans.
pub struct Engine {
    config: EngineConfig,
    source: Arc<dyn Source>,
    cache: PlanCache,
}

/// A prepared operation of one client.
pub struct Operation {
    prepared: Arc<Prepared>,
    /// The answer, if it comes from the schema alone.
    introspection: Option<Payload>,
    inputs: Inputs,
    is_admin: bool,
    timeout: Duration,
    /// Errors of execution come with `"data":null`: on sockets, where a result is a result.
    null_data: bool,
}

impl Engine {
    /// An engine over one source.
    pub fn new(source: Arc<dyn Source>, config: EngineConfig) -> Self {
        let cache = PlanCache::new(config.plan_cache_size);
        Self { config, source, cache }
    }

    /// Parses, validates and plans a request for an identity (cached). The errors are request
    /// errors: nothing ran.
    pub fn prepare(
        &self,
        request: Request,
        identity: &Identity,
        allow: Allow,
    ) -> Result<Operation, Vec<GraphQLError>> {
        self.prepare_one(request, identity, allow).map_err(|e| vec![e])
    }

    fn prepare_one(
        &self,
        request: Request,
        identity: &Identity,
        allow: Allow,
    ) -> Result<Operation, GraphQLError> {
        let schema = self.source.schema(&identity.role).ok_or_else(|| {
            GraphQLError::new(
                ErrorCode::AccessDenied,
                format!("the role \"{}\" sees nothing here", identity.role),
            )
        })?;
        let name = request.operation_name.as_deref();
        let entry = self.cache.entry(&identity.role, &request.query, name, &schema, || {
            Document::parse(&request.query, self.config.parse_limits())
        })?;
        let definition = entry.document.operation(name)?;
        let variables = bind::complete_variables(definition, request.variables)?;
        let prepared = match entry.find(&variables) {
            Some(prepared) => prepared,
            None => {
                let bound = bind::bind(
                    &entry.document,
                    definition,
                    &schema,
                    &variables,
                    self.config.bind_limits(),
                )?;
                entry.insert(&variables, self.plan(&identity.role, &schema, bound)?)
            }
        };
        let (inputs, introspection) = match &prepared.answer {
            Answer::Plan(plan) => (plan.bind(&variables, identity)?, None),
            Answer::Introspection(schema) => {
                let answer = introspect(schema, &prepared.bound, &variables)?;
                (Inputs::default(), Some(answer))
            }
        };
        let operation = Operation {
            prepared,
            introspection,
            inputs,
            is_admin: identity.is_admin(),
            timeout: self.config.execution_timeout,
            null_data: allow == Allow::ALL,
        };
        operation.check(allow)?;
        Ok(operation)
    }

    fn plan(
        &self,
        role: &str,
        schema: &Arc<Schema>,
        bound: BoundOperation,
    ) -> Result<Prepared, GraphQLError> {
        let is_meta =
            |f: &BoundField| &*f.name == "__typename" || introspection::is_meta_field(&f.name);
        if bound.kind == OperationType::Subscription {
            if bound.fields.len() != 1 {
                return Err(GraphQLError::at(
                    "$",
                    ErrorCode::ValidationFailed,
                    "subscriptions must select one top level field",
                ));
            }
            if let Some(field) = bound.fields.iter().find(|f| is_meta(f)) {
                return Err(GraphQLError::at(
                    &*field.path,
                    ErrorCode::ValidationFailed,
                    "a subscription cannot select an introspection field",
                ));
            }
        }
        let answer = if bound.fields.iter().all(is_meta) {
            Answer::Introspection(Arc::clone(schema))
        } else {
            Answer::Plan(self.source.plan(role, &bound)?)
        };
        Ok(Prepared { bound, answer })
    }

    /// Whether the sources can answer.
    pub async fn ready(&self) -> Result<(), String> {
        self.source.ready().await
    }

    /// The SDL that a role sees; `None` if it sees nothing.
    pub fn sdl(&self, role: &str) -> Option<String> {
        self.source.schema(role).map(|schema| sdl::print(&schema))
    }
}

impl Operation {
    /// Query, mutation or subscription.
    pub fn kind(&self) -> OperationKind {
        match self.prepared.bound.kind {
            OperationType::Query => OperationKind::Query,
            OperationType::Mutation => OperationKind::Mutation,
            OperationType::Subscription => OperationKind::Subscription,
        }
    }

    /// The operation's name in the document.
    pub fn name(&self) -> Option<&str> {
        self.prepared.bound.name.as_deref()
    }

    /// Whether it yields a stream of results: a subscription, or a `query @live`.
    pub fn is_stream(&self) -> bool {
        self.prepared.bound.live || self.kind() == OperationKind::Subscription
    }

    fn check(&self, allow: Allow) -> Result<(), GraphQLError> {
        let refuse =
            |message: &str| Err(GraphQLError::new(ErrorCode::NotSupported, message.to_owned()));
        if self.is_stream() && !allow.streams {
            return refuse(
                "subscriptions and live queries need a WebSocket, or a request that accepts \
                 text/event-stream",
            );
        }
        if self.kind() == OperationKind::Mutation && !allow.mutations {
            return refuse(
                "mutations are not allowed over this transport: use POST or a WebSocket",
            );
        }
        Ok(())
    }

    fn plan(&self) -> Option<&Arc<dyn Plan>> {
        match &self.prepared.answer {
            Answer::Plan(plan) => Some(plan),
            Answer::Introspection(_) => None,
        }
    }

    /// Runs it once. Never fails: an error is a payload with `errors`.
    pub async fn execute(&self) -> Payload {
        let Some(plan) = self.plan() else { return self.introspected() };
        let run = plan.execute(&self.inputs);
        let error = match tokio::time::timeout(self.timeout, run).await {
            Ok(Ok(payload)) => return payload,
            Ok(Err(error)) => error,
            Err(_) => GraphQLError::new(
                ErrorCode::Timeout,
                format!("the operation took longer than {} s", self.timeout.as_secs()),
            ),
        };
        self.failure(error)
    }

    /// An error of this operation as a result.
    pub fn failure(&self, error: GraphQLError) -> Payload {
        let errors = [self.visible(error)];
        if self.null_data {
            Payload::execution_error(&errors)
        } else {
            Payload::request_error(&errors)
        }
    }

    /// Details are for the administrator, and never on a socket.
    fn visible(&self, mut error: GraphQLError) -> GraphQLError {
        if self.null_data || !self.is_admin {
            error.extensions.internal = None;
        }
        error
    }

    /// Runs it live. An error here is a request error: the operation did not start.
    pub async fn subscribe(&self) -> Result<Box<dyn ResultStream>, Vec<GraphQLError>> {
        match self.plan() {
            Some(plan) => plan.subscribe(&self.inputs).await.map_err(|e| vec![self.visible(e)]),
            None => Ok(Box::new(Once(Some(self.introspected())))),
        }
    }

    /// How it is answered; `None` for pure introspection.
    pub fn explain(&self) -> Option<Explanation> {
        self.plan().map(|p| p.explain(&self.inputs))
    }

    /// The answer from the schema alone.
    fn introspected(&self) -> Payload {
        let nothing = || Payload::data(Bytes::from_static(b"{\"data\":{}}"));
        self.introspection.clone().unwrap_or_else(nothing)
    }
}

/// The answer from the schema alone.
fn introspect(
    schema: &Schema,
    operation: &BoundOperation,
    variables: &Variables,
) -> Result<Payload, GraphQLError> {
    let budget = introspection::Budget::default();
    let mut data = Map::new();
    for field in &operation.fields {
        let value = if &*field.name == "__typename" {
            Json::String(field.parent.to_string())
        } else {
            introspection::resolve(schema, field, variables, &budget)?
        };
        data.insert(field.key.to_string(), value);
    }
    Ok(Payload::data(format!("{{\"data\":{}}}", Json::Object(data)).into()))
}

/// A stream of one result: the schema does not change under a running operation.
struct Once(Option<Payload>);

#[async_trait::async_trait]
impl ResultStream for Once {
    async fn next(&mut self) -> Option<Event> {
        self.0.take().map(Event::Result)
    }
}
