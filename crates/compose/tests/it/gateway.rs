//! A small gateway: reads the schemas of services, composes them, plans, asks, joins. It shows how the parts
//! fit together; the real one is the engine's affair.

use std::{collections::HashMap, sync::Arc};

use apollo_compiler::ast::OperationType;
use artesian_compose::{
    Answer, Bound, Composed, Introspector, Part, Plan, PlanError, PlanLimits, ReadLimits,
    SchemaError, ServiceSchema, compose,
};
use artesian_remote::{
    Credentials, End, Event, Kind, Operation, RemoteError, Response, Transport, Upstream,
    UpstreamConfig, config::Method, dial::Network,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, future::join_all, stream};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::{schemas::Source, services::Service};

/// Plans by document and name of the operation.
pub type Plans = HashMap<(String, Option<String>), Arc<Plan>>;

struct Member {
    source: Source,
    upstream: Upstream,
    introspector: Introspector,
    /// What was read last.
    schema: Option<ServiceSchema>,
}

pub struct Gateway {
    members: Vec<Member>,
    pub composed: Arc<Composed>,
    /// The members that take part, by the composed schema's indices.
    pub present: Vec<usize>,
    pub plans: Mutex<Plans>,
    limits: PlanLimits,
}

fn operation(kind: OperationType, text: &str) -> Operation {
    let kind = match kind {
        OperationType::Query => Kind::Query,
        OperationType::Mutation => Kind::Mutation,
        OperationType::Subscription => Kind::Subscription,
    };
    Operation::new(kind, text)
}

fn answer(result: Result<Response, RemoteError>) -> Answer {
    match result {
        Ok(Response { text, data, errors, extensions }) => {
            Answer::Response { text, data, errors, extensions }
        }
        Err(error) => Answer::Failed { message: error.to_string(), code: "service-failed" },
    }
}

fn request_error(error: &PlanError) -> Bytes {
    json!({ "errors": [{ "message": error.to_string() }] }).to_string().into()
}

impl Gateway {
    /// A service that is down does not stop the others.
    pub async fn start(services: Vec<(Source, Arc<Service>)>) -> Self {
        let dial = Arc::new(Network::new().unwrap());
        let member = |(source, service): (Source, Arc<Service>)| {
            let url = format!("http://{}/graphql", service.address).parse().unwrap();
            let config = UpstreamConfig {
                transport: Transport::Sse(Method::Post),
                ..UpstreamConfig::new(url)
            };
            let introspector = Introspector::new(ReadLimits::default());
            Member {
                source,
                upstream: Upstream::new(config, Arc::<Network>::clone(&dial)),
                introspector,
                schema: None,
            }
        };
        let composed =
            Arc::new(compose(&[Part::new("none", sdl("type Query { none: Int }"))]).unwrap());
        let mut gateway = Self {
            members: services.into_iter().map(member).collect(),
            composed,
            present: Vec::new(),
            plans: Mutex::default(),
            limits: PlanLimits::default(),
        };
        gateway.refresh().await;
        gateway
    }

    /// Reads all schemas again; what changed, as lines for the log.
    pub async fn refresh(&mut self) -> Vec<String> {
        let mut log = Vec::new();
        for member in &mut self.members {
            let name = &member.source.name;
            match read(&member.upstream, &mut member.introspector).await {
                Ok(new) => {
                    match &member.schema {
                        Some(old) if old.digest() == new.digest() => continue,
                        Some(old) => log.push(format!("{name}: {}", old.difference(&new))),
                        None => log.push(format!("{name}: is there")),
                    }
                    member.schema = Some(new);
                }
                Err(why) => log.push(format!("{name}: {why}")),
            }
        }
        let present = self.members.iter().enumerate().filter(|(_, m)| m.schema.is_some());
        self.present = present.map(|(at, _)| at).collect();
        let parts: Vec<Part> = self.members.iter().filter_map(Member::part).collect();
        if !parts.is_empty() {
            self.composed = Arc::new(compose(&parts).unwrap_or_else(|e| panic!("{e}")));
            self.plans.lock().clear();
        }
        log
    }

