//! Event streams whose every event counts, in front of clients that read slowly.
//!
//! The results of a live query wait at their source, where newer ones replace older ones. Events must
//! not be replaced, and leaving them at their source would hold up whatever makes them. So a task
//! takes them as they come, and keeps those that the client has not read, up to a bound. Beyond it the
//! operation is ended with an error that says so: the client has every event up to there, and knows
//! that some are missing after it. There is never a silent gap.
//!
//! When the client becomes somebody else, what waits was made for the identity before: it is dropped,
//! and the operation ended with an error.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use artesian_engine::{ErrorCode, Event, GraphQLError, Identity, ResultStream};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::task::{AbortHandle, coop, yield_now};

use crate::limits::{Limit, Limits};

/// What a waiting event costs beside its bytes.
const OVERHEAD: usize = size_of::<Event>();

/// The client's side.
struct Buffered {
    shared: Arc<Shared>,
    /// Of the task, which locks it to ask for one event and lets it go at its end.
    source: Weak<Mutex<Box<dyn ResultStream>>>,
    task: AbortHandle,
}

struct Shared {
    buffer: Mutex<Buffer>,
    arrived: AtomicWaker,
}

#[derive(Default)]
struct Buffer {
    events: VecDeque<Event>,
    /// Cost of the events.
    bytes: usize,
    end: Option<End>,
}

/// Why nothing more comes.
#[derive(Clone, Copy)]
enum End {
    Completed,
    Overflow,
    Failed,
    OtherIdentity,
}

/// What became of an event.
enum Pushed {
    /// It waits, and all together cost so much.
    Waits(usize),
    /// There was no room.
    Overflow,
    /// The stream was ended meanwhile.
    Late,
}

/// The source's side. Its drop ends the stream, also if the source panics.
struct Feeder(Arc<Shared>);

/// The stream itself if newer results replace older ones, otherwise with a buffer in front of it.
pub(crate) fn buffered(
    limits: &Arc<Limits>,
    source: Box<dyn ResultStream>,
) -> Box<dyn ResultStream> {
    if source.conflates() || source.buffers() {
        return source;
    }
    let events = Arc::new(Mutex::new(source));
    let source = Arc::downgrade(&events);
    let shared = Arc::new(Shared { buffer: Mutex::default(), arrived: AtomicWaker::new() });
    let (feeder, limits) = (Feeder(shared.clone()), limits.clone());
    let most = limits.config.event_buffer_bytes;
    let task = tokio::spawn(async move {
        while let Some(event) = poll_fn(|cx| events.lock().poll_next(cx)).await {
            let bytes = match feeder.push(event, most) {
                Pushed::Waits(bytes) => bytes,
                Pushed::Overflow => {
                    limits.hit(Limit::EventBuffer);
                    return;
                }
                Pushed::Late => return,
            };
            // A source that always has more must not outrun a client that is only waiting for its
            // turn.
            if bytes > most / 2 {
                yield_now().await;
            } else {
                coop::consume_budget().await;
            }
        }
        feeder.end(End::Completed);
    });
    Box::new(Buffered { shared, source, task: task.abort_handle() })
}

impl Feeder {
    /// Adds an event. One finds room in an empty buffer however big it is.
    fn push(&self, event: Event, most: usize) -> Pushed {
        let mut buffer = self.0.buffer.lock();
        if buffer.end.is_some() {
            return Pushed::Late;
        }
        let bytes = buffer.bytes + cost(&event);
        if most > 0 && bytes > most && !buffer.events.is_empty() {
            drop(buffer);
            self.end(End::Overflow);
            return Pushed::Overflow;
        }
        buffer.bytes = bytes;
        buffer.events.push_back(event);
        drop(buffer);
        self.0.arrived.wake();
        Pushed::Waits(bytes)
    }

    fn end(&self, end: End) {
        self.0.buffer.lock().end.get_or_insert(end);
        self.0.arrived.wake();
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.end(End::Failed);
    }
}

fn cost(event: &Event) -> usize {
    let bytes = match event {
        Event::Result(payload) => payload.bytes.len(),
        Event::Error(error) => error.message.len(),
        Event::Ended(errors) => errors.iter().map(|error| error.message.len()).sum(),
    };
    bytes + OVERHEAD
}

