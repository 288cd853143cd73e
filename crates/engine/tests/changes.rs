//! What becomes of live operations when schema, permissions or limits change under them.

#![allow(clippy::unwrap_used)]

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use artesian_engine::{
    Allow, Engine, EngineConfig, ErrorCode, Event, Executable, Explanation, Generation,
    GraphQLError, Identity, Payload, Plan, Request, ResultStream, Source, Variables,
};
use artesian_graphql::{
    bind::BoundOperation,
    introspection_types::meta_fields,
    schema::{Field, Schema, TypeKind, TypeRef},
};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

/// A source whose fields are numbers. What a plan shows of them depends on the filter that was in
/// force when it was made.
#[derive(Default)]
struct Board {
    schema: Mutex<Option<Arc<Schema>>>,
    filter: Mutex<String>,
    value: watch::Sender<u32>,
    generation: Generation,
    planned: AtomicUsize,
    /// What subscribers do, in order.
    log: Mutex<Vec<String>>,
    /// Subscribing fails with this.
    fault: Mutex<Option<ErrorCode>>,
    counts_everything: bool,
    /// Such streams go on if they are the same as before.
    goes_on: bool,
    /// Such streams may be replaced.
    resumes: bool,
}

struct Shared(Arc<Board>);

fn schema(fields: &[&str]) -> Option<Arc<Schema>> {
    let mut schema = Schema::new("query_root");
    let field = || Field::new(TypeRef::named("Int"));
    let mut roots: indexmap::IndexMap<_, _> =
        fields.iter().map(|name| ((*name).into(), field())).collect();
    schema.add("subscription_root", None, TypeKind::Object(roots.clone()));
    roots.extend(meta_fields().map(|(n, f)| (n.into(), f)));
    schema.add("query_root", None, TypeKind::Object(roots));
    schema.subscription = Some("subscription_root".into());
    Some(Arc::new(schema))
}

impl Board {
    fn with(fields: &[&str]) -> Self {
        let board = Self { filter: Mutex::new("all".to_owned()), ..Self::default() };
        *board.schema.lock() = schema(fields);
        board
    }

    fn engine(self) -> (Arc<Self>, Engine) {
        let board = Arc::new(self);
        let source = Arc::new(Shared(Arc::clone(&board)));
        (board, Engine::new(source, EngineConfig::default()))
    }

    fn change(&self, fields: &[&str], filter: &str) {
        *self.schema.lock() = schema(fields);
        *self.filter.lock() = filter.to_owned();
        self.generation.advance();
    }
}

#[async_trait]
impl Source for Shared {
    fn schema(&self, _: &str) -> Option<Arc<Schema>> {
        self.0.schema.lock().clone()
    }

    fn plan(&self, _: &str, operation: &BoundOperation) -> Result<Arc<dyn Plan>, GraphQLError> {
        self.0.planned.fetch_add(1, Ordering::SeqCst);
        let field = operation.fields[0].name.to_string();
        let filter = self.0.filter.lock().clone();
        Ok(Arc::new(View { board: Arc::clone(&self.0), what: format!("{field} {filter}") }))
    }

    fn generation(&self) -> Generation {
        self.0.generation.clone()
    }

    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

struct View {
    board: Arc<Board>,
    what: String,
}

impl Plan for View {
    fn bind(
        self: Arc<Self>,
        _: &Variables,
        _: &Identity,
    ) -> Result<Arc<dyn Executable>, GraphQLError> {
        Ok(Arc::new(Bound { plan: self }))
    }
}

/// It with the values of a request.
struct Bound {
    plan: Arc<View>,
}

#[async_trait]
impl Executable for Bound {
    async fn execute(&self) -> Result<Payload, GraphQLError> {
        Err(GraphQLError::new(ErrorCode::NotSupported, "not here"))
    }

    async fn subscribe(&self) -> Result<Box<dyn ResultStream>, GraphQLError> {
        if let Some(code) = *self.plan.board.fault.lock() {
            return Err(GraphQLError::new(code, "not now"));
        }
        self.plan.board.log.lock().push(format!("+{}", self.plan.what));
        let mut value = self.plan.board.value.subscribe();
        value.mark_changed();
        let next = Box::pin(changed(value));
        Ok(Box::new(Look {
            board: Arc::clone(&self.plan.board),
            what: self.plan.what.clone(),
            next,
        }))
    }

