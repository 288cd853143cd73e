//! Bodies that are streams of messages: what all formats have in common.
//!
//! Nothing is computed before hyper asks for more, and it asks only while its own buffer has room, so
//! a slow client gets the latest result when it is ready for one.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use artesian_auth::Authenticated;
use artesian_engine::GraphQLError;
use artesian_protocol::{Message, http::StreamMedia};
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use http::{HeaderName, HeaderValue, Response, request::Parts};
use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    body::{Aborted, Body},
    multipart, sse,
};
use crate::{
    metrics::{ConnectionMetrics, Transport},
    run::Item,
    server::State,
    sockets::Entry,
};

/// Where the messages of a body come from, encoded.
pub(crate) trait Source: Send {
    /// The next message; `None` is the proper end of the body.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>>;

    /// What shows that the connection is alive, if anything may be sent now.
    fn heartbeat(&self) -> Option<Message>;

    /// How many operations it carries.
    fn operations(&self) -> usize {
        1
    }
}

/// A body that consists of messages.
pub(crate) struct StreamBody {
    source: Box<dyn Source>,
    /// Pieces of a message that are still to be handed out, in reverse order.
    pieces: Vec<Bytes>,
    is_over: bool,
    heartbeat: Duration,
    timer: Pin<Box<Sleep>>,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Once the server stops: when this stream is cut off.
    end: Option<Pin<Box<Sleep>>>,
    spread: Duration,
    /// None if it is a refusal.
    entry: Option<Entry>,
    _metrics: ConnectionMetrics,
}

/// The transport by which a stream of this type is counted.
pub(crate) fn transport(media: StreamMedia) -> Transport {
    match media {
        StreamMedia::EventStream => Transport::Sse,
        StreamMedia::Multipart => Transport::Multipart,
    }
}

/// Lists a stream of this client's among those that are open.
pub(crate) fn entry(
    state: &Arc<State>,
    media: StreamMedia,
    parts: &Parts,
    client: &Authenticated,
) -> Entry {
    let address = state.limits.address(&parts.extensions, &parts.headers);
    let entry = state.sockets.open(transport(media), address);
    entry.identified(&client.identity, client.proof.get(), client.expires);
    entry
}

/// A response with the results of one operation.
pub(crate) fn response(
    state: &Arc<State>,
    media: StreamMedia,
    items: BoxStream<'static, Item>,
    entry: Option<Entry>,
) -> Response<Body> {
    let source: Box<dyn Source> = match media {
        StreamMedia::EventStream => Box::new(sse::Events::new(items)),
        StreamMedia::Multipart => Box::new(multipart::Parts::new(items)),
    };
    respond(state, media, source, entry)
}

/// A response that consists of a refusal.
pub(crate) fn refusal(
    state: &Arc<State>,
    media: StreamMedia,
    errors: Vec<GraphQLError>,
) -> Response<Body> {
    let items = futures_util::stream::iter([Item::Refused(errors)]).boxed();
    response(state, media, items, None)
}

/// A response with what this source gives.
pub(crate) fn respond(
    state: &Arc<State>,
    media: StreamMedia,
    source: Box<dyn Source>,
    entry: Option<Entry>,
) -> Response<Body> {
    let (headers, heartbeat) = match media {
        StreamMedia::EventStream => (artesian_protocol::sse::HEADERS, state.config.sse_heartbeat),
        StreamMedia::Multipart => {
            (artesian_protocol::multipart::HEADERS, state.config.multipart_heartbeat)
        }
    };
    let body = StreamBody {
        source,
        pieces: Vec::new(),
        is_over: false,
        heartbeat,
        timer: Box::pin(sleep(heartbeat)),
        draining: Box::pin(state.draining.clone().cancelled_owned()),
        end: None,
        spread: state.shutdown_delay(),
        entry,
        _metrics: ConnectionMetrics::open(state.metrics.clone(), transport(media)),
    };
    let mut response = Response::new(Body::Stream(Box::new(body)));
    for (name, value) in headers {
        let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
        response.headers_mut().insert(name, value);
    }
    response
}

impl StreamBody {
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
            if self.poll_closing(cx).is_ready() || self.poll_shutdown(cx).is_ready() {
                return Poll::Ready(Some(Err(Aborted)));
            }
            match ready!(self.poll_message(cx)) {
                Some(message) => {
                    self.pieces = message.pieces().into();
                    self.pieces.reverse();
                    self.timer.as_mut().reset(Instant::now() + self.heartbeat);
                }
                None => self.is_over = true,
            }
        }
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        loop {
            if let Poll::Ready(message) = self.source.poll_message(cx) {
                return Poll::Ready(message);
            }
            ready!(self.timer.as_mut().poll(cx));
            if let Some(message) = self.source.heartbeat() {
                return Poll::Ready(Some(message));
            }
            self.timer.as_mut().reset(Instant::now() + self.heartbeat);
        }
    }

    /// Ready when somebody else wants it to be cut off. Clients may come back, and are asked then who
    /// they are.
    fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(entry) = &mut self.entry else { return Poll::Pending };
        entry.update(self.source.operations(), 0);
        entry.poll_closing(cx).map(drop)
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
