//! Operations whose identity changes, by their stage.

use std::time::Duration;

use artesian_engine::ErrorCode;
use async_trait::async_trait;
use futures_util::{StreamExt, poll};
use tokio::sync::{Notify, watch};

use super::*;
use crate::{LimitsConfig, Metrics};

/// A live operation that starts when it is let, and then tells its identity whenever it changes.
struct Greeting {
    kind: OperationKind,
    go: Arc<Notify>,
    may_start: bool,
    conflates: bool,
}

struct Greetings {
    role: watch::Sender<Option<String>>,
    conflates: bool,
}

impl ResultStream for Greetings {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Event>> {
        let role = self.role.send_replace(None);
        match role {
            Some(role) => Poll::Ready(Some(Event::Result(Payload::data(role.into())))),
            None => Poll::Pending,
        }
    }

    fn conflates(&self) -> bool {
        self.conflates
    }

    fn change_identity(&mut self, identity: &Identity) -> bool {
        self.role.send_replace(Some(identity.role.to_string()));
        true
    }
}

#[async_trait]
impl Prepared for Greeting {
    fn kind(&self) -> OperationKind {
        self.kind
    }

    fn name(&self) -> Option<&str> {
        None
    }

    fn is_stream(&self) -> bool {
        self.kind == OperationKind::Subscription
    }

    async fn execute(&self) -> Payload {
        self.go.notified().await;
        Payload::data("old".into())
    }

    async fn subscribe(&self) -> Result<Box<dyn ResultStream>, Vec<GraphQLError>> {
        self.go.notified().await;
        if !self.may_start {
            return Err(vec![GraphQLError::new(ErrorCode::PostgresError, "old: secret")]);
        }
        let role = watch::Sender::new(Some("old".to_owned()));
        Ok(Box::new(Greetings { role, conflates: self.conflates }))
    }
}

fn identity(role: &str) -> Identity {
    Identity::new(role, Default::default())
}

fn start(greeting: Greeting) -> BoxItems {
    let metrics = Arc::new(Metrics::new("test"));
    let limits = Limits::new(LimitsConfig::default(), Duration::from_secs(1), metrics.clone());
    let transport = Transport::ModernWs;
    let counted = OperationMetrics::of(&metrics, &greeting, transport);
    results(&Arc::new(limits), Box::new(greeting), counted)
}

fn greeting(go: &Arc<Notify>) -> Greeting {
    let go = go.clone();
    Greeting { kind: OperationKind::Subscription, go, may_start: true, conflates: true }
}

fn text(item: Option<Item>) -> String {
    match item {
        Some(Item::Result(payload) | Item::Single(payload)) => {
            String::from_utf8_lossy(&payload.bytes).into_owned()
        }
        Some(Item::Refused(errors)) => format!("refused: {}", errors[0].message),
        Some(Item::Ended(errors)) => format!("ended: {}", errors[0].message),
        None => "end".to_owned(),
    }
}

#[tokio::test]
async fn a_running_operation_goes_on_under_the_new_identity() {
    let go = Arc::new(Notify::new());
    let mut items = start(greeting(&go));
    assert!(items.is_live());
    go.notify_one();
    assert_eq!(text(items.next().await), "old");
    items.as_mut().change_identity(&identity("new"));
    assert_eq!(text(items.next().await), "new");
    assert!(poll!(items.next()).is_pending());
}

#[tokio::test]
async fn an_operation_that_starts_ends_up_under_the_latest_identity() {
    let go = Arc::new(Notify::new());
    let mut items = start(greeting(&go));
    assert!(poll!(items.next()).is_pending());
    items.as_mut().change_identity(&identity("newer"));
    assert!(poll!(items.next()).is_pending());
    items.as_mut().change_identity(&identity("newest"));
    go.notify_one();
    assert_eq!(text(items.next().await), "newest");
}

#[tokio::test]
async fn what_went_wrong_for_the_identity_before_is_not_told() {
    let go = Arc::new(Notify::new());
    let changed = "refused: the identity has changed: subscribe again";
    for (is_changed, told) in [(false, "refused: old: secret"), (true, changed)] {
        let mut items = start(Greeting { may_start: false, ..greeting(&go) });
        assert!(poll!(items.next()).is_pending());
        if is_changed {
            items.as_mut().change_identity(&identity("new"));
        }
        go.notify_one();
        assert_eq!(text(items.next().await), told);
        assert_eq!(text(items.next().await), "end");
    }
}

#[tokio::test]
async fn a_stream_that_is_buffered_ends() {
    for is_running in [false, true] {
        let go = Arc::new(Notify::new());
        let mut items = start(Greeting { conflates: false, ..greeting(&go) });
        if is_running {
            go.notify_one();
            assert_eq!(text(items.next().await), "old");
        } else {
            assert!(poll!(items.next()).is_pending());
            go.notify_one();
        }
        items.as_mut().change_identity(&identity("new"));
        assert_eq!(text(items.next().await), "ended: the identity has changed: subscribe again");
        assert_eq!(text(items.next().await), "end");
        items.as_mut().change_identity(&identity("newer"));
        assert_eq!(text(items.next().await), "end");
    }
}

#[tokio::test]
async fn a_single_result_finishes_as_it_is() {
    let go = Arc::new(Notify::new());
    let mut items = start(Greeting { kind: OperationKind::Mutation, ..greeting(&go) });
    assert!(!items.is_live());
    assert!(poll!(items.next()).is_pending());
    items.as_mut().change_identity(&identity("new"));
    go.notify_one();
    assert_eq!(text(items.next().await), "old");
    assert_eq!(text(items.next().await), "end");
}

/// There is one for every idle operation.
#[test]
fn a_stage_is_three_words() {
    assert_eq!(size_of::<Stage>(), 3 * size_of::<usize>());
}
