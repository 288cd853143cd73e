//! A database as a source of the engine.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, Weak},
    task::{Context, Poll, ready},
};

use arc_swap::ArcSwap;
use artesian_engine::{
    Event, Executable, Explanation, Generation, GraphQLError, Identity, Payload, Plan,
    ResultStream, Source, Variables,
};
use artesian_graphql::{bind::BoundOperation, schema::Schema};
use artesian_live::{Change, LiveEngine, Observer, Subscription, Update};
use artesian_sql::{
    Compiled,
    access::ADMIN_ROLE,
    compile,
    metadata::{Metadata, SourceMetadata},
    model::{Model, Options},
    schema::RoleSchema,
};
use async_trait::async_trait;
use parking_lot::RwLock;
use tokio::{sync::Mutex, task::AbortHandle};

use crate::{
    Backend, BackendError, Values,
    errors::{backend_error, compile_error},
    live::{Analysis, Refresher},
};

/// A database behind the engine.
pub struct Database<B: Backend> {
    name: String,
    backend: Arc<B>,
    /// What the next model is made by. Held while one is made, so that models follow each other in
    /// the order of what they are made of.
    plan: Mutex<ModelPlan>,
    served: ArcSwap<Served>,
    generation: Generation,
    live: LiveEngine<Refresher<B>>,
    /// The task that reads the catalog again; it ends with the database.
    follower: OnceLock<AbortHandle>,
    this: Weak<Self>,
}

impl<B: Backend> Drop for Database<B> {
    fn drop(&mut self) {
        if let Some(follower) = self.follower.get() {
            follower.abort();
        }
    }
}

/// What a model is made of, besides the catalog.
struct ModelPlan {
    metadata: Option<Metadata>,
    options: Options,
}

/// A model and the schemas made of it, swapped as one.
struct Served {
    model: Arc<Model>,
    roles: RwLock<HashMap<String, Arc<RoleSchema>>>,
}

impl Served {
    fn new(model: Model) -> Arc<Self> {
        Arc::new(Self { model: Arc::new(model), roles: RwLock::new(HashMap::new()) })
    }

    fn role(&self, role: &str) -> Arc<RoleSchema> {
        let role =
            if role == ADMIN_ROLE || self.model.roles.contains(role) { role } else { NOBODY };
        if let Some(schema) = self.roles.read().get(role) {
            return Arc::clone(schema);
        }
        // Two may build it at once; the first one in stays, so that plans keep their schema.
        let built = Arc::new(RoleSchema::build(&self.model, role));
        let mut roles = self.roles.write();
        Arc::clone(roles.entry(role.to_owned()).or_insert(built))
    }
}

/// What to make of a database.
#[derive(Default)]
pub struct DatabaseConfig {
    /// The source's name in metadata and explanations.
    pub name: String,
    /// Metadata; without it the whole default schema is served to the administrator.
    pub metadata: Option<Metadata>,
    /// Choices that shape the schema.
    pub options: Options,
    /// How live queries run.
    pub live: artesian_live::Config,
}

/// The schema of roles that no permission names. One for all of them, since any client may invent
/// role names.
const NOBODY: &str = "";

impl<B: Backend> Database<B> {
    /// Reads the catalog, builds the model, and starts to follow changes.
    pub async fn open(
        backend: Arc<B>,
        config: DatabaseConfig,
        observer: Arc<dyn Observer>,
    ) -> Result<Arc<Self>, BackendError> {
        let plan = ModelPlan { metadata: config.metadata, options: config.options };
        let model = plan.read(&*backend, &config.name).await?;
        let refresher = Arc::new(Refresher::new(Arc::clone(&backend)));
        let live = LiveEngine::new(refresher, config.live, observer);
        let feed = backend.changes().await?;
        live.attach(BoxedFeed(feed));
        let database = Arc::new_cyclic(|this| Self {
            name: config.name,
            backend,
            plan: Mutex::new(plan),
            served: ArcSwap::new(Served::new(model)),
            generation: Generation::default(),
            live,
            follower: OnceLock::new(),
            this: this.clone(),
        });
        let follower = tokio::spawn(follow_schema(Arc::downgrade(&database)));
        let _ = database.follower.set(follower.abort_handle());
        Ok(database)
    }

