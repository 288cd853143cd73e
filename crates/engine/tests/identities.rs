//! What becomes of live operations when the identity of their client changes.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use artesian_engine::{
    Allow, Engine, EngineConfig, ErrorCode, Event, Executable, Explanation, Generation,
    GraphQLError, Identity, Introspection, Payload, Plan, Request, ResultStream, Scope, Source,
    Trusted, TrustedMode, Variables,
};
use artesian_graphql::{
    bind::BoundOperation,
    introspection_types::meta_fields,
    schema::{Field, Schema, TypeKind, TypeRef},
};
use async_trait::async_trait;
use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::sync::watch;

/// A source that shows everybody who they are, and a number. Users must say who they are; the role
/// `guest` sees less, and other roles nothing.
#[derive(Default)]
struct Hall {
    value: watch::Sender<u32>,
    generation: Generation,
    planned: AtomicUsize,
    /// What the rules of now are called.
    rules: AtomicUsize,
    is_away: AtomicBool,
    counts_everything: bool,
    schemas: Mutex<BTreeMap<String, Arc<Schema>>>,
}

struct Shared(Arc<Hall>);

fn schema(fields: &[&str]) -> Arc<Schema> {
    let mut schema = Schema::new("query_root");
    let field = || Field::new(TypeRef::named("Int"));
    let mut roots: indexmap::IndexMap<_, _> =
        fields.iter().map(|name| ((*name).into(), field())).collect();
    schema.add("subscription_root", None, TypeKind::Object(roots.clone()));
    roots.extend(meta_fields().map(|(n, f)| (n.into(), f)));
    schema.add("query_root", None, TypeKind::Object(roots));
    schema.subscription = Some("subscription_root".into());
    Arc::new(schema)
}

impl Hall {
    fn engine(self, config: EngineConfig) -> (Arc<Self>, Engine) {
        for (role, fields) in
            [("admin", &["a", "b"][..]), ("user", &["a", "b"]), ("guest", &["a", "secret"])]
        {
            self.schemas.lock().insert(role.to_owned(), schema(fields));
        }
        let hall = Arc::new(self);
        let source = Arc::new(Shared(Arc::clone(&hall)));
        (hall, Engine::new(source, config))
    }

    fn change_rules(&self) {
        self.rules.fetch_add(1, Ordering::SeqCst);
        // Other schemas, since plans are kept as long as it is the same.
        for schema in self.schemas.lock().values_mut() {
            *schema = Arc::new(Schema::clone(schema));
        }
        self.generation.advance();
    }
}

fn open() -> (Arc<Hall>, Engine) {
    Hall::default().engine(EngineConfig::default())
}

#[async_trait]
impl Source for Shared {
    fn schema(&self, role: &str) -> Option<Arc<Schema>> {
        self.0.schemas.lock().get(role).cloned()
    }

    fn plan(&self, role: &str, _: &BoundOperation) -> Result<Arc<dyn Plan>, GraphQLError> {
        self.0.planned.fetch_add(1, Ordering::SeqCst);
        let rules = self.0.rules.load(Ordering::SeqCst);
        Ok(Arc::new(Greeting { hall: Arc::clone(&self.0), role: role.to_owned(), rules }))
    }

    fn generation(&self) -> Generation {
        self.0.generation.clone()
    }

    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

struct Greeting {
    hall: Arc<Hall>,
    role: String,
    rules: usize,
}

impl Plan for Greeting {
    fn bind(
        self: Arc<Self>,
        _: &Variables,
        identity: &Identity,
    ) -> Result<Arc<dyn Executable>, GraphQLError> {
        assert_eq!(*identity.role, *self.role, "a plan of another role");
        match identity.session.get("x-hasura-user-id") {
            Some(user) => Ok(Arc::new(Bound { inputs: vec![Some(user.into())], plan: self })),
            None if self.role == "user" => {
                Err(GraphQLError::new(ErrorCode::NotFound, "x-hasura-user-id is missing"))
            }
            None => Ok(Arc::new(Bound { inputs: vec![None], plan: self })),
        }
    }
}

/// It with the values of a request.
struct Bound {
    plan: Arc<Greeting>,
    inputs: Vec<Option<String>>,
}

#[async_trait]
impl Executable for Bound {
    async fn execute(&self) -> Result<Payload, GraphQLError> {
        Err(GraphQLError::new(ErrorCode::NotSupported, "not here"))
    }

