//! Clients that speak the WebSocket subprotocols.

mod model;
mod open;
mod parts;

use std::{sync::Arc, time::Duration};

use artesian_oracle::random::Random;
use async_trait::async_trait;
use http::{HeaderName, HeaderValue};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::{client_async, tungstenite::client::IntoClientRequest};

pub use self::parts::Protocol;
use self::{
    model::Model,
    open::{Open, fresh},
    parts::{Pending, Sign},
};
use crate::{
    common::{Client, Common, Rest},
    credentials::Headers,
    document::{Document, Run},
};

/// The id of an operation whose answer shows that what came before it was acted on.
const MARKER: &str = "marker";
/// Credentials that wait for an answer at a time.
const PENDING: usize = 3;

/// A client that opens one socket after the other.
pub struct Socket {
    common: Arc<Common>,
    random: Random,
    protocol: Protocol,
    open: Option<Open>,
}

impl Socket {
    /// A client that has not come yet.
    pub fn new(common: Arc<Common>, random: Random, protocol: Protocol) -> Self {
        Self { common, random, protocol, open: None }
    }

    async fn connect(&mut self) {
        let random = &mut self.random;
        let judge = &self.common.judge;
        let is_careless = random.one_in(4);
        let (upgrade, init) = match random.below(4) {
            _ if is_careless => (Headers::new(), judge.fleeting(random)),
            0 => (judge.any(random), Headers::new()),
            1 => (judge.any(random), judge.any(random)),
            _ => (Headers::new(), judge.any(random)),
        };
        let url = format!("ws://{}/graphql", self.common.address);
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(self.protocol.name()));
        for (name, value) in &upgrade {
            headers.insert(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        let stream = TcpStream::connect(self.common.address).await.unwrap();
        let stream = match client_async(request, stream).await {
            Ok((stream, _)) => stream,
            Err(error) => return self.common.report.fail(format!("no upgrade: {error}")),
        };
        let mut open = Open::new(&self.common, self.protocol, stream, upgrade, is_careless);
        // The old protocol lets operations come before anything else.
        for _ in 0..random.below(3) {
            if self.protocol == Protocol::Legacy {
                open.begin(random, false).await;
            }
        }
        open.init(random, &init).await;
        if self.protocol == Protocol::Modern || random.one_in(2) {
            let answer = |model: &mut Model| {
                (model.is_accepted() || model.is_closed || model.common.report.has_failed())
                    .then_some(())
            };
            if open.model.until(answer).await.is_none() {
                open.model.with(|model| model.fail("no answer to connection_init"));
            }
        }
        self.open = Some(open);
    }

    async fn refresh(&mut self) {
        let random = &mut self.random;
        let Some(open) = &mut self.open else { return };
        if open.model.with(|model| model.pending.len() >= PENDING) {
            return;
        }
        let judge = &self.common.judge;
        let headers = if random.one_in(30) { judge.bad(random) } else { judge.good(random) };
        match self.protocol {
            Protocol::Legacy => open.init(random, &headers).await,
            Protocol::Modern if random.one_in(2) => {
                let number = self.common.serial();
                open.promise(&headers, Sign::Pong(number));
                let mut payload = fresh(random, &headers);
                payload["n"] = number.into();
                open.send(json!({"type": "ping", "payload": payload})).await;
            }
            Protocol::Modern => {
                let Some(id) = open.id(random) else { return };
                let payload = fresh(random, &headers);
                open.promise(&headers, Sign::Operation);
                let document = Document::random(random, self.common.seq());
                let run = document.live(random);
                open.watch(id, document, run);
                open.start(id, document, run, Some(payload)).await;
            }
        }
    }

    async fn end(&mut self, is_polite: bool) {
        let Some(mut open) = self.open.take() else { return };
        if is_polite {
            open.close(&mut self.random).await;
            if open.model.until(|model| model.is_closed.then_some(())).await.is_none() {
                open.model.with(|model| model.fail("the closing handshake does not end"));
            }
        }
        open.kill().await;
    }
}

#[async_trait]
impl Client for Socket {
    async fn act(&mut self) {
        if self.open.as_ref().is_some_and(|open| open.model.with(|model| model.is_closed)) {
            self.end(false).await;
        }
        let Some(open) = &mut self.open else { return self.connect().await };
        let random = &mut self.random;
        match random.below(200) {
            115.. if open.is_careless => open.model.linger(random).await,
            0..=69 => open.begin(random, false).await,
            70..=94 => open.begin(random, true).await,
            95..=114 => open.stop(random).await,
            115..=137 => self.refresh().await,
            150 | 151 => self.end(false).await,
            152 | 153 => self.end(true).await,
            _ => open.model.linger(random).await,
        }
        tokio::time::sleep(Duration::from_millis(self.random.bits() % 8)).await;
    }

    async fn settle(&mut self, is_last: bool) {
        let Some(open) = &mut self.open else { return };
        let is_silent = |pending: &Pending| pending.sign == Sign::Operation;
        if open.model.with(|model| model.pending.iter().any(is_silent)) {
            // What should tell may have been stopped.
            open.watch(MARKER, Document::Count, Run::Once);
            open.start(MARKER, Document::Count, Run::Once, None).await;
        }
        let mut missing = String::new();
        let rest = |model: &mut Model| match model.rest(is_last) {
            Rest::Settled => Some(()),
            Rest::Missing(text) => {
                missing = text;
                None
            }
        };
        if open.model.until(rest).await.is_none() {
            open.model.with(|model| model.fail(&format!("still missing: {missing}")));
        }
    }

    async fn leave(&mut self) {
        let is_polite = !self.random.one_in(3);
        let is_closed =
            self.open.as_ref().is_some_and(|open| open.model.with(|model| model.is_closed));
        self.end(is_polite && !is_closed).await;
    }
}