    pub fn plan(&self, text: &str, name: Option<&str>) -> Result<Arc<Plan>, PlanError> {
        let key = (text.to_owned(), name.map(str::to_owned));
        if let Some(plan) = self.plans.lock().get(&key) {
            return Ok(Arc::clone(plan));
        }
        let document = self.composed.parse(text, &self.limits)?;
        let plan = Arc::new(Plan::new(Arc::clone(&self.composed), document, name, &self.limits)?);
        self.plans.lock().insert(key, Arc::clone(&plan));
        Ok(plan)
    }

    fn asked(&self, bound: &Bound, at: usize) -> (&Upstream, Operation) {
        let request = &bound.requests()[at];
        let asked = &bound.plan().requests()[request.index];
        let mut operation = operation(asked.kind, &asked.text);
        if let Some(name) = &asked.operation_name {
            operation = operation.with_name(Arc::clone(name));
        }
        if let Some(variables) = &request.variables {
            operation = operation.with_variables(variables.clone()).unwrap();
        }
        (&self.members[self.present[asked.source]].upstream, operation)
    }

    /// Runs a query or a mutation.
    pub async fn execute(&self, text: &str, variables: &Map<String, Value>) -> Bytes {
        let bound = match self.plan(text, None).and_then(|plan| plan.bind(variables)) {
            Ok(bound) => bound,
            Err(error) => return request_error(&error),
        };
        let ask = async |at| {
            let (upstream, operation) = self.asked(&bound, at);
            answer(upstream.request(&operation, &Credentials::none()).await)
        };
        let count = bound.requests().len();
        if bound.plan().kind() == OperationType::Query {
            return bound.join(&join_all((0..count).map(ask)).await);
        }
        let mut answers = Vec::new();
        for at in 0..count {
            answers.push(ask(at).await);
            if bound.stops_after(at, &answers[at]) {
                break;
            }
        }
        bound.join(&answers)
    }

    /// Subscribes; each result as the client gets it.
    pub fn subscribe(
        &self,
        text: &str,
        variables: &Map<String, Value>,
    ) -> impl Stream<Item = Bytes> {
        let bound = self.plan(text, None).unwrap().bind(variables).unwrap();
        assert_eq!(bound.requests().len(), 1);
        let (upstream, operation) = self.asked(&bound, 0);
        let events = upstream.subscribe(operation, Credentials::none()).unwrap();
        events.flat_map(move |event| {
            let result = match event {
                Event::Next(text) => {
                    Some(answer(Response::parse(&text).ok_or(RemoteError::NotGraphQL(200))))
                }
                Event::Resumed | Event::End(End::Complete) => None,
                Event::End(End::Failed(error)) => Some(answer(Err(error))),
                Event::End(End::Errors(errors)) => panic!("{errors:?}"),
            };
            stream::iter(result.map(|answer| bound.join(&[answer])))
        })
    }
}

impl Member {
    fn part(&self) -> Option<Part> {
        let mut part = Part::new(self.source.name.as_str(), self.schema.clone()?);
        part.field_prefix = self.source.field_prefix.to_owned();
        part.type_prefix = self.source.type_prefix.to_owned();
        Some(part)
    }
}

async fn read(
    upstream: &Upstream,
    introspector: &mut Introspector,
) -> Result<ServiceSchema, String> {
    loop {
        let query =
            Operation::new(Kind::Query, introspector.query()).with_name("IntrospectionQuery");
        let response = upstream.request(&query, &Credentials::none()).await;
        let response = response.map_err(|error| error.to_string())?;
        let read = introspector.answer(&response.text);
        if let Some(schema) = read.map_err(|error: SchemaError| error.to_string())? {
            return Ok(schema);
        }
    }
}

fn sdl(text: &str) -> ServiceSchema {
    ServiceSchema::from_sdl(text, &ReadLimits::default()).unwrap()
}