    async fn subscribe(&self) -> Result<Box<dyn ResultStream>, GraphQLError> {
        // Not at once, so that much can happen meanwhile.
        tokio::task::yield_now().await;
        if self.plan.hall.is_away.load(Ordering::SeqCst) {
            return Err(GraphQLError::new(ErrorCode::Unexpected, "not now"));
        }
        let mut value = self.plan.hall.value.subscribe();
        value.mark_changed();
        let who = self.inputs[0].as_deref().unwrap_or("-");
        let whose = format!("{} {who} by {}", self.plan.role, self.plan.rules);
        Ok(Box::new(Look {
            hall: Arc::clone(&self.plan.hall),
            whose,
            next: Box::pin(changed(value)),
        }))
    }

    fn explain(&self) -> Explanation {
        panic!("nobody asks")
    }
}

struct Look {
    hall: Arc<Hall>,
    whose: String,
    next: Pin<Box<dyn Future<Output = Option<watch::Receiver<u32>>> + Send>>,
}

async fn changed(mut value: watch::Receiver<u32>) -> Option<watch::Receiver<u32>> {
    value.changed().await.ok()?;
    Some(value)
}

impl ResultStream for Look {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let Some(mut value) = ready!(self.next.as_mut().poll(cx)) else { return Poll::Ready(None) };
        let event = result(&self.whose, *value.borrow_and_update());
        self.next = Box::pin(changed(value));
        Poll::Ready(Some(event))
    }

    fn conflates(&self) -> bool {
        !self.hall.counts_everything
    }
}

fn result(whose: &str, value: u32) -> Event {
    Event::Result(Payload::data(format!("{{\"data\":\"{whose}: {value}\"}}").into()))
}

fn user(id: &str) -> Identity {
    Identity::new("user", [("x-hasura-user-id".to_owned(), id.to_owned())].into())
}

fn role(role: &str) -> Identity {
    Identity::new(role, BTreeMap::new())
}

async fn watch(engine: &Engine, query: &str, identity: &Identity) -> Box<dyn ResultStream> {
    let request = Request { query: query.into(), ..Request::default() };
    let operation = engine.prepare(request, identity, Allow::ALL).ok().unwrap();
    operation.subscribe().await.unwrap()
}

