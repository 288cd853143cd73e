//! Preparation: from a request to an operation, the same for every transport.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use artesian_graphql::{
    bind::{self, BoundField, BoundOperation, Shape, Variables},
    document::{Document, OperationType},
    introspection,
    schema::Schema,
    sdl,
};
use serde_json::{Map, Value as Json};

use crate::{
    Allow, EngineConfig, ErrorCode, Executable, Generation, GraphQLError, Identity, Introspection,
    Operation, Payload, Planned, Reading, Request, Source, StoreStats, TrustedMode, Wants,
    cache::{Answer, Entry, KeyRef, PlanCache, Prepared, Rules, View},
    documents::{self, Found, Store},
    identity::ADMIN_ROLE,
    subgraph,
};

/// The heart: sources, their schemas, the cache of plans.
pub struct Engine {
    core: Arc<Core>,
}

/// What operations share with their engine.
pub(crate) struct Core {
    config: ArcSwap<EngineConfig>,
    source: Arc<dyn Source>,
    cache: PlanCache,
    /// Documents that clients have registered.
    store: Store,
    generation: Generation,
    /// The generation that the cache was emptied for last.
    cached: AtomicU64,
}

/// An operation that was prepared by the rules of a generation.
pub(crate) struct Settled {
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) run: Run,
}

/// What answers one request.
pub(crate) enum Run {
    Source(Arc<dyn Executable>),
    /// The answer, which comes from the schema alone.
    Schema(Payload),
}

impl Engine {
    /// An engine over one source.
    pub fn new(source: Arc<dyn Source>, config: EngineConfig) -> Self {
        let cache = PlanCache::new(config.plan_cache_size);
        let store = Store::new(config.persisted_queries_bytes);
        let generation = source.generation();
        let cached = AtomicU64::new(generation.now());
        let config = ArcSwap::from_pointee(config);
        Self { core: Arc::new(Core { config, source, cache, store, generation, cached }) }
    }

    /// Puts other limits and switches into force, for new operations and for those that run live:
    /// what they no longer allow ends with an error.
    pub fn configure(&self, config: EngineConfig) {
        if **self.core.config.load() != config {
            self.core.config.store(Arc::new(config));
            self.core.generation.advance();
        }
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
        let core = &self.core;
        // Read before anything else: what changes after this is heard of.
        let mut generation = core.generation.now();
        let config = core.config.load_full();
        let Found { text, register } = documents::find(&request, identity, &config, &core.store)?;
        let asked = KeyRef {
            role: &identity.role,
            query: &text,
            operation: request.operation_name.as_deref(),
        };
        let mut entry = core.entry(asked)?;
        let definition = entry.document.operation(asked.operation)?;
        // The document alone decides over these, not the schema.
        let mut given = request.variables;
        if let View::Reader(_) = entry.rules.view {
            // Clients of services may send more than is asked for, as the specification has it.
            bind::retain_declared(definition, &mut given);
        }
        let variables = bind::complete_variables(definition, given)?;
        let settled = match core.settle(&entry, &variables, identity) {
            // A schema that was replaced between two looks at it is no fault of the client.
            Err(_) if core.generation.now() != generation => {
                generation = core.generation.now();
                entry = core.entry(asked)?;
                core.settle(&entry, &variables, identity)?
            }
            settled => settled?,
        };
        // Only what is valid is kept: nonsense must not push out what others need.
        if let Some(hash) = register
            && text.len() <= config.persisted_query_max_bytes
        {
            core.store.insert(hash, Arc::clone(&text));
        }
        let operation = Operation {
            core: Arc::clone(core),
            key: Arc::clone(&entry.key),
            variables,
            identity: identity.clone(),
            generation,
            settled,
            is_admin: identity.is_admin(),
            timeout: config.execution_timeout,
            null_data: allow == Allow::ALL,
        };
        operation.check(allow)?;
        Ok(operation)
    }

    /// Figures of the documents that clients have registered.
    pub fn persisted_queries(&self) -> StoreStats {
        self.core.store.stats()
    }

    /// Whether the sources can answer.
    pub async fn ready(&self) -> Result<(), String> {
        self.core.source.ready().await
    }

    /// What the sources want to hear of clients beyond role and session variables.
    pub fn wants(&self) -> Arc<dyn Wants> {
        self.core.source.wants()
    }

    /// The SDL that a role sees; `None` if it sees nothing.
    pub fn sdl(&self, role: &str) -> Option<String> {
        self.core.view(role).map(|view| view.sdl())
    }
}

impl Core {
    pub(crate) fn generation(&self) -> &Generation {
        &self.generation
    }

    fn view(&self, role: &str) -> Option<View> {
        let reader = self.source.reader(role).map(View::Reader);
        reader.or_else(|| self.source.schema(role).map(View::Schema))
    }

