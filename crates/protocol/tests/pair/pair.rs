//! Two joined endpoints and a clock that jumps from event to event.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use artesian_protocol::session::AuthenticateKind;
use artesian_protocol::session::client::{ClientConfig, ClientOutput, ClientSession};
use artesian_protocol::{OperationKey, Output, Session, SessionConfig, Subprotocol};
use bytes::Bytes;
use serde_json::Value;

use crate::link::{Link, Packet};
use crate::records::{ClientEnd, Records, ServerEnd as End};
use crate::script::{Answer, Case, ServerEnd, Side, Step};
use crate::timers::{Intervals, Timers};

/// Small enough to be reached.
const SERVER_OPERATIONS: usize = 5;
const CLIENT_OPERATIONS: usize = 7;
const CLIENT_WAITING_BYTES: usize = 400;
const SERVER_WAITING_BYTES: usize = 600;

/// No case comes near it, unless something goes round in circles.
const MOST_EVENTS: usize = 20_000;

enum Scheduled {
    Step(Step),
    Answer(OperationKey, Answer),
    Authenticated(bool),
    Told(Side),
    Unpause(Side),
}

/// What is common to both endpoints.
struct Endpoint {
    timers: Timers,
    /// How many pauses last.
    pauses: usize,
    /// Its session gave its close output, or was told that the connection is gone.
    gone: bool,
}

pub struct Pair {
    case: Case,
    zero: Instant,
    now: u64,
    events: usize,
    sequence: u64,
    agenda: BTreeMap<(u64, u64), Scheduled>,
    client: ClientSession,
    server: Session,
    client_end: Endpoint,
    server_end: Endpoint,
    to_client: Link,
    to_server: Link,
    authentications: usize,
    /// The driver was asked and has not answered.
    authenticating: bool,
    acknowledged: bool,
    /// The number of the last fresh credentials.
    credentials: u64,
    /// Those of the identity that holds at the server, and those that are being checked.
    identity: u64,
    pending_identity: u64,
    /// Operations were alive when the driver closed.
    closed_with_live: bool,
    records: Records,
}

impl Pair {
    /// Runs a case to its end and checks everything on the way.
    pub fn run(case: Case) {
        let mut pair = Self::new(case);
        let mut at = 0;
        for (wait, step) in std::mem::take(&mut pair.case.steps) {
            at += wait;
            pair.schedule(at, Scheduled::Step(step));
        }
        pair.drain();
        pair.run_until(at);
        pair.settle();
        let end = pair.case.end.clone();
        pair.step(end);
        // A cut that no one is told of takes a ping and its deadline; an authentication may come in
        // between.
        pair.run_until(pair.now + 600_000);
        pair.quiescent();
    }

    fn new(case: Case) -> Self {
        let zero = Instant::now();
        let ms = Duration::from_millis;
        let ping = case.pings.then_some(15_000);
        let server = SessionConfig {
            max_operations: SERVER_OPERATIONS,
            pre_ack_queue_bytes: SERVER_WAITING_BYTES,
            ping_interval: ping.map(ms),
            ..SessionConfig::default()
        };
        let client = ClientConfig {
            max_operations: CLIENT_OPERATIONS,
            max_waiting_bytes: CLIENT_WAITING_BYTES,
            ping_interval: ping.map(ms),
            ..ClientConfig::default()
        };
        let endpoint = |keep_alive| Endpoint {
            timers: Timers::new(
                0,
                Intervals { setup: 10_000, ping, pong: 30_000, keep_alive: Some(keep_alive) },
            ),
            pauses: 0,
            gone: false,
        };
        Self {
            client: ClientSession::new(case.protocol, client, None, zero),
            server: Session::new(case.protocol, server, zero),
            client_end: endpoint(60_000),
            server_end: endpoint(15_000),
            records: Records::new(case.protocol),
            case,
            zero,
            now: 0,
            events: 0,
            sequence: 0,
            agenda: BTreeMap::new(),
            to_client: Link::default(),
            to_server: Link::default(),
            authentications: 0,
            authenticating: false,
            acknowledged: false,
            credentials: 0,
            identity: 0,
            pending_identity: 0,
            closed_with_live: false,
        }
    }

    fn legacy(&self) -> bool {
        self.case.protocol == Subprotocol::Legacy
    }

    fn instant(&self) -> Instant {
        self.zero + Duration::from_millis(self.now)
    }