    fn explain(&self) -> Explanation {
        panic!("nobody asks")
    }
}

struct Look {
    board: Arc<Board>,
    what: String,
    next: Pin<Box<dyn Future<Output = Option<watch::Receiver<u32>>> + Send>>,
}

async fn changed(mut value: watch::Receiver<u32>) -> Option<watch::Receiver<u32>> {
    value.changed().await.ok()?;
    Some(value)
}

impl Drop for Look {
    fn drop(&mut self) {
        self.board.log.lock().push(format!("-{}", self.what));
    }
}

impl ResultStream for Look {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let Some(mut value) = ready!(self.next.as_mut().poll(cx)) else { return Poll::Ready(None) };
        let event = result(&self.what, *value.borrow_and_update());
        self.next = Box::pin(changed(value));
        Poll::Ready(Some(event))
    }

    fn conflates(&self) -> bool {
        !self.board.counts_everything
    }

    fn goes_on_as(&mut self, executable: &dyn Executable) -> bool {
        let executable: &dyn std::any::Any = executable;
        let same = executable.downcast_ref::<Bound>().is_some_and(|b| b.plan.what == self.what);
        same && self.board.goes_on
    }

    fn resumes(&self) -> bool {
        self.board.resumes
    }

    fn mark_gap(&mut self) {
        self.board.log.lock().push(format!("gap before {}", self.what));
    }
}

fn result(what: &str, value: u32) -> Event {
    Event::Result(Payload::data(format!("{{\"data\":\"{what} {value}\"}}").into()))
}

fn request(query: &str) -> Request {
    Request { query: query.into(), ..Request::default() }
}

async fn watch(engine: &Engine, query: &str) -> Box<dyn ResultStream> {
    let operation = engine.prepare(request(query), &Identity::admin(), Allow::ALL).ok().unwrap();
    operation.subscribe().await.unwrap()
}

/// Whether there is nothing to tell at present.
async fn is_quiet(stream: &mut Box<dyn ResultStream>) -> bool {
    poll_fn(|cx| Poll::Ready(stream.poll_next(cx).is_pending())).await
}

