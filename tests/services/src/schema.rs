//! Types, queries and mutations.

use async_graphql::{
    Context, Enum, Error, ErrorExtensions, ID, InputObject, InputValueResult, Interface,
    MaybeUndefined, Object, Scalar, ScalarType, Schema, SimpleObject, Union, Value,
};
use serde_json::json;

use crate::{state::State, subscription::Subscription};

/// The whole schema.
pub type Services = Schema<Query, Mutation, Subscription>;

/// The schema over a state.
pub fn build(state: State) -> Services {
    Schema::build(Query, Mutation, Subscription).data(state).finish()
}

/// What the service heard of who asks.
#[derive(Clone)]
pub struct Headers(pub serde_json::Value, pub &'static str);

/// The payload of `connection_init`.
pub struct Init(pub serde_json::Value);

/// `{headers, init, transport}`.
pub fn seen(context: &Context<'_>) -> Option<Json> {
    let Headers(headers, transport) = context.data_opt::<Headers>()?;
    let init = context.data_opt::<Init>().map(|Init(payload)| payload);
    let seen = json!({ "headers": headers, "init": init, "transport": transport });
    Some(Json(Value::from_json(seen).unwrap_or_default()))
}

/// An error with this code, as all services give it.
pub fn failure(code: &str) -> Error {
    Error::new(format!("failing: {code}")).extend_with(|_, extensions| {
        extensions.set("code", code);
        let nested = json!({ "list": [1, null] });
        extensions.set("nested", Value::from_json(nested).unwrap_or_default());
    })
}

/// Text that only the service understands.
pub struct Moment(pub String);

/// Text that only the service understands.
#[Scalar(name = "Moment", specified_by_url = "https://scalars.example/moment")]
impl ScalarType for Moment {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self(text)),
            other => Err(async_graphql::InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

pub struct Json(pub Value);

/// Any value.
#[Scalar(name = "Json")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(value))
    }

    fn to_value(&self) -> Value {
        self.0.clone()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub enum Colour {
    Red,
    Green,
    /// Faded.
    #[graphql(deprecation = "It fades.")]
    Blue,
}

impl Colour {
    fn name(self) -> &'static str {
        match self {
            Self::Red => "RED",
            Self::Green => "GREEN",
            Self::Blue => "BLUE",
        }
    }
}

#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub enum Node {
    Book(Book),
    Person(Person),
}

#[derive(Union)]
pub enum Found {
    Book(Book),
    Person(Person),
}

#[derive(Clone, Copy)]
pub struct Book {
    number: u32,
}

#[derive(Clone, Copy)]
pub struct Person {
    number: u32,
}

const BOOKS: [Book; 2] = [Book { number: 1 }, Book { number: 2 }];
const PEOPLE: [Person; 2] = [Person { number: 1 }, Person { number: 2 }];

impl Book {
    fn colour_of(self) -> Colour {
        if self.number == 1 { Colour::Red } else { Colour::Blue }
    }

    fn title_of(self) -> &'static str {
        if self.number == 1 { "Wells" } else { "Springs" }
    }
}

#[Object]
impl Book {
    async fn id(&self) -> ID {
        format!("book:{}", self.number).into()
    }

    async fn title(&self) -> &str {
        self.title_of()
    }

    async fn colour(&self) -> Option<Colour> {
        Some(self.colour_of())
    }

    async fn written(&self) -> Option<Moment> {
        (self.number == 1).then(|| Moment("1999-12-31T23:59:60Z".to_owned()))
    }

    async fn tags(&self) -> Vec<&str> {
        if self.number == 1 { vec!["a", "\"b\""] } else { Vec::new() }
    }

    async fn by(&self, #[graphql(default = 1)] deep: i32) -> Option<Person> {
        let _ = deep;
        Some(PEOPLE[0])
    }
}

#[Object]
impl Person {
    async fn id(&self) -> ID {
        format!("person:{}", self.number).into()
    }

    async fn name(&self) -> Option<&str> {
        (self.number == 1).then_some("Ann")
    }

    async fn books(&self, colours: Option<Vec<Colour>>) -> Vec<Option<Book>> {
        let books = BOOKS.into_iter().filter(|_| self.number == 1);
        let is_wanted =
            |book: &Book| colours.as_ref().is_none_or(|all| all.contains(&book.colour_of()));
        books.filter(is_wanted).map(Some).collect()
    }
}

#[derive(InputObject)]
pub struct Range {
    #[graphql(default = 0)]
    from: i32,
    to: i32,
    inner: Option<Box<Range>>,
}

#[derive(InputObject)]
pub struct Filter {
    text: MaybeUndefined<String>,
    colours: Option<Vec<Colour>>,
    range: Option<Range>,
}

impl Range {
    fn json(&self) -> serde_json::Value {
        let mut range = json!({ "from": self.from, "to": self.to });
        if let Some(inner) = &self.inner {
            range["inner"] = inner.json();
        }
        range
    }
}

