//! Scripted services and what the tests ask of them.

pub mod answers;
pub mod peer;
pub mod server;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use artesian_remote::{
    Credentials, End, Event, Kind, Operation, Subscription, Transport, Upstream, UpstreamConfig,
    dial::{Dial, Target, Wire},
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use http::{HeaderName, HeaderValue};
use tokio::{
    io::DuplexStream,
    sync::{
        Mutex,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
};

use peer::Peer;

/// A network in memory with one service.
pub struct Memory {
    sender: UnboundedSender<DuplexStream>,
    pub is_up: AtomicBool,
    pub dialled: AtomicUsize,
    /// Bytes that a connection takes without anybody reading them.
    pub buffer: usize,
}

impl Dial for Memory {
    fn dial(&self, _: Target) -> BoxFuture<'static, io::Result<Wire>> {
        self.dialled.fetch_add(1, Ordering::SeqCst);
        let (ours, theirs) = tokio::io::duplex(self.buffer);
        let is_up = self.is_up.load(Ordering::SeqCst) && self.sender.send(theirs).is_ok();
        async move {
            if !is_up {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            Ok(Wire { io: Box::new(ours), is_http2: false })
        }
        .boxed()
    }
}

/// A service that a test plays by hand.
pub struct Service {
    pub memory: Arc<Memory>,
    accepted: Mutex<UnboundedReceiver<DuplexStream>>,
}

impl Service {
    pub fn new() -> Self {
        Self::with_buffer(64 << 10)
    }

    pub fn with_buffer(buffer: usize) -> Self {
        let (sender, accepted) = unbounded_channel();
        let is_up = AtomicBool::new(true);
        let memory = Arc::new(Memory { sender, is_up, dialled: AtomicUsize::new(0), buffer });
        Self { memory, accepted: Mutex::new(accepted) }
    }

    /// The client of this service.
    pub fn client(&self, config: UpstreamConfig) -> Upstream {
        Upstream::new(config, Arc::<Memory>::clone(&self.memory))
    }

    /// The next connection.
    pub async fn accept(&self) -> Peer {
        Peer::new(self.accepted.lock().await.recv().await.expect("the network is there"))
    }

    /// The next connection if there is one already.
    pub async fn accept_now(&self) -> Option<Peer> {
        self.accepted.lock().await.try_recv().ok().map(Peer::new)
    }

    pub fn dialled(&self) -> usize {
        self.memory.dialled.load(Ordering::SeqCst)
    }

    pub fn set_up(&self, is_up: bool) {
        self.memory.is_up.store(is_up, Ordering::SeqCst);
    }
}

pub fn config(transport: Transport) -> UpstreamConfig {
    let url = "http://service.test/graphql?key=1".parse().unwrap();
    UpstreamConfig { transport, ..UpstreamConfig::new(url) }
}

pub fn query(text: &str) -> Operation {
    Operation::new(Kind::Query, text)
}

pub fn mutation(text: &str) -> Operation {
    Operation::new(Kind::Mutation, text)
}

pub fn subscription(text: &str) -> Operation {
    Operation::new(Kind::Subscription, text)
}

/// A client with a token, in a header and in the payload of `connection_init`.
pub fn credentials(token: &str) -> Credentials {
    let header = HeaderName::from_static("authorization");
    Credentials::new([(header, HeaderValue::try_from(token).unwrap())])
        .with_init_payload(Bytes::from(format!("{{\"token\":\"{token}\"}}")))
        .unwrap()
}

pub fn next(text: &str) -> Event {
    Event::Next(Bytes::copy_from_slice(text.as_bytes()))
}

pub const COMPLETE: Event = Event::End(End::Complete);

/// The next event, which must come within five minutes of the test's time.
pub async fn event(subscription: &mut Subscription) -> Event {
    let next = tokio::time::timeout(Duration::from_secs(300), subscription.next());
    next.await.expect("an event within five minutes").expect("an event before the end")
}

/// The end of a subscription that has no further results; checks that nothing follows it.
pub async fn end(subscription: &mut Subscription) -> End {
    let end = match event(subscription).await {
        Event::End(end) => end,
        other => panic!("not the end: {other:?}"),
    };
    assert_eq!(subscription.next().await, None, "nothing follows the end");
    end
}

/// Lets everything happen that can happen without time passing.
pub async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Waits until something holds; with real time for at most 20 s.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("never: {what}");
}

/// As many cases as `PROPTEST_CASES` says, or else this many.
pub fn cases(usual: u32) -> proptest::test_runner::Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    proptest::test_runner::Config::with_cases(asked.unwrap_or(usual))
}