    /// Reads the catalog again. New requests see the new schema at once, and what runs live is
    /// prepared again.
    ///
    /// # Errors
    /// If the catalog cannot be read. The old model stays in force then.
    pub async fn reload(&self) -> Result<(), BackendError> {
        let plan = self.plan.lock().await;
        let model = plan.read(&*self.backend, &self.name).await?;
        self.serve(model);
        Ok(())
    }

    /// Serves the database by other metadata, and reads the catalog again. New requests see the new
    /// schema at once; what runs live is prepared again by the new permissions.
    ///
    /// # Errors
    /// If the metadata does not name this source, or the catalog cannot be read. The old model stays
    /// in force then.
    pub async fn replace_metadata(
        &self,
        metadata: Option<Metadata>,
        options: Options,
    ) -> Result<(), BackendError> {
        let mut plan = self.plan.lock().await;
        let new = ModelPlan { metadata, options };
        let model = new.read(&*self.backend, &self.name).await?;
        *plan = new;
        self.serve(model);
        Ok(())
    }

    fn serve(&self, model: Model) {
        self.served.store(Served::new(model));
        self.generation.advance();
        // A view or a function may have another body, which no plan and no row tells of.
        self.live.invalidate(&Change::Everything);
    }

    /// The model: what is served, and warnings about what is not.
    pub fn model(&self) -> Arc<Model> {
        Arc::clone(&self.served.load().model)
    }

    /// The live-query engine, for its figures.
    pub fn live(&self) -> &LiveEngine<Refresher<B>> {
        &self.live
    }

    /// The backend.
    pub fn backend(&self) -> &Arc<B> {
        &self.backend
    }

    fn role(&self, role: &str) -> Arc<RoleSchema> {
        self.served.load().role(role)
    }
}

impl ModelPlan {
    async fn read<B: Backend>(&self, backend: &B, name: &str) -> Result<Model, BackendError> {
        let metadata = self.metadata.as_ref();
        let source = match metadata {
            Some(metadata) => Some(metadata.source(name).ok_or_else(|| {
                BackendError::Unsupported(format!(
                    "the metadata has no source named \"{name}\"; it has: {}",
                    metadata.sources.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ")
                ))
            })?),
            None => None,
        };
        let catalog = read_catalog(backend, source).await?;
        let options = self.options.clone();
        Ok(Model::build(backend.dialect(), catalog, metadata.zip(source), options))
    }
}

async fn read_catalog<B: Backend>(
    backend: &B,
    source: Option<&SourceMetadata>,
) -> Result<artesian_sql::Catalog, BackendError> {
    let mut enum_tables = Vec::new();
    let mut schemas: Vec<String> = Vec::new();
    let default_schema = match backend.dialect() {
        artesian_sql::Dialect::Postgres => "public",
        artesian_sql::Dialect::Sqlite => "main",
    };
    match source {
        None => schemas.push(default_schema.to_owned()),
        Some(source) => {
            for table in source.tables.iter().filter(|t| t.is_enum) {
                enum_tables.push(table.table.qualify(default_schema));
            }
        }
    }
    backend.catalog(&schemas, &enum_tables).await
}

/// Reads the catalog again whenever the backend notices that the schema changed.
async fn follow_schema<B: Backend>(database: Weak<Database<B>>) {
    loop {
        let Some(backend) = database.upgrade().map(|d| Arc::clone(&d.backend)) else { return };
        backend.schema_changed().await;
        let Some(database) = database.upgrade() else { return };
        match database.reload().await {
            Ok(()) => tracing::info!(
                tables = database.model().tables.len(),
                "the schema changed and was read again"
            ),
            Err(error) => {
                tracing::error!(%error, "the schema changed and cannot be read; the old one stays");
            }
        }
    }
}

#[async_trait]
impl<B: Backend> Source for Database<B> {
    fn schema(&self, role: &str) -> Option<Arc<Schema>> {
        Some(Arc::clone(&self.role(role).schema))
    }

    fn plan(&self, role: &str, operation: &BoundOperation) -> Result<Arc<dyn Plan>, GraphQLError> {
        let compiled = compile(&self.role(role), operation).map_err(compile_error)?;
        let database = self.this.upgrade().ok_or_else(|| {
            GraphQLError::new(artesian_engine::ErrorCode::Unexpected, "the database is closing")
        })?;
        Ok(Arc::new(DatabasePlan { compiled, live: Analysis::default(), database }))
    }

