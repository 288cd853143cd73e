//! Clients that join, leave and die, and a service that breaks, at random: at every quiet point the
//! operations at the service are the distinct operations that clients have, and nobody ever gets what
//! is another's.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use artesian_remote::{
    CircuitState, End, Event, Subscription, Transport, Upstream, config::Method,
};
use futures_util::{FutureExt, StreamExt};
use proptest::prelude::*;

use crate::support::{
    Service, cases, config, credentials,
    server::{Live, Order, Server, result},
    subscription,
};

#[derive(Clone, Debug)]
enum Step {
    Join {
        token: u8,
        query: u8,
        detached: bool,
    },
    Leave(usize),
    Emit(u8),
    Complete(u8),
    Error(u8),
    Junk(usize, u8),
    Break(usize),
    Close(usize, u16),
    BreakAll,
    Down,
    Up,
    /// A while passes, a short one, so that the next step comes in the middle of something.
    Wait(u16),
    Quiet,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_u8..3, 0_u8..3, any::<bool>())
            .prop_map(|(token, query, detached)| Step::Join { token, query, detached }),
        4 => any::<usize>().prop_map(Step::Leave),
        4 => (0_u8..3).prop_map(Step::Emit),
        1 => (0_u8..3).prop_map(Step::Complete),
        1 => (0_u8..3).prop_map(Step::Error),
        2 => (any::<usize>(), 0_u8..8).prop_map(|(at, kind)| Step::Junk(at, kind)),
        2 => any::<usize>().prop_map(Step::Break),
        1 => (any::<usize>(), prop::sample::select(vec![1000_u16, 1001, 1011, 1012, 4403, 4500]))
            .prop_map(|(at, code)| Step::Close(at, code)),
        1 => Just(Step::BreakAll),
        1 => Just(Step::Down),
        2 => Just(Step::Up),
        3 => (0_u16..3000).prop_map(Step::Wait),
        3 => Just(Step::Quiet),
    ];
    prop::collection::vec(step, 1..60)
}

fn token(n: u8) -> String {
    format!("token{n}")
}

fn query(n: u8) -> String {
    format!("subscription {{ q{n} }}")
}

const JUNK: [&str; 8] = [
    "<html>",
    "{\"type\":\"next\",\"id\":\"9999\",\"payload\":{\"data\":{\"secret\":1}}}",
    "{\"type\":\"connection_ack\"}",
    "{\"type\":\"complete\",\"id\":\"0\"}",
    "{\"type\":\"error\",\"id\":\"9999\",\"payload\":[]}",
    "{\"id\":",
    "[]",
    "{\"type\":\"ka\"}",
];

struct Client {
    live: Live,
    subscription: Option<Subscription>,
    /// Results that came, and that were sent while all was quiet.
    got: Vec<u64>,
    end: Option<End>,
    /// Something has happened that may end it.
    may_end: bool,
    /// Broken connections since it joined. One that was never established is given up after three.
    breaks: usize,
}

impl Client {
    /// Reads what is there.
    fn read(&mut self) {
        let Some(subscription) = &mut self.subscription else { return };
        while let Some(event) = subscription.next().now_or_never() {
            match event {
                Some(Event::Next(payload)) => {
                    let text = std::str::from_utf8(&payload).unwrap();
                    let n = serde_json::from_str::<serde_json::Value>(text).unwrap();
                    let n = n["data"]["n"].as_u64().expect("a result of ours");
                    assert_eq!(text, result(&self.live, n), "nobody gets what is another's");
                    assert!(self.got.last().is_none_or(|last| *last < n), "in order, and once");
                    self.got.push(n);
                }
                Some(Event::Resumed) => {}
                Some(Event::End(end)) => {
                    assert!(self.may_end || self.breaks >= 3, "no reason to end: {end:?}");
                    assert_eq!(self.end.replace(end), None, "one end");
                }
                None => {
                    assert!(self.end.is_some(), "nothing ends without an end");
                    self.subscription = None;
                    return;
                }
            }
            assert!(self.end.is_none() || subscription.next().now_or_never() == Some(None));
        }
    }
}

struct World {
    service: Arc<Service>,
    server: Server,
    upstream: Upstream,
    clients: Vec<Client>,
    is_up: bool,
    serial: u64,
}

impl World {
    fn new(spoken: Transport, configured: Transport) -> Self {
        let service = Arc::new(Service::new());
        let server = Server::start(&service, spoken);
        let upstream = service.client(config(configured));
        Self { service, server, upstream, clients: Vec::new(), is_up: true, serial: 0 }
    }

    /// Something happens to those who ask this, or to all.
    fn may_end(&mut self, query: Option<&str>) {
        for client in &mut self.clients {
            client.may_end |= query.is_none_or(|query| client.live.query == query);
        }
    }