    fn schedule(&mut self, at: u64, what: Scheduled) {
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), what);
    }

    // --- the clock ---

    fn run_until(&mut self, end: u64) {
        loop {
            let ms = |at: Instant| at.duration_since(self.zero).as_millis() as u64;
            let late = |at: Instant| ms(at) + self.case.lateness;
            let times = [
                self.agenda.first_key_value().map(|((at, _), _)| *at),
                self.to_client.next(),
                self.to_server.next(),
                self.client.next_timeout().map(late),
                self.server.next_timeout().map(late),
            ];
            let Some((at, which)) =
                times.iter().zip(0..).filter_map(|(at, i)| Some(((*at)?, i))).min()
            else {
                break;
            };
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            self.events += 1;
            assert!(self.events < MOST_EVENTS, "it goes round in circles");
            match which {
                0 => self.scheduled(),
                1 => self.arrives_at_client(),
                2 => self.arrives_at_server(),
                3 => self.client_timeout(),
                _ => self.server_timeout(),
            }
            self.drain();
        }
        self.now = self.now.max(end);
    }

    fn scheduled(&mut self) {
        let Some((_, what)) = self.agenda.pop_first() else {
            return;
        };
        match what {
            Scheduled::Step(step) => self.step(step),
            Scheduled::Answer(key, answer) => self.answer(key, answer),
            Scheduled::Authenticated(accepted) => {
                self.authenticating = false;
                let result = if accepted { Ok(None) } else { Err("no".to_owned()) };
                self.server.authenticated(self.instant(), result);
                if accepted {
                    self.identity = self.pending_identity;
                }
                if self.server.is_acknowledged() && !std::mem::replace(&mut self.acknowledged, true)
                {
                    self.server_end.timers.acknowledged(self.now);
                    if self.legacy() {
                        self.server_end.timers.arm_keep_alive(self.now);
                    }
                }
            }
            Scheduled::Told(Side::Client) => {
                self.client_end.gone |= !self.client.is_closed();
                self.client.connection_lost(None, "");
            }
            Scheduled::Told(Side::Server) => {
                self.server_end.gone |= !self.server.is_closed();
                self.server.connection_lost();
            }
            Scheduled::Unpause(side) => self.endpoint(side).pauses -= 1,
        }
    }

    fn client_timeout(&mut self) {
        let must_end = self.client_end.timers.expire(self.now, false);
        self.client.handle_timeout(self.instant());
        assert_eq!(self.client.is_closed(), must_end, "client's timeouts");
    }

    fn server_timeout(&mut self) {
        let must_end = self.server_end.timers.expire(self.now, true);
        self.server.handle_timeout(self.instant());
        assert_eq!(self.server.is_closed(), must_end, "server's timeouts");
    }

    // --- what arrives ---

    fn arrives_at_client(&mut self) {
        let now = self.instant();
        let Some(packet) = self.to_client.receive() else {
            return;
        };
        if self.client.is_closed() {
            return;
        }
        let timers = &mut self.client_end.timers;
        timers.heard();
        match packet {
            Packet::Text(text) => {
                let kind = kind(&text);
                timers.message(self.now);
                if kind == "ka" {
                    timers.arm_keep_alive(self.now);
                } else if kind == "connection_ack" && !self.client.is_acknowledged() {
                    timers.setup_done();
                    timers.acknowledged(self.now);
                }
                self.client.handle_text(now, text);
            }
            Packet::Ping => {
                self.client.handle_activity(now);
                self.to_server.send(self.now, Packet::Pong);
            }
            Packet::Pong => self.client.handle_activity(now),
            Packet::Close(code, reason) => {
                self.client.connection_lost(code, &reason);
                self.client_end.gone = true;
            }
        }
    }

    fn arrives_at_server(&mut self) {
        let now = self.instant();
        let Some(packet) = self.to_server.receive() else {
            return;
        };
        if self.server.is_closed() {
            return;
        }
        self.server_end.timers.heard();
        match packet {
            Packet::Text(text) => {
                if kind(&text) == "connection_init" {
                    self.server_end.timers.setup_done();
                }
                self.server.handle_text(now, &text);
            }
            Packet::Ping => {
                self.server.handle_activity(now);
                self.to_client.send(self.now, Packet::Pong);
            }
            Packet::Pong => self.server.handle_activity(now),
            Packet::Close(..) => {
                self.server.connection_lost();
                self.server_end.gone = true;
            }
        }
    }

    // --- what drivers and the network do ---

    fn step(&mut self, step: Step) {
        match step {
            Step::Subscribe(plan) => self.subscribe(&plan, None),
            Step::Refresh(in_operation) => {
                self.credentials += 1;
                let fresh = format!(r#"{{"headers":{{"n":{}}}}}"#, self.credentials);
                if in_operation && !self.legacy() {
                    let plan = [(0, Answer::Result)];
                    self.subscribe(&plan, Some(serde_json::from_str(&fresh).unwrap()));
                } else {
                    self.client.refresh(Bytes::from(fresh));
                }
            }
            Step::Unsubscribe(which) => {
                let all = self.records.next_tag();
                if all > 0 {
                    self.unsubscribe(which % all);
                }
            }
            Step::Answer(which, answer) => {
                let keys: Vec<_> = self.records.iter().filter_map(|r| r.server_key).collect();
                if !keys.is_empty() {
                    self.answer(keys[which % keys.len()], answer);
                }
            }
            Step::Extra(Side::Client) => {
                let text: &[u8] = if self.legacy() {
                    br#"{"type":"connection_init"}"#
                } else {
                    br#"{"type":"ping","payload":{"x":1}}"#
                };
                // The driver writes nothing after a close frame.
                if !self.client_end.gone {
                    self.records.client_sends(self.now, &serde_json::from_slice(text).unwrap());
                    self.to_server.send(self.now, Packet::Text(Bytes::from_static(text)));
                }
            }
            Step::Extra(Side::Server) => {
                let text: &[u8] =
                    if self.legacy() { br#"{"type":"ka"}"# } else { br#"{"type":"ping"}"# };
                if !self.server_end.gone {
                    self.to_client.send(self.now, Packet::Text(Bytes::from_static(text)));
                }
            }
            Step::ClientClose => self.client.close(1000, "Normal Closure"),
            Step::ServerEnd(ServerEnd::Shutdown) => self.server.shutdown(),
            Step::ServerEnd(ServerEnd::Expire) => self.server.expire(),
            Step::ServerEnd(ServerEnd::Fail) => self.server.fail("broken"),
            Step::ServerEnd(ServerEnd::Close(code)) => {
                self.closed_with_live |= self.server.operation_count() > 0;
                self.server.close(code, "because");
            }
            Step::Delay(side, ms) => self.link(side).set_delay(ms),
            Step::Stall(side, ms) => {
                let until = self.now + ms;
                self.link(side).stall(until);
            }
            Step::Pause(side, ms) => {
                let until = self.now + ms;
                self.endpoint(side).pauses += 1;
                self.schedule(until, Scheduled::Unpause(side));
            }
            Step::Cut(keep, told) => {
                for (side, (keep, told)) in
                    [Side::Client, Side::Server].into_iter().zip(keep.into_iter().zip(told))
                {
                    self.link(side).cut(keep);
                    // Someone must find out.
                    let told = if self.case.pings { told } else { told.or(Some(1_000)) };
                    if let Some(ms) = told {
                        self.schedule(self.now + ms, Scheduled::Told(side));
                    }
                }
            }
        }
        self.drain();
    }

    /// The link that leads to this side.
    fn link(&mut self, to: Side) -> &mut Link {
        match to {
            Side::Client => &mut self.to_client,
            Side::Server => &mut self.to_server,
        }
    }

    fn subscribe(&mut self, plan: &[(u64, Answer)], credentials: Option<Value>) {
        let tag = self.records.next_tag();
        let plan: Vec<Value> =
            plan.iter().map(|(ms, answer)| serde_json::json!([ms, *answer as u8])).collect();
        let mut request =
            serde_json::json!({"query": tag.to_string(), "extensions": {"plan": plan}});
        if let Some(credentials) = credentials {
            request["extensions"]["connectionInit"] = credentials;
        }
        let request = request.to_string();
        let (live, length) = (self.client.operation_count(), request.len());
        match self.client.subscribe(Bytes::from(request)) {
            Ok(key) => {
                assert!(live < CLIENT_OPERATIONS && !self.client.is_closed());
                self.records.subscribed(key, length);
                assert!(
                    self.client.is_acknowledged()
                        || self.records.client_live_bytes() <= CLIENT_WAITING_BYTES
                );
            }
            Err(_) => {
                let waiting = !self.client.is_acknowledged();
                assert!(self.client.is_closed() || waiting || live == CLIENT_OPERATIONS);
            }
        }
    }

    fn unsubscribe(&mut self, tag: usize) {
        let record = self.records.get(tag);
        let (key, alive) = (record.client_key, record.client_end.is_none());
        let done = self.client.unsubscribe(self.instant(), key);
        if done {
            self.records.cancelled(self.now, key);
        }
        // Only what waits to be polled can be unknown to us.
        assert!(done == alive || self.paused(Side::Client), "unsubscribe gave {done}");
    }

    fn answer(&mut self, key: OperationKey, answer: Answer) {
        let tag = self.records.tag_of_server(key);
        let record = self.records.get(tag);
        let (alive, n) = (record.server_end.is_none(), record.sent);
        let result = Bytes::from(format!(r#"{{"data":{{"tag":{tag},"n":{n}}}}}"#));
        let errors = Bytes::from(format!(r#"[{{"message":"error of {tag}"}}]"#));
        let (done, end) = match answer {
            Answer::Next => (self.server.operation_next(key, result), None),
            Answer::Result => {
                (self.server.operation_result(key, result, false), Some(End::Complete))
            }
            Answer::Complete => (self.server.operation_complete(key), Some(End::Complete)),
            Answer::Error => (self.server.operation_error(key, errors), Some(End::Error)),
            Answer::Failed => (self.server.operation_failed(key, errors), Some(End::Failed)),
        };
        assert!(done == alive || (alive && self.paused(Side::Server)), "{answer:?} gave {done}");
        if done {
            if matches!(answer, Answer::Next | Answer::Result) {
                self.records.server_next(key);
            }
            if let Some(end) = end {
                self.records.server_ended(key, end);
            }
        }
    }

    // --- what sessions say ---

    fn endpoint(&mut self, side: Side) -> &mut Endpoint {
        match side {
            Side::Client => &mut self.client_end,
            Side::Server => &mut self.server_end,
        }
    }

    fn paused(&self, side: Side) -> bool {
        let endpoint = match side {
            Side::Client => &self.client_end,
            Side::Server => &self.server_end,
        };
        endpoint.pauses > 0
    }

    fn drain(&mut self) {
        if !self.paused(Side::Client) {
            let (mut polled, most) = (0, self.most_outputs());
            while let Some(output) = self.client.poll_output() {
                self.client_says(output);
                polled += 1;
                assert!(polled <= most, "the client's queue has no bound");
            }
        }
        if !self.paused(Side::Server) {
            let (mut polled, most) = (0, self.most_outputs());
            while let Some(output) = self.server.poll_output() {
                self.server_says(output);
                polled += 1;
                assert!(polled <= most, "the server's queue has no bound");
            }
        }
        self.check();
    }

    /// An event gives a few outputs and a few for each operation; a pause is a number of events.
    fn most_outputs(&self) -> usize {
        4 * (self.events + 1) + 4 * CLIENT_OPERATIONS
    }

    fn client_says(&mut self, output: ClientOutput) {
        assert!(!self.client_end.gone || !matches!(output, ClientOutput::Send(_)), "{output:?}");
        match output {
            ClientOutput::Send(message) => {
                let text = message.to_bytes();
                self.records.client_sends(self.now, &serde_json::from_slice(&text).unwrap());
                self.to_server.send(self.now, Packet::Text(text));
            }
            ClientOutput::WsPing => self.to_server.send(self.now, Packet::Ping),
            ClientOutput::Acknowledged { .. } => {}
            ClientOutput::Next { key, payload } => self.records.client_next(key, &payload),
            ClientOutput::Error { key, errors } => self.records.client_error(key, &errors),
            ClientOutput::Complete { key } => self.records.client_ended(key, ClientEnd::Complete),
            ClientOutput::Lost { key, .. } => {
                assert!(self.client.is_closed());
                self.records.client_ended(key, ClientEnd::Lost);
            }
            ClientOutput::Close { code, reason } => {
                assert!(!std::mem::replace(&mut self.client_end.gone, true), "closed twice");
                self.to_server.send(self.now, Packet::Close(Some(code), reason));
            }
        }
    }

    fn server_says(&mut self, output: Output) {
        assert!(!self.server_end.gone || matches!(output, Output::Stop { .. }), "{output:?}");
        match output {
            Output::Send(message) => {
                let text = message.to_bytes();
                self.records.server_sends(&serde_json::from_slice(&text).unwrap());
                self.to_client.send(self.now, Packet::Text(text));
            }
            Output::WsPing => self.to_client.send(self.now, Packet::Ping),
            Output::Authenticate { payload, kind } => {
                assert!(!std::mem::replace(&mut self.authenticating, true), "two questions");
                self.pending_identity = payload.as_ref().map_or(0, |raw| {
                    serde_json::from_str::<Value>(raw.get()).unwrap()["headers"]["n"]
                        .as_u64()
                        .unwrap()
                });
                assert_eq!(
                    kind,
                    match (self.acknowledged, self.legacy()) {
                        (false, _) => AuthenticateKind::First,
                        (true, true) => AuthenticateKind::Repeated,
                        (true, false) => AuthenticateKind::Refresh,
                    }
                );
                let plan = self.case.authentications.get(self.authentications).copied();
                self.authentications += 1;
                let (ms, accepted) = plan.unwrap_or((0, true));
                self.schedule(self.now + ms, Scheduled::Authenticated(accepted));
            }
            Output::Start { key, request, .. } => {
                assert!(self.acknowledged && !self.authenticating, "started without identity");
                let tag = request.query.unwrap().parse().unwrap();
                self.records.started(key, tag, self.identity);
                let mut at = self.now;
                let extensions = request.extensions.unwrap();
                assert_eq!(extensions.len(), 1, "credentials are no part of the request");
                for step in extensions["plan"].as_array().unwrap() {
                    at += step[0].as_u64().unwrap();
                    let answer = match step[1].as_u64().unwrap() {
                        0 => Answer::Next,
                        1 => Answer::Complete,
                        2 => Answer::Result,
                        3 => Answer::Error,
                        _ => Answer::Failed,
                    };
                    self.schedule(at, Scheduled::Answer(key, answer));
                }
            }
            Output::Stop { key } => self.records.server_ended(key, End::Stopped),
            Output::Close { code, reason } => {
                assert!(!std::mem::replace(&mut self.server_end.gone, true), "closed twice");
                assert!(code != Some(1000) || !self.closed_with_live, "1000 with live operations");
                self.to_client.send(self.now, Packet::Close(code, reason));
            }
        }
    }

    // --- what holds after every event ---

    fn check(&self) {
        let at = |at: Instant| at.duration_since(self.zero).as_millis() as u64;
        let of = |closed: bool, timers: &Timers| if closed { None } else { timers.next() };
        let client = of(self.client.is_closed(), &self.client_end.timers);
        assert_eq!(self.client.next_timeout().map(at), client, "client's timers");
        let server = of(self.server.is_closed(), &self.server_end.timers);
        assert_eq!(self.server.next_timeout().map(at), server, "server's timers");
        if !self.paused(Side::Client) {
            assert_eq!(self.client.operation_count(), self.records.client_live().len());
        }
        if !self.paused(Side::Server) {
            assert_eq!(self.server.operation_count(), self.records.server_live().len());
        }
        let calm = self.to_client.is_empty()
            && self.to_server.is_empty()
            && !self.to_client.is_broken()
            && !self.paused(Side::Client)
            && !self.paused(Side::Server)
            && self.client.is_acknowledged()
            && !self.server.is_closed()
            && !self.authenticating;
        if calm {
            assert_eq!(self.records.client_live(), self.records.server_live(), "they disagree");
            assert!(!self.records.owed_a_complete(), "`complete` must follow `stop`");
        }
    }

    /// The client gives up what is alive; when all has arrived, nothing is left on either side.
    fn settle(&mut self) {
        for tag in self.records.client_live() {
            self.unsubscribe(tag);
        }
        self.drain();
        // Longer than a pause and a delay together.
        self.run_until(self.now + 200_000);
        if !self.client.is_closed() && !self.server.is_closed() {
            assert_eq!((self.client.operation_count(), self.server.operation_count()), (0, 0));
        }
    }

    fn quiescent(&self) {
        assert!(self.agenda.is_empty() && self.to_client.is_empty() && self.to_server.is_empty());
        assert!(self.client.is_closed(), "the client hangs");
        assert!(self.server.is_closed(), "the server hangs");
        assert_eq!((self.client.next_timeout(), self.server.next_timeout()), (None, None));
        for record in self.records.iter() {
            assert!(record.client_end.is_some(), "no end at the client: {record:?}");
            let ended = record.server_key.is_none() || record.server_end.is_some();
            assert!(ended, "no end at the server: {record:?}");
        }
    }
}

fn kind(text: &[u8]) -> String {
    let value: Value = serde_json::from_slice(text).unwrap();
    value["type"].as_str().unwrap().to_owned()
}
