//! GraphQL over server-sent events, distinct connections mode: the body is the operation.
//!
//! Nothing is computed before hyper asks for more, and it asks only while its own buffer has room, so
//! a slow client gets the latest result when it is ready for one.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use artesian_engine::GraphQLError;
use artesian_protocol::{Message, sse};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use http::{HeaderName, HeaderValue, Response};
use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::body::{Aborted, Body};
use crate::{
    metrics::{ConnectionMetrics, Transport},
    run::Item,
    server::State,
};

/// A body that consists of events.
pub(crate) struct EventBody {
    items: BoxStream<'static, Item>,
    /// Pieces of an event that are still to be handed out, in reverse order.
    pieces: Vec<Bytes>,
    is_over: bool,
    heartbeat: Duration,
    timer: Pin<Box<Sleep>>,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Once the server stops: when this stream is cut off.
    end: Option<Pin<Box<Sleep>>>,
    spread: Duration,
    _metrics: ConnectionMetrics,
}

/// An event stream of these items.
pub(crate) fn response(state: &Arc<State>, items: BoxStream<'static, Item>) -> Response<Body> {
    let heartbeat = state.config.sse_heartbeat;
    let body = EventBody {
        items,
        pieces: sse::heartbeat().pieces().into(),
        is_over: false,
        heartbeat,
        timer: Box::pin(sleep(heartbeat)),
        draining: Box::pin(state.draining.clone().cancelled_owned()),
        end: None,
        spread: state.shutdown_delay(),
        _metrics: ConnectionMetrics::open(state.metrics.clone(), Transport::Sse),
    };
    let mut response = Response::new(Body::Events(Box::new(body)));
    for (name, value) in sse::HEADERS {
        let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
        response.headers_mut().insert(name, value);
    }
    response
}

/// An event stream that consists of a refusal.
pub(crate) fn refusal(state: &Arc<State>, errors: Vec<GraphQLError>) -> Response<Body> {
    response(state, futures_util::stream::iter([Item::Refused(errors)]).boxed())
}

impl EventBody {
    /// The next piece of the body.
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        loop {
            while let Some(piece) = self.pieces.pop() {
                if !piece.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            if self.poll_shutdown(cx).is_ready() {
                return Poll::Ready(Some(Err(Aborted)));
            }
            let message = ready!(self.poll_message(cx));
            self.pieces = message.pieces().into();
            self.pieces.reverse();
            self.timer.as_mut().reset(Instant::now() + self.heartbeat);
        }
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Message> {
        match Pin::new(&mut self.items).poll_next(cx) {
            Poll::Ready(Some(Item::Result(payload) | Item::Single(payload))) => {
                Poll::Ready(sse::next(payload.bytes))
            }
            Poll::Ready(Some(Item::Refused(errors) | Item::Ended(errors))) => {
                Poll::Ready(sse::next_errors(GraphQLError::array_json(&errors)))
            }
            Poll::Ready(None) => {
                self.is_over = true;
                Poll::Ready(sse::complete())
            }
            Poll::Pending => self.timer.as_mut().poll(cx).map(|()| sse::heartbeat()),
        }
    }

    /// Ready when the stream is to be cut off. It is not completed: clients would not come back.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.end.is_none() {
            ready!(self.draining.as_mut().poll(cx));
        }
        let spread = self.spread;
        self.end.get_or_insert_with(|| Box::pin(sleep(spread))).as_mut().poll(cx)
    }
}
