//! Operations that wait for their turn to be prepared.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use artesian_engine::{Allow, Identity};
use artesian_protocol::GraphQLRequest;
use futures_util::{future::BoxFuture, stream::Stream};
use parking_lot::Mutex;

use crate::{
    items::{BoxItems, Item, Items},
    limits::{ClientKey, Limit},
    metrics::{OperationMetrics, Transport},
    run::{begin, prepare, prepare_counted, refusal, results},
    server::State,
};

/// Prepares and runs an operation whose turn to be prepared has not come yet.
pub(crate) fn queued(
    state: Arc<State>,
    identity: Identity,
    client: ClientKey,
    request: GraphQLRequest,
    transport: Transport,
) -> BoxItems {
    // What waits for its turn counts as well.
    let guard = match begin(&state, &identity, client, transport) {
        Ok(guard) => guard,
        Err(refused) => return refusal(vec![refused.to_error()]),
    };
    let identity = Arc::new(Mutex::new(identity));
    let latest = Arc::clone(&identity);
    let start = async move {
        let Ok(_pass) = state.limits.preparations.enter().await else {
            OperationMetrics::rejected(&state.metrics, transport);
            return refusal(vec![state.limits.busy(Limit::Preparations).to_error()]);
        };
        // Nothing is awaited from here on, so no identity can come in between.
        let identity = latest.lock().clone();
        match prepare_counted(&state, &identity, guard, request, Allow::ALL, transport) {
            Ok(operation) => {
                let metrics = OperationMetrics::of(&state.metrics, &*operation, transport);
                results(&state.limits, operation, metrics)
            }
            Err(errors) => refusal(errors),
        }
    };
    Box::pin(Later::Queued(Box::new(Queued { start: Box::pin(start), identity })))
}

/// Prepares and runs an operation, at once if there is a place for that.
pub(crate) fn started(
    state: &Arc<State>,
    identity: Identity,
    client: ClientKey,
    request: GraphQLRequest,
    transport: Transport,
) -> BoxItems {
    let Some(_pass) = state.limits.preparations.try_enter() else {
        return queued(state.clone(), identity, client, request, transport);
    };
    match prepare(state, &identity, client, request, Allow::ALL, transport) {
        Ok(operation) => {
            let metrics = OperationMetrics::of(&state.metrics, &*operation, transport);
            results(&state.limits, operation, metrics)
        }
        Err(errors) => refusal(errors),
    }
}

/// Results of an operation that is prepared first. What that needs is let go before they come.
enum Later {
    Queued(Box<Queued>),
    Running(BoxItems),
}

struct Queued {
    start: BoxFuture<'static, BoxItems>,
    /// By whose identity it is going to be prepared.
    identity: Arc<Mutex<Identity>>,
}

impl Stream for Later {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        if let Self::Queued(queued) = &mut *self {
            let items = ready!(queued.start.as_mut().poll(cx));
            let is_live = items.is_live();
            *self = Self::Running(items);
            if is_live {
                // Whoever asks could not know, and may want to leave live operations alone.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        match &mut *self {
            Self::Queued(_) => Poll::Pending,
            Self::Running(items) => items.as_mut().poll_next(cx),
        }
    }
}

impl Items for Later {
    /// One that waits to be prepared is not known yet; it has nothing to give that could be another
    /// identity's.
    fn is_live(&self) -> bool {
        match self {
            Self::Queued(_) => false,
            Self::Running(items) => items.is_live(),
        }
    }

    fn change_identity(mut self: Pin<&mut Self>, identity: &Identity) {
        match &mut *self {
            Self::Queued(queued) => *queued.identity.lock() = identity.clone(),
            Self::Running(items) => items.as_mut().change_identity(identity),
        }
    }
}

#[cfg(test)]
mod tests {
    use artesian_engine::{Identity, Payload};
    use futures_util::{StreamExt, poll, stream};
    use tokio::sync::oneshot;

    use super::*;

    struct Live(stream::Iter<std::vec::IntoIter<Item>>);

    impl Stream for Live {
        type Item = Item;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
            self.0.poll_next_unpin(cx)
        }
    }

    impl Items for Live {
        fn is_live(&self) -> bool {
            true
        }

        fn change_identity(mut self: Pin<&mut Self>, identity: &Identity) {
            self.0 = stream::iter(told(identity));
        }
    }

    fn told(identity: &Identity) -> Vec<Item> {
        vec![Item::Result(Payload::data(identity.role.to_string().into()))]
    }

    fn identity(role: &str) -> Identity {
        Identity::new(role, Default::default())
    }

    /// An operation whose turn comes with the message.
    fn later() -> (oneshot::Sender<()>, BoxItems) {
        let (turn, its_turn) = oneshot::channel();
        let identity = Arc::new(Mutex::new(identity("old")));
        let latest = Arc::clone(&identity);
        let start = async move {
            let _ = its_turn.await;
            let identity = latest.lock().clone();
            Box::pin(Live(stream::iter(told(&identity)))) as BoxItems
        };
        (turn, Box::pin(Later::Queued(Box::new(Queued { start: Box::pin(start), identity }))))
    }

    async fn next(items: &mut BoxItems) -> String {
        match items.next().await {
            Some(Item::Result(payload)) => String::from_utf8_lossy(&payload.bytes).into_owned(),
            _ => "no result".to_owned(),
        }
    }

    #[tokio::test]
    async fn it_starts_under_the_identity_that_holds_then() {
        let (turn, mut items) = later();
        assert!(poll!(items.next()).is_pending() && !items.is_live());
        items.as_mut().change_identity(&identity("new"));
        assert!(turn.send(()).is_ok());
        assert_eq!(next(&mut items).await, "new");
        items.as_mut().change_identity(&identity("newer"));
        assert_eq!(next(&mut items).await, "newer");
    }

    #[tokio::test]
    async fn what_turns_out_to_be_live_gives_nothing_before_that_is_known() {
        let (turn, mut items) = later();
        assert!(turn.send(()).is_ok());
        assert!(poll!(items.next()).is_pending() && items.is_live());
        items.as_mut().change_identity(&identity("new"));
        assert_eq!(next(&mut items).await, "new");
    }
}