    fn generation(&self) -> Generation {
        self.generation.clone()
    }

    async fn ready(&self) -> Result<(), String> {
        self.backend.ping().await.map_err(|e| e.to_string())
    }
}

struct DatabasePlan<B: Backend> {
    compiled: Compiled,
    live: Analysis,
    database: Arc<Database<B>>,
}

impl<B: Backend> Plan for DatabasePlan<B> {
    fn bind(
        self: Arc<Self>,
        variables: &Variables,
        identity: &Identity,
    ) -> Result<Arc<dyn Executable>, GraphQLError> {
        let values = self.compiled.values(variables, identity.session.pairs());
        Ok(Arc::new(Statement { values: values.map_err(compile_error)?, plan: self }))
    }
}

/// A statement with the values of its parameters.
struct Statement<B: Backend> {
    plan: Arc<DatabasePlan<B>>,
    values: Values,
}

#[async_trait]
impl<B: Backend> Executable for Statement<B> {
    async fn execute(&self) -> Result<Payload, GraphQLError> {
        let plan = &*self.plan;
        match plan.database.backend.fetch(&plan.compiled.statement, &self.values).await {
            Ok(bytes) => Ok(Payload::data(bytes)),
            Err(error) => {
                tracing::debug!(sql = %plan.compiled.statement.sql, %error, "statement failed");
                Err(backend_error(&error))
            }
        }
    }

    async fn subscribe(&self) -> Result<Box<dyn ResultStream>, GraphQLError> {
        let plan = &*self.plan;
        let live = plan.live.get(&plan.database.backend, &plan.compiled.statement).await;
        let live = live.map_err(|e| backend_error(&e))?;
        let mut subscription = plan.database.live.subscribe(live, Arc::clone(&self.values));
        // A statement that the database refuses from the start never starts, as a query would
        // fail; a database that is away comes back, so that is an error within the stream.
        let first = subscription.next().await;
        if let Some(Update::Error(error @ BackendError::Rejected { .. })) = &first {
            return Err(backend_error(error));
        }
        Ok(Box::new(Stream { subscription, first: first.map(Box::new), told: None }))
    }

    fn explain(&self) -> Explanation {
        let plan = &*self.plan;
        let statement = &plan.compiled.statement;
        Explanation {
            source: plan.database.name.clone(),
            is_statement: true,
            sql: statement.sql.to_string(),
            batch_sql: statement.batch_sql.to_string(),
            parameters: statement
                .param_types
                .iter()
                .enumerate()
                .map(|(i, t)| {
                    (
                        t.name.clone(),
                        self.values.get(i).and_then(|v| v.as_deref().map(str::to_owned)),
                    )
                })
                .collect(),
            reads: statement.reads.iter().map(ToString::to_string).collect(),
            volatile: statement.volatile,
        }
    }
}

/// A live query's results. There may be very many of these, so what is seldom there is boxed.
struct Stream {
    subscription: Subscription<BackendError>,
    first: Option<Box<Update<BackendError>>>,
    /// The error that was told last, until a result is told.
    told: Option<Box<GraphQLError>>,
}

impl ResultStream for Stream {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            let update = match self.first.take() {
                Some(first) => *first,
                None => match ready!(self.subscription.poll_next(cx)) {
                    Some(update) => update,
                    None => return Poll::Ready(None),
                },
            };
            let error = match update {
                Update::Data(snapshot) => {
                    self.told = None;
                    return Poll::Ready(Some(Event::Result(Payload::data(snapshot.bytes))));
                }
                Update::Error(error) => backend_error(&error),
            };
            // Two errors of a database that differ in what only an administrator sees (how an
            // attempt to connect failed, say) are one to a client.
            let known = self.told.as_ref().is_some_and(|told| {
                told.message == error.message && told.extensions.code == error.extensions.code
            });
            if !known {
                self.told = Some(Box::new(error.clone()));
                return Poll::Ready(Some(Event::Error(error)));
            }
        }
    }
}

struct BoxedFeed(Box<dyn artesian_live::ChangeFeed>);

#[async_trait]
impl artesian_live::ChangeFeed for BoxedFeed {
    async fn next(&mut self) -> Option<artesian_live::Change> {
        self.0.next().await
    }
}
