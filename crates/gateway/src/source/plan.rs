//! An operation over services, with the values of a request.

use std::{any::Any, sync::Arc, time::Duration};

use artesian_compose::{Bound, EventField, Missing, SubRequest};
use artesian_engine::{
    Allow, Executable, Explanation, GraphQLError, Identity, Payload, Plan, Request, ResultStream,
    Variables,
};
use artesian_graphql::document::OperationType;
use artesian_remote::{Kind, Operation};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt, future::join_all};
use serde_json::Value as Json;

use super::{
    ask::{Ask, ServiceAsk, subject, unexpected, untellable},
    broker::{BrokerStream, EventAsk},
    events::Events,
    live::{Live, LivePart},
    role::{Answerer, RoleReader, refused},
    shared::{Completing, Found, SharedWork},
};

/// An operation of which services answer at least a part.
pub(super) struct GatewayPlan {
    role: Arc<RoleReader>,
    plan: Arc<artesian_compose::Plan>,
    shared: SharedWork,
}

impl GatewayPlan {
    pub fn new(role: Arc<RoleReader>, plan: Arc<artesian_compose::Plan>) -> Self {
        Self { role, plan, shared: SharedWork::default() }
    }

    /// What is done once for all who run this.
    pub fn shared(&self) -> &SharedWork {
        &self.shared
    }

    fn answerer(&self, request: &SubRequest) -> Result<&Answerer, GraphQLError> {
        self.role.answerer(request.source).ok_or_else(|| unexpected("nobody answers this"))
    }

    /// Names and types of the arguments of a root query field.
    pub fn query_arguments(&self, field: &str) -> Vec<(String, String)> {
        self.role.composed().arguments(OperationType::Query, field).unwrap_or_default()
    }

    /// Asks for what an event lacks, once for all clients of one identity.
    pub fn complete(
        &self,
        event: &artesian_events::Event,
        missing: Missing,
        ask: &EventAsk,
    ) -> Completing {
        self.shared.completed(event, missing, ask.identity(), |wanted, who| {
            let role = Arc::clone(&self.role);
            let running = ask
                .member
                .turns
                .run(async move { found(&role.run(&wanted.query, wanted.variables, &who).await?) });
            let ended = || unexpected("what an event lacks was not asked for");
            async move { running.await.unwrap_or_else(|| Err(ended())) }.boxed()
        })
    }

    /// How often services are asked, in the interest of the clients and of the services.
    fn interval(&self, bound: &Bound, ask: &ServiceAsk, request: &SubRequest) -> Duration {
        let policy = &ask.member.service.config().live;
        let own = request.fields.iter().filter_map(|field| policy.fields.get(&**field)).min();
        let wanted = bound.live_interval().and_then(|ms| u64::try_from(ms).ok());
        match (wanted.map(Duration::from_millis), own) {
            (Some(wanted), _) => wanted.max(policy.min_interval),
            (None, Some(own)) => *own,
            (None, None) => policy.interval,
        }
    }
}

impl Plan for GatewayPlan {
    fn bind(
        self: Arc<Self>,
        variables: &Variables,
        identity: &Identity,
    ) -> Result<Arc<dyn Executable>, GraphQLError> {
        let bound = Arc::new(self.plan.bind(variables).map_err(refused)?);
        let mut asks = Vec::with_capacity(bound.requests().len());
        for share in bound.requests() {
            let request = self.plan.requests().get(share.index);
            let request = request.ok_or_else(|| unexpected("a share of no request"))?;
            let ask = match self.answerer(request)? {
                Answerer::Service(member) => {
                    let rules = &member.service.config().identity;
                    let subject = subject(identity);
                    let credentials = match request.kind {
                        OperationType::Subscription => rules.subscription_credentials(&subject),
                        _ => rules.request_credentials(&subject),
                    };
                    let credentials = credentials.map_err(|error| untellable(&error))?;
                    let operation = operation(request, share.variables.clone())?;
                    let member = Arc::clone(member);
                    Ask::Service(ServiceAsk { member, operation: Arc::new(operation), credentials })
                }
                Answerer::Events(member, schema) => {
                    let variables = share.variables.as_ref();
                    let variables = variables.map(|text| serde_json::from_slice(text)).transpose();
                    let variables: Variables =
                        variables.map_err(|e| unexpected(&e.to_string()))?.unwrap_or_default();
                    let field = EventField::read(schema, &request.text, &variables);
                    let field = field.map_err(refused)?;
                    Ask::Events(Arc::new(EventAsk::new(Arc::clone(member), field, identity)?))
                }
                Answerer::Database => {
                    let gateway = self.role.gateway();
                    let gateway = gateway.ok_or_else(|| unexpected("the gateway is closing"))?;
                    let variables = match &share.variables {
                        Some(text) => serde_json::from_slice(text)
                            .map_err(|error| unexpected(&error.to_string()))?,
                        None => Variables::new(),
                    };
                    let query = Arc::clone(&request.text);
                    let request = Request { query, variables, ..Request::default() };
                    Ask::Database(Arc::new(gateway.share_of_database(request, identity)?))
                }
            };
            asks.push(ask);
        }
        Ok(Arc::new(Run { plan: self, bound, asks }))
    }
}