fn ended(event: Option<Event>) -> GraphQLError {
    match event {
        Some(Event::Ended(mut errors)) => errors.remove(0),
        other => panic!("not ended: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_not_concerned_goes_on_unnoticed() {
    let (board, engine) = Board::with(&["a", "b"]).engine();
    let mut streams = Vec::new();
    for _ in 0..100 {
        let mut stream = watch(&engine, "subscription { a }").await;
        assert_eq!(stream.next().await, Some(result("a all", 0)));
        streams.push(stream);
    }
    assert_eq!(board.planned.load(Ordering::SeqCst), 1);
    board.change(&["a", "c"], "all");
    for stream in &mut streams {
        assert!(is_quiet(stream).await);
    }
    // They are equal, so they were planned together.
    assert_eq!(board.planned.load(Ordering::SeqCst), 2);
    board.value.send_replace(1);
    for stream in &mut streams {
        assert_eq!(stream.next().await, Some(result("a all", 1)));
        assert!(is_quiet(stream).await);
    }
}

#[tokio::test]
async fn what_is_no_longer_valid_ends_and_the_rest_does_not() {
    let (board, engine) = Board::with(&["a", "b"]).engine();
    let mut a = watch(&engine, "subscription { a }").await;
    let mut b = watch(&engine, "query @live { b }").await;
    assert_eq!(a.next().await, Some(result("a all", 0)));
    assert_eq!(b.next().await, Some(result("b all", 0)));
    // Even a result that is there already is not told: the field is out of sight.
    board.value.send_replace(1);
    board.change(&["a"], "all");
    let error = ended(b.next().await);
    assert_eq!(error.extensions.code, ErrorCode::ValidationFailed);
    assert_eq!(error.extensions.path, "$.selectionSet.b");
    assert_eq!(a.next().await, Some(result("a all", 1)));
}

#[tokio::test]
async fn a_narrowed_permission_holds_at_once() {
    let (board, engine) = Board::with(&["a"]).engine();
    let mut stream = watch(&engine, "subscription { a }").await;
    assert_eq!(stream.next().await, Some(result("a all", 0)));
    // The old plan has something to tell, but may not any more.
    board.value.send_replace(1);
    board.change(&["a"], "own");
    assert_eq!(stream.next().await, Some(result("a own", 1)));
    assert!(is_quiet(&mut stream).await);
    // The new one was there before the old one went.
    assert_eq!(*board.log.lock(), ["+a all", "+a own", "-a all"]);
    // While somebody waits, too.
    let (told, ()) = tokio::join!(stream.next(), async { board.change(&["a"], "none") });
    assert_eq!(told, Some(result("a none", 1)));
}

#[tokio::test]
async fn a_change_between_preparing_and_subscribing_counts() {
    let (board, engine) = Board::with(&["a"]).engine();
    let query = "subscription { a }";
    let operation = engine.prepare(request(query), &Identity::admin(), Allow::ALL).ok().unwrap();
    board.change(&["a"], "own");
    let mut stream = operation.subscribe().await.unwrap();
    assert_eq!(stream.next().await, Some(result("a own", 0)));
    assert!(is_quiet(&mut stream).await);
}

#[tokio::test]
async fn other_limits_end_what_exceeds_them() {
    let (_, engine) = Board::with(&["a", "b"]).engine();
    let mut wide = watch(&engine, "query @live { a b }").await;
    let mut narrow = watch(&engine, "query @live { a }").await;
    assert!(wide.next().await.is_some() && narrow.next().await.is_some());
    engine.configure(EngineConfig::default());
    assert!(is_quiet(&mut wide).await);
    engine.configure(EngineConfig { max_root_fields: 1, ..EngineConfig::default() });
    assert_eq!(ended(wide.next().await).extensions.code, ErrorCode::LimitExceeded);
    assert!(is_quiet(&mut narrow).await);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_away_while_the_rules_change_is_asked_again() {
    let (board, engine) = Board::with(&["a"]).engine();
    let mut stream = watch(&engine, "subscription { a }").await;
    assert_eq!(stream.next().await, Some(result("a all", 0)));
    *board.fault.lock() = Some(ErrorCode::Unexpected);
    board.change(&["a"], "own");
    let Some(Event::Error(error)) = stream.next().await else { panic!("no error") };
    assert_eq!(error.message, "not now");
    // The error is told once, and nothing of the old plan at all.
    board.value.send_replace(1);
    let silence = tokio::time::timeout(Duration::from_secs(10), stream.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    *board.fault.lock() = None;
    assert_eq!(stream.next().await, Some(result("a own", 1)));
    // Other rules are tried at once, however long the pause.
    *board.fault.lock() = Some(ErrorCode::PostgresError);
    board.change(&["a"], "own");
    assert!(matches!(stream.next().await, Some(Event::Error(_))));
    let silence = tokio::time::timeout(Duration::from_secs(3600), stream.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    *board.fault.lock() = None;
    let start = tokio::time::Instant::now();
    let (told, ()) = tokio::join!(stream.next(), async { board.change(&["a"], "all") });
    assert_eq!(told, Some(result("a all", 1)));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_stream_in_which_every_result_counts_is_not_taken_over() {
    let mut board = Board::with(&["a"]);
    board.counts_everything = true;
    let (board, engine) = board.engine();
    let mut stream = watch(&engine, "subscription { a }").await;
    assert_eq!(stream.next().await, Some(result("a all", 0)));
    board.change(&["a"], "own");
    assert_eq!(ended(stream.next().await).extensions.code, ErrorCode::StartFailed);
}

#[tokio::test]
async fn events_that_are_the_same_go_on_without_a_gap() {
    let board = Board { counts_everything: true, goes_on: true, ..Board::with(&["a", "b"]) };
    let (board, engine) = board.engine();
    let mut stream = watch(&engine, "subscription { a }").await;
    assert_eq!(stream.next().await, Some(result("a all", 0)));
    // An event that is there when the rules change is given, and equal events all count.
    board.value.send_replace(1);
    board.change(&["a"], "all");
    assert_eq!(stream.next().await, Some(result("a all", 1)));
    board.value.send_replace(1);
    assert_eq!(stream.next().await, Some(result("a all", 1)));
    assert_eq!(*board.log.lock(), ["+a all"]);
    // What is no longer valid ends.
    board.change(&["c"], "all");
    assert_eq!(ended(stream.next().await).extensions.code, ErrorCode::ValidationFailed);
}

#[tokio::test]
async fn events_that_are_others_are_begun_again_and_say_so() {
    let board =
        Board { counts_everything: true, goes_on: true, resumes: true, ..Board::with(&["a"]) };
    let (board, engine) = board.engine();
    let mut stream = watch(&engine, "subscription { a }").await;
    assert_eq!(stream.next().await, Some(result("a all", 0)));
    board.value.send_replace(1);
    board.change(&["a"], "own");
    // Nothing that the old rules made is given.
    assert_eq!(stream.next().await, Some(result("a own", 1)));
    assert_eq!(*board.log.lock(), ["+a all", "+a own", "gap before a own", "-a all"]);
}