    /// The document, by the rules that hold now.
    pub(crate) fn entry(&self, asked: KeyRef<'_>) -> Result<Arc<Entry>, GraphQLError> {
        let view = self.view(asked.role).ok_or_else(|| {
            GraphQLError::new(
                ErrorCode::AccessDenied,
                format!("the role \"{}\" sees nothing here", asked.role),
            )
        })?;
        self.tidy();
        let rules = Rules { view, config: self.config.load_full() };
        let config = Arc::clone(&rules.config);
        self.cache.entry(asked, rules, || {
            let document = Document::parse(asked.query, config.parse_limits())?;
            let is_free = config.trusted_mode != TrustedMode::Only || **asked.role == *ADMIN_ROLE;
            if !is_free && !config.trusted.allows(&document, asked.role) {
                // As Hasura's allow list says it.
                return Err(GraphQLError::new(ErrorCode::ValidationFailed, "query is not allowed"));
            }
            Ok(document)
        })
    }

    /// Empties the cache once the rules have changed: what is in it is of no use, and holds schemas
    /// that are served no more.
    fn tidy(&self) {
        let now = self.generation.now();
        if self.cached.load(Ordering::Relaxed) != now {
            self.cached.store(now, Ordering::Relaxed);
            self.cache.clear();
        }
    }

    /// Plans an operation of a document. `variables` are complete.
    pub(crate) fn settle(
        &self,
        entry: &Entry,
        variables: &Variables,
        identity: &Identity,
    ) -> Result<Settled, GraphQLError> {
        let prepared = match entry.find(variables) {
            Some(prepared) => prepared,
            None => entry.insert(variables, self.prepare(entry, variables, &identity.role)?),
        };
        let run = match &prepared.answer {
            Answer::Plan(plan) => Run::Source(Arc::clone(plan).bind(variables, identity)?),
            Answer::Known(answer) => Run::Schema(answer.clone()),
            Answer::Introspection(schema, bound) => {
                Run::Schema(introspect(schema, bound, variables)?)
            }
        };
        Ok(Settled { prepared, run })
    }

    fn prepare(
        &self,
        entry: &Entry,
        variables: &Variables,
        role: &str,
    ) -> Result<Prepared, GraphQLError> {
        let Rules { view, config } = &entry.rules;
        let name = entry.key.operation.as_deref();
        let sdl = || view.may_be_read().then(|| view.sdl());
        if let Some(asked) = subgraph::prepare(&entry.document, name, variables, config, sdl) {
            check_introspection(config.introspection, role, Some(SERVICE_PATH))?;
            return asked;
        }
        let schema = match view {
            View::Schema(schema) => Arc::clone(schema),
            View::Reader(reader) => {
                match reader.read(&entry.key.query, &entry.document, name, config)? {
                    Reading::Bind(schema) => schema,
                    Reading::Planned(Planned { kind, name, live, introspects, plan }) => {
                        check_introspection(config.introspection, role, introspects.as_deref())?;
                        let shape = Shape::default();
                        return Ok(Prepared {
                            kind,
                            name,
                            live,
                            shape,
                            answer: Answer::Plan(plan),
                        });
                    }
                }
            }
        };
        let definition = entry.document.operation(name)?;
        let limits = config.bind_limits();
        let bound = bind::bind(&entry.document, definition, &schema, variables, limits)?;
        let reads_schema = bound.fields.iter().find(|f| introspection::is_meta_field(&f.name));
        let reads_schema = reads_schema.map(|field| &*field.path);
        check_introspection(config.introspection, role, reads_schema)?;
        self.plan(role, &schema, bound)
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
        let (kind, name, live) = (bound.kind, bound.name.clone(), bound.live);
        let shape = bound.shape.clone();
        let answer = if bound.fields.iter().all(is_meta) {
            Answer::Introspection(Arc::clone(schema), Box::new(bound))
        } else {
            Answer::Plan(self.source.plan(role, &bound)?)
        };
        Ok(Prepared { kind, name, live, shape, answer })
    }
}

/// Where the schema is asked for by gateways.
const SERVICE_PATH: &str = "$.selectionSet._service";

impl View {
    fn sdl(&self) -> String {
        match self {
            Self::Schema(schema) => sdl::print(schema),
            Self::Reader(reader) => reader.sdl(),
        }
    }

    /// Whether the metadata lets the role read the schema, as far as it has a say.
    fn may_be_read(&self) -> bool {
        match self {
            Self::Schema(schema) => {
                let roots = schema.fields(&schema.query);
                roots.is_some_and(|roots| {
                    roots.keys().any(|name| introspection::is_meta_field(name))
                })
            }
            Self::Reader(_) => true,
        }
    }
}

/// Whether a role may read the schema, if the operation does. The metadata's own list of roles has
/// taken the fields out of their schemas.
fn check_introspection(
    allowed: Introspection,
    role: &str,
    path: Option<&str>,
) -> Result<(), GraphQLError> {
    let is_allowed = match allowed {
        Introspection::All => true,
        Introspection::Admin => role == ADMIN_ROLE,
        Introspection::Nobody => false,
    };
    match path {
        Some(path) if !is_allowed => {
            let field = path.rsplit('.').next().unwrap_or(path);
            Err(GraphQLError::at(
                path,
                ErrorCode::ValidationFailed,
                format!("introspection is switched off: '{field}' cannot be selected"),
            ))
        }
        _ => Ok(()),
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