fn operation(request: &SubRequest, variables: Option<Bytes>) -> Result<Operation, GraphQLError> {
    let kind = match request.kind {
        OperationType::Query => Kind::Query,
        OperationType::Mutation => Kind::Mutation,
        OperationType::Subscription => Kind::Subscription,
    };
    let mut operation = Operation::new(kind, Arc::clone(&request.text));
    if let Some(name) = &request.operation_name {
        operation = operation.with_name(Arc::clone(name));
    }
    match variables {
        Some(text) => {
            operation.with_variables(text).map_err(|error| unexpected(&error.to_string()))
        }
        None => Ok(operation),
    }
}

/// The members of the field `value`, and the errors.
fn found(payload: &Payload) -> Found {
    let response: Json = serde_json::from_slice(&payload.bytes)
        .map_err(|_| unexpected("the event could not be completed"))?;
    let more = response.pointer("/data/value").and_then(Json::as_object).cloned();
    let mut errors = response.get("errors").and_then(Json::as_array).cloned().unwrap_or_default();
    for error in errors.iter_mut().filter_map(Json::as_object_mut) {
        // It leads into a query that the client has not asked.
        error.remove("path");
        error.remove("locations");
    }
    Ok((more.unwrap_or_default(), errors))
}

/// A plan with the values of a request.
pub(super) struct Run {
    plan: Arc<GatewayPlan>,
    bound: Arc<Bound>,
    asks: Vec<Ask>,
}

impl Run {
    /// The only thing that is asked of a service, if that is all.
    pub fn only(&self) -> Option<&ServiceAsk> {
        match self.asks.as_slice() {
            [Ask::Service(ask)] => Some(ask),
            _ => None,
        }
    }

    /// The same for a broker.
    pub fn broker(&self) -> Option<&Arc<EventAsk>> {
        match self.asks.as_slice() {
            [Ask::Events(ask)] => Some(ask),
            _ => None,
        }
    }

    pub fn plan(&self) -> &Arc<GatewayPlan> {
        &self.plan
    }

    pub fn bound(&self) -> &Arc<Bound> {
        &self.bound
    }
}

#[async_trait]
impl Executable for Run {
    async fn execute(&self) -> Result<Payload, GraphQLError> {
        let kind = self.plan.plan.kind();
        let answers = if kind == OperationType::Mutation {
            let mut answers = Vec::with_capacity(self.asks.len());
            for (at, ask) in self.asks.iter().enumerate() {
                let answer = ask.once().await;
                let stops = self.bound.stops_after(at, &answer);
                answers.push(answer);
                if stops {
                    break;
                }
            }
            answers
        } else {
            join_all(self.asks.iter().map(Ask::once)).await
        };
        let (bytes, is_error) = self.bound.joined(&answers);
        Ok(Payload { bytes, is_error })
    }

    async fn subscribe(&self) -> Result<Box<dyn ResultStream>, GraphQLError> {
        if let Some(ask) = self.only().filter(|ask| ask.operation.kind() == Kind::Subscription) {
            let events = Events::begin(&self.plan, Arc::clone(&self.bound), ask)?;
            return Ok(Box::new(events));
        }
        if let Some(ask) = self.broker() {
            let (ask, bound) = (Arc::clone(ask), Arc::clone(&self.bound));
            return Ok(Box::new(BrokerStream::begin(&self.plan, bound, ask).await?));
        }
        let mut parts = Vec::with_capacity(self.asks.len());
        for (share, ask) in self.bound.requests().iter().zip(&self.asks) {
            parts.push(match ask {
                Ask::Service(ask) => {
                    let request = self.plan.plan.requests().get(share.index);
                    let request = request.ok_or_else(|| unexpected("a share of no request"))?;
                    let interval = self.plan.interval(&self.bound, ask, request);
                    LivePart::service(ask, interval)?
                }
                Ask::Events(_) => return Err(unexpected("events are no query")),
                Ask::Database(operation) => {
                    let results = operation.subscribe().await;
                    LivePart::database(results.map_err(first)?)
                }
            });
        }
        Ok(Box::new(Live::new(Arc::clone(&self.bound), parts)))
    }

    fn explain(&self) -> Explanation {
        let mut text = Vec::new();
        let mut sources = Vec::new();
        for share in self.bound.requests() {
            if let Some(request) = self.plan.plan.requests().get(share.index) {
                let source = self.plan.plan.source_name(request);
                sources.push(source.to_string());
                text.push(format!("# {source}\n{}", request.text));
            }
        }
        Explanation {
            source: sources.join(", "),
            is_statement: false,
            sql: text.join("\n\n"),
            batch_sql: String::new(),
            parameters: Vec::new(),
            reads: Vec::new(),
            volatile: true,
        }
    }
}

impl super::Gateway {
    /// The database's share of a request.
    pub(super) fn share_of_database(
        &self,
        request: Request,
        identity: &Identity,
    ) -> Result<artesian_engine::Operation, GraphQLError> {
        let database = self.database.as_ref();
        let database = database.ok_or_else(|| unexpected("there is no database"))?;
        database.engine.prepare(request, &identity.who(), Allow::ALL).map_err(first)
    }
}

fn first(errors: Vec<GraphQLError>) -> GraphQLError {
    errors.into_iter().next().unwrap_or_else(|| unexpected("refused without an error"))
}

/// The same operation in another form, if it is one of ours.
pub(super) fn as_run(executable: &dyn Executable) -> Option<&Run> {
    (executable as &dyn Any).downcast_ref()
}
