//! The tiny schema. `tests/e2e/lib/differential/schema.js` has the same for graphql-js.
//!
//! | field | what it does |
//! |---|---|
//! | `hello`, `echo(text)` | answer at once |
//! | `slow(key)` | answers once the key was released |
//! | `fail`, `failHard` | a resolver's error, the second of a field that is not null |
//! | `noop` | a mutation that changes nothing |
//! | `release(key)` | releases a key |
//! | `count(to)` | a subscription with results 1 to `to` |
//! | `forever` | one result, then silence |
//! | `boom` | one result, then an exception in the source |
//! | `refused` | an exception while the source is made |
//! | `stalled(key)` | a source that is made once the key was released; one result |
//! | `topic(key)` | a result for each release of the key |

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};

use artesian_engine::{
    Allow, ErrorCode, Event, GraphQLError, Identity, OperationKind, Payload, Request, ResultStream,
};
use artesian_graphql::{
    bind::{BindLimits, BoundField, BoundOperation, ScalarSource, Value, bind, complete_variables},
    document::{Document, OperationType, ParseLimits},
    introspection_types::meta_fields,
    schema::{Field, InputField, Schema, TypeKind, TypeRef},
};
use artesian_server::{Prepared, Service};
use async_trait::async_trait;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use serde_json::{Map, Value as Json, json};
use tokio::sync::{Mutex, watch};

/// The service.
pub struct Tiny {
    schema: Schema,
    keys: Arc<Keys>,
}

/// How often each key was released.
#[derive(Default)]
struct Keys(Mutex<HashMap<String, watch::Sender<u32>>>);

impl Keys {
    async fn watch(&self, key: &str) -> watch::Receiver<u32> {
        let mut keys = self.0.lock().await;
        keys.entry(key.to_owned()).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    async fn release(&self, key: &str) -> u32 {
        let mut keys = self.0.lock().await;
        let count = keys.entry(key.to_owned()).or_insert_with(|| watch::channel(0).0);
        count.send_modify(|count| *count += 1);
        *count.borrow()
    }

    async fn released(&self, key: &str) {
        // The sender lives as long as the map.
        let _ = self.watch(key).await.wait_for(|count| *count > 0).await;
    }
}

impl Default for Tiny {
    fn default() -> Self {
        let text = || InputField::new(TypeRef::named("String").non_null()).fixed();
        let number = InputField::new(TypeRef::named("Int").non_null()).fixed();
        let string = || Field::new(TypeRef::named("String"));
        let int = || Field::new(TypeRef::named("Int"));
        let mut schema = Schema::new("Query");
        let query = [
            ("hello", string()),
            ("echo", string().arg("text", text())),
            ("slow", string().arg("key", text())),
            ("fail", string()),
            ("failHard", Field::new(TypeRef::named("String").non_null())),
        ];
        let mutation = [
            ("noop", Field::new(TypeRef::named("Boolean"))),
            ("release", int().arg("key", text())),
        ];
        let subscription = [
            ("count", int().arg("to", number)),
            ("forever", int()),
            ("boom", int()),
            ("refused", int()),
            ("stalled", int().arg("key", text())),
            ("topic", int().arg("key", text())),
        ];
        let mut add = |name: &str, fields: Vec<(&str, Field)>| {
            let fields = fields.into_iter().map(|(name, field)| (name.into(), field)).collect();
            schema.add(name, None, TypeKind::Object(fields))
        };
        add("Query", query.into_iter().chain(meta_fields()).collect());
        let mutation = add("Mutation", mutation.into());
        let subscription = add("Subscription", subscription.into());
        schema.mutation = Some(mutation);
        schema.subscription = Some(subscription);
        Self { schema, keys: Arc::default() }
    }
}

#[async_trait]
impl Service for Tiny {
    fn prepare(
        &self,
        request: Request,
        _: &Identity,
        allow: Allow,
    ) -> Result<Box<dyn Prepared>, Vec<GraphQLError>> {
        let operation = self.bind(request).map_err(|error| vec![GraphQLError::from(error)])?;
        let operation = Operation { operation, keys: self.keys.clone() };
        if operation.is_stream() && operation.operation.fields.len() > 1 {
            let message = "subscriptions must have one root field";
            return Err(vec![GraphQLError::new(ErrorCode::ValidationFailed, message)]);
        }
        if operation.is_stream() && !allow.streams {
            return Err(vec![GraphQLError::new(ErrorCode::NotSupported, "use a WebSocket")]);
        }
        Ok(Box::new(operation))
    }

    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

impl Tiny {
    fn bind(&self, request: Request) -> Result<BoundOperation, artesian_graphql::Error> {
        let document = Document::parse(&request.query, ParseLimits::default())?;
        let operation = document.operation(request.operation_name.as_deref())?;
        let variables = complete_variables(operation, request.variables)?;
        bind(&document, operation, &self.schema, &variables, BindLimits::default())
    }
}

struct Operation {
    operation: BoundOperation,
    keys: Arc<Keys>,
}

/// An argument's value. All arguments are fixed, so none is a variable any more.
fn argument(field: &BoundField, name: &str) -> Json {
    match field.arg(name) {
        Some(Value::Scalar(scalar)) => match &scalar.source {
            ScalarSource::Literal(value) => value.clone(),
            ScalarSource::Variable(_) => Json::Null,
        },
        _ => Json::Null,
    }
}

fn key(field: &BoundField) -> String {
    argument(field, "key").as_str().unwrap_or_default().to_owned()
}

fn error(message: &str) -> GraphQLError {
    GraphQLError::new(ErrorCode::Unexpected, message)
}

impl Operation {
    async fn resolve(&self, field: &BoundField) -> Result<Json, GraphQLError> {
        Ok(match &*field.name {
            "hello" => json!("world"),
            "echo" => argument(field, "text"),
            "slow" => {
                let key = key(field);
                self.keys.released(&key).await;
                json!(key)
            }
            "noop" => json!(true),
            "release" => json!(self.keys.release(&key(field)).await),
            "__typename" => json!(&*self.operation.root),
            _ => return Err(error("it fails")),
        })
    }
}

#[async_trait]
impl Prepared for Operation {
    fn kind(&self) -> OperationKind {
        match self.operation.kind {
            OperationType::Query => OperationKind::Query,
            OperationType::Mutation => OperationKind::Mutation,
            OperationType::Subscription => OperationKind::Subscription,
        }
    }

