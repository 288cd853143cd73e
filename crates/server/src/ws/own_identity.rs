//! Operations with an identity of their own: those that brought a payload of `connection_init`, as
//! the clients of a Mercurius gateway do, which all share its one socket.
//!
//! Such an operation has nothing of the socket's identity. It waits until its own is known, while the
//! socket and its other operations go on; it counts against the limits of its own identity; it has a
//! place among the open sockets, so it is listed there and ended when its user, role, secret or issuer
//! has to go; and it ends when its own credentials expire. None of that ends the socket.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use artesian_auth::{AuthError, Authenticated};
use artesian_engine::{ErrorCode, GraphQLError, Identity};
use artesian_protocol::GraphQLRequest;
use futures_util::stream::Stream;

use super::authentication::Authentication;
use crate::{
    http::expiry::{deadline, until},
    items::{BoxItems, Item, Items},
    limits::ClientKey,
    metrics::Transport,
    run,
    server::State,
    sockets::{Closing, Entry},
};

/// What is to be run once its client is known.
pub(super) struct Pending {
    pub state: Arc<State>,
    pub authentication: Authentication,
    pub request: GraphQLRequest,
    pub client: ClientKey,
    pub transport: Transport,
}

/// The items of an operation that brought its own credentials. `entry` is its place among the open
/// sockets.
pub(super) fn operation(pending: Pending, entry: Entry) -> BoxItems {
    Box::pin(Own { entry, stage: Stage::Pending(Box::new(pending)) })
}

struct Own {
    entry: Entry,
    stage: Stage,
}

enum Stage {
    Pending(Box<Pending>),
    Running(BoxItems),
    Over,
}

impl Own {
    fn identified(&mut self, client: Authenticated) -> Option<BoxItems> {
        let Stage::Pending(pending) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return None;
        };
        self.entry.identified(&client.identity, client.proof.get(), client.expires);
        self.entry.update(1, 0);
        let deadline = deadline(&client);
        let Pending { state, request, client: address, transport, .. } = *pending;
        let items = run::started(&state, client.identity, address, request, transport);
        Some(until(deadline, items))
    }
}

impl Stream for Own {
    type Item = Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let this = self.get_mut();
        loop {
            // First, and also once the client is known: what let it in may be gone by then.
            if let Poll::Ready(why) = this.entry.poll_closing(cx) {
                this.stage = Stage::Over;
                return Poll::Ready(Some(Item::Ended(vec![closed(why)])));
            }
            match &mut this.stage {
                Stage::Pending(pending) => match ready!(pending.authentication.as_mut().poll(cx)) {
                    Ok(client) => {
                        if let Some(items) = this.identified(client) {
                            this.stage = Stage::Running(items);
                        }
                    }
                    Err(error) => {
                        this.stage = Stage::Over;
                        return Poll::Ready(Some(Item::Refused(vec![refused(&error)])));
                    }
                },
                Stage::Running(items) => return items.as_mut().poll_next(cx),
                Stage::Over => return Poll::Ready(None),
            }
        }
    }
}

impl Items for Own {
    /// Whatever becomes of the socket's identity does not concern it.
    fn is_live(&self) -> bool {
        false
    }

    fn change_identity(self: Pin<&mut Self>, _: &Identity) {}
}

fn refused(error: &AuthError) -> GraphQLError {
    let code = error.code();
    tracing::info!(
        code = run::code_name(code),
        "operation refused: its credentials are missing or wrong"
    );
    let mut refusal = error.to_error();
    if !error.is_ours() {
        // The word that clients of Mercurius know.
        refusal.message = format!("Forbidden: {}", refusal.message);
    }
    refusal
}

fn closed(why: Closing) -> GraphQLError {
    GraphQLError::new(ErrorCode::AccessDenied, why.message())
}