    async fn step(&mut self, step: Step) {
        // Who joins later has nothing to do with it.
        let passes = matches!(step, Step::Complete(_) | Step::Error(_) | Step::Close(..));
        if let Step::Break(_) | Step::BreakAll | Step::Close(..) = step {
            self.clients.iter_mut().for_each(|client| client.breaks += 1);
        }
        match step {
            Step::Join { token: of, query: text, detached } => {
                let live = Live { token: token(of), query: query(text) };
                let subscribed =
                    self.upstream.subscribe(subscription(&live.query), credentials(&live.token));
                let mut subscription = Some(subscribed.unwrap());
                if detached {
                    // A client that dies before anything could come of it.
                    subscription = None;
                }
                if subscription.is_some() {
                    self.clients.push(Client {
                        live,
                        subscription,
                        got: Vec::new(),
                        end: None,
                        may_end: !self.is_up
                            || self.upstream.stats().circuit != CircuitState::Closed,
                        breaks: 0,
                    });
                }
            }
            Step::Leave(n) if !self.clients.is_empty() => {
                self.clients.swap_remove(n % self.clients.len());
            }
            Step::Emit(text) => {
                self.serial += 1;
                self.server.emit(&query(text), self.serial);
            }
            Step::Complete(text) => {
                let text = query(text);
                self.may_end(Some(&text));
                self.server.each(|live| live.query == text, |id, _| Order::Complete(id));
            }
            Step::Error(text) => {
                let text = query(text);
                self.may_end(Some(&text));
                self.server.each(|live| live.query == text, |id, _| Order::Error(id));
            }
            Step::Junk(at, kind) => {
                self.server.tell(at, Order::Junk(JUNK[usize::from(kind)].to_owned()));
            }
            Step::Break(at) => self.server.tell(at, Order::Break),
            Step::Close(at, code) => {
                if matches!(code, 1011 | 4403 | 4500) {
                    self.may_end(None);
                }
                self.server.tell(at, Order::Close(code));
            }
            Step::BreakAll => self.server.tell_all(&Order::Break),
            Step::Down => {
                self.is_up = false;
                self.may_end(None);
                self.service.set_up(false);
                self.server.tell_all(&Order::Break);
            }
            Step::Up => {
                self.is_up = true;
                self.service.set_up(true);
            }
            Step::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms.into())).await,
            Step::Quiet => self.quiet().await,
            Step::Leave(_) => {}
        }
        if passes {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn quiet(&mut self) {
        if !self.is_up {
            // Nothing is there to be counted; clients may give up.
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(self.server.live(), []);
            return;
        }
        // Longer than any pause between attempts, and any time that the circuit is open.
        tokio::time::sleep(Duration::from_secs(90)).await;
        for client in &mut self.clients {
            client.read();
        }
        let alive = || self.clients.iter().filter(|client| client.end.is_none());
        let distinct: BTreeSet<Live> = alive().map(|client| client.live.clone()).collect();
        let distinct: Vec<Live> = distinct.into_iter().collect();
        assert_eq!(self.server.live(), distinct, "operations at the service");
        let stats = self.upstream.stats();
        assert_eq!(stats.subscriptions, distinct.len());
        let tokens: BTreeSet<&str> = distinct.iter().map(|live| live.token.as_str()).collect();
        if stats.sockets > 0 {
            assert_eq!(stats.sockets, tokens.len(), "idle sockets are closed, equal ones shared");
        }
        // Now everybody gets everything.
        for text in 0..3 {
            self.serial += 1;
            self.server.emit(&query(text), self.serial);
            tokio::time::sleep(Duration::from_millis(1)).await;
            for client in self.clients.iter_mut().filter(|client| client.end.is_none()) {
                client.read();
                if client.live.query == query(text) {
                    assert_eq!(client.got.last(), Some(&self.serial), "everybody gets everything");
                }
            }
        }
    }

    /// All leave: nothing is left.
    async fn end(mut self) {
        self.step(Step::Up).await;
        self.quiet().await;
        self.clients.clear();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(self.server.live(), []);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let stats = self.upstream.stats();
        assert_eq!((stats.sockets, stats.streams, stats.subscriptions), (0, 0, 0));
        assert_eq!(stats.too_slow, 0);
    }
}

fn run(transport: Transport, steps: Vec<Step>) {
    run_as(transport, transport, steps);
}

fn run_as(spoken: Transport, configured: Transport, steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::new(spoken, configured);
        for step in steps {
            world.step(step).await;
        }
        world.end().await;
    });
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn over_transport_ws(steps in steps()) {
        run(Transport::TransportWs, steps);
    }

    #[test]
    fn over_legacy_ws(steps in steps()) {
        run(Transport::LegacyWs, steps);
    }

    #[test]
    fn over_event_streams(steps in steps()) {
        run(Transport::Sse(Method::Post), steps);
    }

    #[test]
    fn over_multipart(steps in steps()) {
        run(Transport::Multipart, steps);
    }

    #[test]
    fn over_what_is_found_out(
        spoken in prop::sample::select(vec![
            Transport::TransportWs,
            Transport::LegacyWs,
            Transport::Sse(Method::Post),
            Transport::Multipart,
        ]),
        steps in steps(),
    ) {
        run_as(spoken, Transport::Auto, steps);
    }
}