    fn name(&self) -> Option<&str> {
        self.operation.name.as_deref()
    }

    fn is_stream(&self) -> bool {
        self.kind() == OperationKind::Subscription
    }

    async fn execute(&self) -> Payload {
        let mut data = Map::new();
        let mut errors = Vec::new();
        for field in &self.operation.fields {
            match self.resolve(field).await {
                Ok(value) => {
                    data.insert(field.key.to_string(), value);
                }
                Err(error) if field.ty.is_non_null() => {
                    errors.push(error);
                    return Payload::execution_error(&errors);
                }
                Err(error) => {
                    data.insert(field.key.to_string(), Json::Null);
                    errors.push(error);
                }
            }
        }
        let mut result = json!({ "data": data });
        let is_error = !errors.is_empty();
        if is_error {
            result["errors"] = json!(errors);
        }
        Payload { bytes: result.to_string().into(), is_error }
    }

    async fn subscribe(&self) -> Result<Box<dyn ResultStream>, Vec<GraphQLError>> {
        let Some(field) = self.operation.fields.first() else { return Err(Vec::new()) };
        let item = |n| result(&field.key, n);
        let (items, end) = match &*field.name {
            "count" => {
                let to = argument(field, "to").as_u64().unwrap_or_default();
                ((1..=to).map(|n| item(n as u32)).collect(), End::Complete)
            }
            "forever" => (vec![item(1)], End::Never),
            "boom" => {
                let ended = Event::Ended(vec![error("the source fails")]);
                (vec![item(1), ended], End::Complete)
            }
            "stalled" => {
                self.keys.released(&key(field)).await;
                (vec![item(1)], End::Complete)
            }
            "topic" => (Vec::new(), End::Topic(counts(self.keys.watch(&key(field)).await))),
            _ => return Err(vec![error("no source")]),
        };
        let name = field.key.to_string();
        Ok(Box::new(Events { items: items.into_iter(), end, name }))
    }
}

/// What comes after the items.
enum End {
    Complete,
    Never,
    Topic(BoxStream<'static, u32>),
}

/// Each new value.
fn counts(count: watch::Receiver<u32>) -> BoxStream<'static, u32> {
    stream::unfold(count, |mut count| async move {
        count.changed().await.ok()?;
        let n = *count.borrow_and_update();
        Some((n, count))
    })
    .boxed()
}

struct Events {
    items: std::vec::IntoIter<Event>,
    end: End,
    name: String,
}

impl ResultStream for Events {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Some(item) = self.items.next() {
            return Poll::Ready(Some(item));
        }
        match &mut self.end {
            End::Complete => Poll::Ready(None),
            End::Never => Poll::Pending,
            End::Topic(counts) => {
                counts.poll_next_unpin(cx).map(|n| n.map(|n| result(&self.name, n)))
            }
        }
    }
}

fn result(name: &str, n: u32) -> Event {
    Event::Result(Payload::data(json!({ "data": { name: n } }).to_string().into()))
}