impl Buffered {
    /// `None` if there is nothing yet.
    fn take(&self) -> Option<Option<Event>> {
        let mut buffer = self.shared.buffer.lock();
        if let Some(event) = buffer.events.pop_front() {
            buffer.bytes -= cost(&event);
            if buffer.events.is_empty() {
                buffer.events = VecDeque::new();
            }
            return Some(Some(event));
        }
        let end = buffer.end?;
        // The end is told once; after it there is nothing.
        buffer.end = Some(End::Completed);
        Some(match end {
            End::Completed => None,
            End::Overflow => Some(ended(
                ErrorCode::SlowConsumer,
                "events are missing from here on: the client does not read them fast enough",
            )),
            End::OtherIdentity => Some(Event::Ended(vec![identity_changed()])),
            End::Failed => Some(ended(ErrorCode::Unexpected, "the source of events failed")),
        })
    }
}

/// What the client hears of an operation that could not go on under its new identity.
pub(crate) fn identity_changed() -> GraphQLError {
    GraphQLError::new(ErrorCode::StartFailed, "the identity has changed: subscribe again")
}

fn ended(code: ErrorCode, message: &str) -> Event {
    Event::Ended(vec![GraphQLError::new(code, message)])
}

impl ResultStream for Buffered {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Some(event) = self.take() {
            return Poll::Ready(event);
        }
        self.shared.arrived.register(cx.waker());
        // What arrived in between has woken nobody.
        self.take().map_or(Poll::Pending, Poll::Ready)
    }

    fn conflates(&self) -> bool {
        false
    }

    fn change_identity(&mut self, identity: &Identity) -> bool {
        // Only the source knows whose events these are.
        if let Some(source) = self.source.upgrade()
            && !source.lock().change_identity(identity)
        {
            return false;
        }
        let mut buffer = self.shared.buffer.lock();
        // The task may be about to add an event that it has taken already; it finds the end.
        if buffer.end.is_none() || !buffer.events.is_empty() {
            let end = Some(End::OtherIdentity);
            *buffer = Buffer { end, ..Buffer::default() };
        }
        drop(buffer);
        self.task.abort();
        true
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use artesian_engine::Payload;
    use proptest::prelude::*;
    use tokio::sync::mpsc;

    use super::*;
    use crate::{LimitsConfig, Metrics};

    const BYTES: usize = 10_000;

    fn limits() -> Arc<Limits> {
        let config = LimitsConfig { event_buffer_bytes: BYTES, ..LimitsConfig::default() };
        Arc::new(Limits::new(config, Duration::from_secs(1), Arc::new(Metrics::new("test"))))
    }

    struct Source(mpsc::UnboundedReceiver<Option<Event>>);

    impl ResultStream for Source {
        fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
            self.0.poll_recv(cx).map(|received| match received {
                Some(event) => event,
                None => std::panic::panic_any("simulated"),
            })
        }

        fn conflates(&self) -> bool {
            false
        }
    }

    fn event(n: usize, length: usize) -> Event {
        Event::Result(Payload::data(format!("{n} {}", "x".repeat(length)).into()))
    }

    /// The number of an event; the code of an end.
    fn name(event: Option<Event>) -> String {
        match event {
            Some(Event::Result(payload)) => {
                let text = String::from_utf8_lossy(&payload.bytes).into_owned();
                text.split(' ').next().unwrap_or_default().to_owned()
            }
            Some(Event::Ended(errors)) => {
                errors.first().map(|e| format!("{:?}", e.extensions.code)).unwrap_or_default()
            }
            Some(Event::Error(error)) => error.message,
            None => "end".to_owned(),
        }
    }

    async fn settle() {
        for _ in 0..1000 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_slow_reader_gets_all_that_fit_and_then_the_coded_end() {
        let (send, receive) = mpsc::unbounded_channel();
        let mut stream = buffered(&limits(), Box::new(Source(receive)));
        for n in 0..100 {
            let _ = send.send(Some(event(n, 1000)));
        }
        settle().await;
        assert!(send.is_closed(), "the source is gone once nobody can follow it");
        let mut seen = Vec::new();
        loop {
            let name = name(stream.next().await);
            seen.push(name.clone());
            if name == "end" {
                break;
            }
        }
        let fits = BYTES / (1000 + OVERHEAD + 2);
        let mut expected: Vec<_> = (0..fits).map(|n| n.to_string()).collect();
        expected.extend(["SlowConsumer".to_owned(), "end".to_owned()]);
        assert_eq!(seen, expected);
    }

    #[tokio::test]
    async fn ends_and_panics_of_the_source_arrive() {
        let (send, receive) = mpsc::unbounded_channel();
        let mut stream = buffered(&limits(), Box::new(Source(receive)));
        let _ = (send.send(Some(event(1, 50_000))), send.send(None));
        assert_eq!(name(stream.next().await), "1");
        assert_eq!(name(stream.next().await), "end");
        let (send, receive) = mpsc::unbounded_channel();
        let mut stream = buffered(&limits(), Box::new(Source(receive)));
        let _ = send.send(Some(event(1, 1)));
        drop(send);
        assert_eq!(name(stream.next().await), "1");
        assert_eq!(name(stream.next().await), "Unexpected");
        assert_eq!(name(stream.next().await), "end");
    }

    #[tokio::test]
    async fn dropping_the_stream_drops_the_source() {
        let (send, receive) = mpsc::unbounded_channel();
        let stream = buffered(&limits(), Box::new(Source(receive)));
        settle().await;
        drop(stream);
        send.closed().await;
    }

    /// Its events are of an identity.
    struct Owned(Source, Identity);

    impl ResultStream for Owned {
        fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
            self.0.poll_next(cx)
        }

        fn conflates(&self) -> bool {
            false
        }

        fn change_identity(&mut self, identity: &Identity) -> bool {
            std::mem::replace(&mut self.1, identity.clone()) != *identity
        }
    }

    #[tokio::test]
    async fn what_waits_is_not_given_to_another_identity() {
        let other = Identity::new("other", Default::default());
        for end in [false, true] {
            let (send, receive) = mpsc::unbounded_channel();
            let owned = Owned(Source(receive), Identity::admin());
            let mut stream = buffered(&limits(), Box::new(owned));
            for n in 0..3 {
                let _ = send.send(Some(event(n, 10)));
            }
            settle().await;
            assert!(!stream.change_identity(&Identity::admin()));
            assert_eq!(name(stream.next().await), "0");
            if end {
                // Its end does not make what waits anybody else's.
                let _ = send.send(None);
                settle().await;
            }
            assert!(stream.change_identity(&other));
            assert_eq!(name(stream.next().await), "StartFailed");
            assert_eq!(name(stream.next().await), "end");
            send.closed().await;
        }
    }

    #[tokio::test]
    async fn an_end_that_is_everybodys_stays() {
        let other = Identity::new("other", Default::default());
        let (send, receive) = mpsc::unbounded_channel();
        let mut stream = buffered(&limits(), Box::new(Owned(Source(receive), Identity::admin())));
        let _ = (send.send(Some(event(0, 10))), send.send(None));
        assert_eq!(name(stream.next().await), "0");
        settle().await;
        stream.change_identity(&other);
        assert_eq!(name(stream.next().await), "end");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever the sizes and the pauses of the reader: a prefix of the events without a gap,
        /// then one end, and the buffer never holds more than its bound and one event.
        #[test]
        fn there_is_never_a_gap(
            steps in proptest::collection::vec((0usize..6000, 0usize..3), 1..60),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let seen = runtime.map(|runtime| runtime.block_on(async {
                let (send, receive) = mpsc::unbounded_channel();
                let mut stream = buffered(&limits(), Box::new(Source(receive)));
                let mut seen = Vec::new();
                let count = steps.len();
                for (n, (length, reads)) in steps.into_iter().enumerate() {
                    let _ = send.send(Some(event(n, length)));
                    settle().await;
                    for _ in 0..reads {
                        let next = std::pin::pin!(stream.next());
                        if let std::task::Poll::Ready(event) = futures_util::poll!(next) {
                            seen.push(name(event));
                        }
                    }
                }
                let _ = send.send(None);
                while seen.last().is_none_or(|last| last != "end") {
                    seen.push(name(stream.next().await));
                }
                (seen, count)
            }));
            let Ok((mut seen, count)) = seen else { unreachable!() };
            prop_assert!(seen.last().is_some_and(|last| last == "end"));
            seen.retain(|name| name != "end");
            let is_cut = seen.last().is_some_and(|last| last == "SlowConsumer");
            if is_cut {
                seen.pop();
            } else {
                prop_assert_eq!(seen.len(), count);
            }
            let expected: Vec<_> = (0..seen.len()).map(|n| n.to_string()).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}