impl Filter {
    fn json(&self) -> serde_json::Value {
        let mut filter = json!({});
        if !self.text.is_undefined() {
            filter["text"] = json!(self.text.value());
        }
        if let Some(colours) = &self.colours {
            filter["colours"] = colours.iter().map(|colour| colour.name()).collect();
        }
        if let Some(range) = &self.range {
            filter["range"] = range.json();
        }
        filter
    }
}

#[derive(SimpleObject)]
pub struct Event {
    pub topic: String,
    pub value: Option<Json>,
    pub subject: Option<Found>,
}

impl Event {
    pub fn new(topic: String, value: serde_json::Value) -> Self {
        let value = Value::from_json(value).unwrap_or_default();
        let value = (value != Value::Null).then_some(Json(value));
        Self { topic, value, subject: Some(Found::Book(BOOKS[0])) }
    }
}

pub struct Step {
    pub number: i32,
    pub at: i32,
}

#[Object]
impl Step {
    async fn number(&self) -> i32 {
        self.number
    }

    async fn value(&self) -> Option<Result<i32, Error>> {
        let failed = || Err(failure(&format!("STEP_{}", self.number)));
        Some(if self.number == self.at { failed() } else { Ok(self.number * 10) })
    }
}

fn resolved<'a>(context: &Context<'a>, kind: &str, args: serde_json::Value) -> &'a State {
    let state = context.data_unchecked::<State>();
    state.resolved(kind, context.field().name(), &args);
    state
}

fn is_extended(context: &Context<'_>) -> bool {
    context.data_unchecked::<State>().is_extended()
}

pub struct Query;

#[Object]
impl Query {
    async fn hello(
        &self,
        context: &Context<'_>,
        #[graphql(default = "world")] name: String,
    ) -> String {
        resolved(context, "query", json!({ "name": name }));
        format!("Hello, {name}!")
    }

    async fn echo(&self, context: &Context<'_>, value: Option<Json>) -> Option<Json> {
        let args = value.as_ref().and_then(|Json(value)| value.clone().into_json().ok());
        resolved(context, "query", json!({ "value": args }));
        value
    }

    async fn moment(&self, context: &Context<'_>, at: Moment) -> Moment {
        resolved(context, "query", json!({ "at": at.0 }));
        at
    }

    async fn colours(&self, context: &Context<'_>, colours: Vec<Colour>) -> Vec<Colour> {
        resolved(context, "query", json!({}));
        colours
    }

    async fn filter(&self, context: &Context<'_>, filter: Filter) -> Option<Json> {
        resolved(context, "query", json!({ "filter": filter.json() }));
        Some(Json(Value::from_json(filter.json()).unwrap_or_default()))
    }

    async fn sum(&self, context: &Context<'_>, numbers: Vec<Vec<i32>>) -> i32 {
        resolved(context, "query", json!({ "numbers": numbers }));
        numbers.iter().flatten().sum()
    }

    async fn node(&self, context: &Context<'_>, id: ID) -> Option<Node> {
        resolved(context, "query", json!({ "id": id.as_str() }));
        match id.split_once(':')? {
            ("book", number) => Some(Node::Book(*BOOKS.get(number.parse::<usize>().ok()? - 1)?)),
            (_, number) => Some(Node::Person(*PEOPLE.get(number.parse::<usize>().ok()? - 1)?)),
        }
    }

    async fn search(&self, context: &Context<'_>, text: String) -> Vec<Found> {
        resolved(context, "query", json!({ "text": text }));
        let books = BOOKS.into_iter().filter(|book| book.title_of().contains(&text));
        let name = |person: &Person| if person.number == 1 { "Ann" } else { "" };
        let people = PEOPLE.into_iter().filter(|person| name(person).contains(&text));
        books.map(Found::Book).chain(people.map(Found::Person)).collect()
    }

    async fn nothing(&self, context: &Context<'_>) -> Option<String> {
        resolved(context, "query", json!({}));
        None
    }

    /// Always an error, with this code in its extensions.
    async fn failing(&self, context: &Context<'_>, code: String) -> Option<Result<String, Error>> {
        resolved(context, "query", json!({ "code": code }));
        Some(Err(failure(&code)))
    }

    /// What the service heard of who asks: `{headers: [[name, value]], init, transport}`.
    async fn whoami(&self, context: &Context<'_>) -> Option<Json> {
        resolved(context, "query", json!({}));
        seen(context)
    }

    #[graphql(visible = "is_extended")]
    async fn added(&self) -> Option<&str> {
        Some("yes")
    }
}

pub struct Mutation;

#[Object]
impl Mutation {
    /// Sends an event to the subscribers of a topic; gives how many there are.
    async fn publish(&self, context: &Context<'_>, topic: String, value: Option<Json>) -> usize {
        let value = value.and_then(|Json(value)| value.into_json().ok()).unwrap_or_default();
        resolved(context, "mutation", json!({ "topic": topic, "value": value }))
            .publish(&topic, &value)
    }

    async fn failing(&self, context: &Context<'_>, code: String) -> Option<Result<String, Error>> {
        resolved(context, "mutation", json!({ "code": code }));
        Some(Err(failure(&code)))
    }

    async fn whoami(&self, context: &Context<'_>) -> Option<Json> {
        resolved(context, "mutation", json!({}));
        seen(context)
    }
}
