//! A service that answers queries from a table, until it is told to do something else.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{Service, peer::Peer};

/// What the service does with queries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Answers `{"data":{"token":…,"query":…,"n":…}}`.
    #[default]
    Answer,
    /// Answers this.
    Say { status: u16, head: &'static str, body: &'static str },
    /// Ends the connection.
    Break,
    /// Never answers.
    Silence,
}

#[derive(Default)]
struct State {
    mode: Mode,
    /// The present value, by query.
    values: BTreeMap<String, u64>,
    /// Requests by token and query: how many there were, and how many run.
    asked: BTreeMap<(String, String), (usize, usize)>,
    /// Most requests of one token and query that ran at the same time.
    most: usize,
    delay: Duration,
    serial: u64,
}

/// The service.
#[derive(Clone, Default)]
pub struct Answers(Arc<Mutex<State>>);

impl Answers {
    /// Serves every connection of `service` from now on.
    pub fn start(service: &Arc<Service>) -> Self {
        let answers = Self::default();
        let (this, service) = (answers.clone(), Arc::clone(service));
        tokio::spawn(async move {
            loop {
                let peer = service.accept().await;
                let this = this.clone();
                tokio::spawn(async move { this.serve(peer).await });
            }
        });
        answers
    }

    pub fn set(&self, query: &str, n: u64) {
        self.0.lock().values.insert(query.to_owned(), n);
    }

    pub fn value(&self, query: &str) -> u64 {
        self.0.lock().values.get(query).copied().unwrap_or_default()
    }

    pub fn mode(&self, mode: Mode) {
        self.0.lock().mode = mode;
    }

    /// How long every answer takes.
    pub fn delay(&self, delay: Duration) {
        self.0.lock().delay = delay;
    }

    /// How often this was asked for.
    pub fn asked(&self, token: &str, query: &str) -> usize {
        let key = (token.to_owned(), query.to_owned());
        self.0.lock().asked.get(&key).map_or(0, |(count, _)| *count)
    }

    /// How often anything was.
    pub fn asked_at_all(&self) -> usize {
        self.0.lock().asked.values().map(|(count, _)| count).sum()
    }

    /// How many requests run.
    pub fn running(&self) -> usize {
        self.0.lock().asked.values().map(|(_, running)| running).sum()
    }

    /// Most requests of one token and query that ran at the same time.
    pub fn most(&self) -> usize {
        self.0.lock().most
    }

    async fn serve(&self, mut peer: Peer) {
        while let Some(head) = peer.try_request().await {
            let token = head.all("authorization").join(",");
            let query = head.json()["query"].as_str().unwrap().to_owned();
            let mut running = Some(Running::enter(self, (token.clone(), query.clone())));
            let (mode, delay) = {
                let state = self.0.lock();
                (state.mode.clone(), state.delay)
            };
            if !delay.is_zero() {
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    () = peer.gone() => return,
                }
            }
            // What holds when it is answered.
            let n = self.value(&query);
            self.0.lock().serial += 1;
            let serial = self.0.lock().serial;
            if mode != Mode::Silence {
                running = None;
            }
            match mode {
                Mode::Answer => {
                    let data = result(&token, &query, n);
                    // Differs every time.
                    let body = format!("{{\"data\":{data},\"extensions\":{{\"id\":{serial}}}}}");
                    peer.respond(200, "application/json", body).await;
                }
                Mode::Say { status, head, body } => {
                    let length = body.len();
                    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{head}");
                    peer.send(format!("{head}\r\n{body}")).await;
                }
                Mode::Break => return,
                Mode::Silence => {
                    peer.gone().await;
                    return drop(running);
                }
            }
        }
    }
}

/// The `data` of an answer.
pub fn result(token: &str, query: &str, n: u64) -> String {
    format!("{{\"token\":\"{token}\",\"query\":\"{query}\",\"n\":{n}}}")
}

/// A request that runs.
struct Running {
    answers: Answers,
    key: (String, String),
}

impl Running {
    fn enter(answers: &Answers, key: (String, String)) -> Self {
        let mut state = answers.0.lock();
        let state = &mut *state;
        let (count, running) = state.asked.entry(key.clone()).or_default();
        *count += 1;
        *running += 1;
        state.most = state.most.max(*running);
        Self { answers: answers.clone(), key }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some((_, running)) = self.answers.0.lock().asked.get_mut(&self.key) {
            *running -= 1;
        }
    }
}