/// Whether there is nothing to tell, however often one asks.
async fn is_quiet(stream: &mut Box<dyn ResultStream>) -> bool {
    for _ in 0..10 {
        if poll_fn(|cx| Poll::Ready(stream.poll_next(cx).is_ready())).await {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

fn ended(event: Option<Event>) -> GraphQLError {
    match event {
        Some(Event::Ended(mut errors)) => errors.remove(0),
        other => panic!("not ended: {other:?}"),
    }
}

const QUERY: &str = "subscription { a }";

#[tokio::test]
async fn it_goes_on_under_the_new_identity() {
    let (hall, engine) = open();
    let mut stream = watch(&engine, QUERY, &user("1")).await;
    assert_eq!(stream.next().await, Some(result("user 1 by 0", 0)));
    // There is a result of the old identity, and nobody gets it.
    hall.value.send_replace(1);
    assert!(stream.change_identity(&user("2")));
    assert_eq!(stream.next().await, Some(result("user 2 by 0", 1)));
    assert!(is_quiet(&mut stream).await);
    hall.value.send_replace(2);
    assert_eq!(stream.next().await, Some(result("user 2 by 0", 2)));
    // The same plan does for both.
    assert_eq!(hall.planned.load(Ordering::SeqCst), 1);
    // Another role, and back.
    assert!(stream.change_identity(&Identity::admin()));
    assert_eq!(stream.next().await, Some(result("admin - by 0", 2)));
    assert!(stream.change_identity(&user("2")));
    assert_eq!(stream.next().await, Some(result("user 2 by 0", 2)));
    hall.change_rules();
    assert_eq!(stream.next().await, Some(result("user 2 by 1", 2)));
}

#[tokio::test]
async fn who_is_the_same_is_not_disturbed() {
    let (hall, engine) = open();
    let mut stream = watch(&engine, QUERY, &user("1")).await;
    assert!(!stream.change_identity(&user("1")));
    assert_eq!(stream.next().await, Some(result("user 1 by 0", 0)));
    assert!(!stream.change_identity(&user("1")));
    assert!(is_quiet(&mut stream).await);
    // Away and back before anybody looked: the result is the one that was told.
    assert!(stream.change_identity(&user("2")));
    assert!(stream.change_identity(&user("1")));
    assert!(is_quiet(&mut stream).await);
    hall.value.send_replace(1);
    assert_eq!(stream.next().await, Some(result("user 1 by 0", 1)));
}

#[tokio::test]
async fn before_the_first_result_the_first_is_the_new_one() {
    let (_, engine) = open();
    let mut stream = watch(&engine, QUERY, &user("1")).await;
    assert!(stream.change_identity(&user("2")));
    assert_eq!(stream.next().await, Some(result("user 2 by 0", 0)));
    assert!(is_quiet(&mut stream).await);
}

#[tokio::test]
async fn what_the_new_identity_may_not_run_ends() {
    let (hall, engine) = open();
    for (query, identity, code) in [
        ("subscription { b }", role("guest"), ErrorCode::ValidationFailed),
        ("subscription { a }", role("nobody"), ErrorCode::AccessDenied),
        ("subscription { a }", role("user"), ErrorCode::NotFound),
    ] {
        let mut stream = watch(&engine, query, &Identity::admin()).await;
        assert!(stream.next().await.is_some());
        hall.value.send_modify(|value| *value += 1);
        assert!(stream.change_identity(&identity));
        assert_eq!(ended(stream.next().await).extensions.code, code, "{query}");
    }
}

#[tokio::test]
async fn documents_that_the_new_role_may_not_run_end() {
    let mut trusted = Trusted::default();
    trusted.add(None, QUERY, &Scope::Roles(["user".to_owned()].into())).unwrap();
    let config = EngineConfig {
        trusted: Arc::new(trusted),
        trusted_mode: TrustedMode::Only,
        ..EngineConfig::default()
    };
    let (_, engine) = Hall::default().engine(config);
    let mut stream = watch(&engine, QUERY, &Identity::admin()).await;
    assert!(stream.next().await.is_some());
    assert!(stream.change_identity(&user("1")));
    assert_eq!(stream.next().await, Some(result("user 1 by 0", 0)));
    assert!(stream.change_identity(&role("guest")));
    assert_eq!(ended(stream.next().await).message, "query is not allowed");
}

#[tokio::test]
async fn the_schema_is_shown_as_the_new_role_sees_it() {
    const FIELDS: &str = "query @live { __type(name: \"query_root\") { fields { name } } }";
    let (_, engine) = open();
    let mut stream = watch(&engine, FIELDS, &Identity::admin()).await;
    assert!(!stream.change_identity(&Identity::admin()));
    assert!(stream.change_identity(&role("guest")));
    let Some(Event::Result(payload)) = stream.next().await else { panic!("no result") };
    let text = String::from_utf8_lossy(&payload.bytes).into_owned();
    assert!(text.contains("secret") && !text.contains("\"b\""), "{text}");
    assert!(!stream.change_identity(&Identity::admin()), "it was told");
    assert_eq!(stream.next().await, None);

    let config = EngineConfig { introspection: Introspection::Admin, ..EngineConfig::default() };
    let (_, engine) = Hall::default().engine(config);
    for query in [FIELDS, "query @live { a __schema { types { name } } }"] {
        let mut stream = watch(&engine, query, &Identity::admin()).await;
        assert!(stream.change_identity(&role("guest")));
        let error = ended(stream.next().await);
        assert!(error.message.starts_with("introspection is switched off"), "{}", error.message);
    }
}

#[tokio::test]
async fn where_every_result_counts_it_ends() {
    let hall = Hall { counts_everything: true, ..Hall::default() };
    let (hall, engine) = hall.engine(EngineConfig::default());
    let mut stream = watch(&engine, QUERY, &user("1")).await;
    assert_eq!(stream.next().await, Some(result("user 1 by 0", 0)));
    hall.value.send_replace(1);
    assert!(!stream.change_identity(&user("1")));
    assert_eq!(stream.next().await, Some(result("user 1 by 0", 1)));
    hall.value.send_replace(2);
    assert!(stream.change_identity(&user("2")));
    let error = ended(stream.next().await);
    assert_eq!(error.extensions.code, ErrorCode::StartFailed);
    assert_eq!(error.message, "the identity has changed: subscribe again");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_away_meanwhile_is_asked_again() {
    let (hall, engine) = open();
    let mut stream = watch(&engine, QUERY, &user("1")).await;
    assert_eq!(stream.next().await, Some(result("user 1 by 0", 0)));
    hall.is_away.store(true, Ordering::SeqCst);
    assert!(stream.change_identity(&user("2")));
    let Some(Event::Error(error)) = stream.next().await else { panic!("no error") };
    assert_eq!(error.message, "not now");
    hall.value.send_replace(1);
    let silence = tokio::time::timeout(Duration::from_secs(3600), stream.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    hall.is_away.store(false, Ordering::SeqCst);
    // Another identity does not wait for the pause.
    let start = tokio::time::Instant::now();
    assert!(stream.change_identity(&user("3")));
    assert_eq!(stream.next().await, Some(result("user 3 by 0", 1)));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[derive(Clone, Debug)]
enum Step {
    Become(usize),
    Count,
    Rules,
    /// Asks so many times for what there is.
    Ask(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0usize..4).prop_map(Step::Become),
        3 => Just(Step::Count),
        1 => Just(Step::Rules),
        4 => (1usize..4).prop_map(Step::Ask),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// Whatever changes, and whenever: each result is that of the identity, the rules and the number
    /// that hold when it is given, and in the end the last one told is the true one.
    #[test]
    fn every_result_is_the_present_identitys(steps in prop::collection::vec(step(), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let who = [user("1"), user("2"), Identity::admin(), role("guest")];
            let (hall, engine) = open();
            let mut now = 0;
            let mut stream = watch(&engine, QUERY, &who[now]).await;
            let mut told = None;
            let truth = |now: usize| {
                let user = who[now].session.get("x-hasura-user-id").unwrap_or("-");
                let rules = hall.rules.load(Ordering::SeqCst);
                result(&format!("{} {user} by {rules}", who[now].role), *hall.value.borrow())
            };
            for step in steps.into_iter().chain([Step::Ask(20)]) {
                match step {
                    Step::Become(which) => {
                        assert_eq!(stream.change_identity(&who[which]), which != now);
                        now = which;
                    }
                    Step::Count => hall.value.send_modify(|value| *value += 1),
                    Step::Rules => hall.change_rules(),
                    Step::Ask(times) => for _ in 0..times {
                        let next = poll_fn(|cx| Poll::Ready(stream.poll_next(cx))).await;
                        if let Poll::Ready(event) = next {
                            assert_eq!(event, Some(truth(now)));
                            assert_ne!(event, told, "told twice");
                            told = event;
                        }
                        tokio::task::yield_now().await;
                    },
                }
            }
            assert_eq!(told, Some(truth(now)));
        });
    }
}
