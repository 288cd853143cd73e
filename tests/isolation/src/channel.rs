//! Clients of event streams in single connection mode: one stream, operations in requests of their
//! own, each with credentials of its own.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use artesian_oracle::random::Random;
use async_trait::async_trait;
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    common::{Client, Common, Observed, Rest, is_over},
    credentials::Headers,
    document::{Document, Run},
    frames::{Format, Frame, Frames},
    judge::Grant,
    link::{Ask, JSON, Link, body},
    report::{Tally, Trace},
    watch::Watch,
    who::Who,
};

const PATH: &str = "/graphql/stream";
const TOKEN: &str = "x-graphql-event-stream-token";
/// Operations at a time.
const RUNNING: usize = 4;

/// A client with one stream after the other.
pub struct ChannelClient {
    common: Arc<Common>,
    random: Random,
    link: Link,
    open: Option<Open>,
}

struct Open {
    token: String,
    headers: Headers,
    who: Who,
    /// Ids are numbers, and so equal in all streams; none is used twice.
    last: u32,
    reader: JoinHandle<()>,
    model: Arc<Observed<Model>>,
}

struct Operation {
    headers: Headers,
    sent: SystemTime,
    watch: Watch,
    is_stopped: bool,
}

struct Model {
    common: Arc<Common>,
    /// Of who opened it.
    grants: Vec<Grant>,
    /// When it was asked for, and when the answer came.
    sent: SystemTime,
    heard: SystemTime,
    operations: BTreeMap<String, Operation>,
    is_over: bool,
    trace: Trace,
}

impl Model {
    fn note(&mut self, text: impl Into<String>) {
        self.trace.line(&self.common.report, text);
    }

    fn fail(&mut self, text: &str) {
        let trace = self.trace.text();
        self.common.report.fail(format!("single connection: {text}\n{trace}"));
    }

    fn take(&mut self, frame: Frame) {
        self.note(format!("< {frame:?}"));
        let Frame::Result(mut message) = frame else {
            return self.fail("a stream that completes");
        };
        let id = message["id"].as_str().unwrap_or_default().to_owned();
        let Some(mut operation) = self.operations.remove(&id) else {
            return self.fail("an event of an operation that is not there");
        };
        let Operation { headers, sent, watch, .. } = &mut operation;
        let judge = &self.common.judge;
        let grants = judge.grants(headers, *sent, SystemTime::now());
        if message["complete"] == true {
            let result = watch.complete();
            return if let Err(text) = result {
                self.fail(&text)
            };
        }
        let payload = message["payload"].take();
        Tally::count(&self.common.report.tally.results);
        let result = match payload.get("errors") {
            Some(errors) => watch.errors(&grants, errors),
            None => {
                let live = watch.run.is_live();
                let grace = if live { Duration::ZERO } else { self.common.grace };
                watch.result(&self.common.history, &grants, grace, &payload["data"])
            }
        };
        self.operations.insert(id, operation);
        if let Err(text) = result {
            self.fail(&text);
        }
    }

    fn cut_off(&mut self, error: &str) {
        self.note(format!("cut off: {error}"));
        self.is_over = true;
        let judge = &self.common.judge;
        // The stream is on the server's list before its client hears of it.
        let is_good = judge.was_closed(self.sent, |c| self.grants.iter().any(|g| c.means(g.who)))
            || self.grants.iter().any(|grant| !judge.honours(grant.proof));
        if !is_good {
            self.fail("cut off without a reason");
        }
    }

    fn rest(&self) -> Rest {
        if self.is_over || self.common.report.has_failed() {
            return Rest::Settled;
        }
        let missing = |text: &str| Rest::Missing(text.to_owned());
        let judge = &self.common.judge;
        if self.grants.iter().any(|grant| judge.must_be_closed(grant.who, self.heard)) {
            return missing("the end that the administrator ordered");
        }
        if self.grants.iter().all(|grant| !judge.honours(grant.proof)) {
            return missing("the end of who is no longer let in");
        }
        for operation in self.operations.values().filter(|operation| !operation.is_stopped) {
            let now = SystemTime::now();
            let grants = judge.grants(&operation.headers, operation.sent, now);
            let Some(grant) = grants.last() else { return missing("a refusal") };
            if is_over(grant.expires, Duration::ZERO) {
                return missing("the end of what has expired");
            }
            if let Some(text) = operation.watch.unsettled(&self.common.history, grant.who) {
                return Rest::Missing(text);
            }
        }
        Rest::Settled
    }
}

async fn read(mut body: Incoming, model: Arc<Observed<Model>>) {
    let mut frames = Frames::new(Format::Events);
    loop {
        let end = match body.frame().await {
            Some(Ok(frame)) => {
                let bytes = frame.into_data().unwrap_or_default();
                model.with(|model| {
                    frames.push(&bytes).into_iter().for_each(|frame| model.take(frame));
                });
                None
            }
            Some(Err(error)) => Some(error.to_string()),
            None => Some("the end of the body".to_owned()),
        };
        if let Some(end) = end {
            model.with(|model| model.cut_off(&end));
            model.changed();
            return;
        }
        model.changed();
    }
}

impl ChannelClient {
    /// A client without a stream yet.
    pub fn new(common: Arc<Common>, random: Random, is_shared: bool) -> Self {
        let link = if is_shared { Link::Shared(None) } else { Link::Each };
        Self { common, random, link, open: None }
    }

    fn ask(method: Method, headers: &Headers, token: Option<&str>, body: Value) -> Ask {
        let more = token.map(|token| (TOKEN, token.to_owned()));
        let (path, headers) = (PATH.to_owned(), headers.clone());
        Ask { method, path, headers, accept: JSON, more, body }
    }

    async fn connect(&mut self) {
        let Self { common, random, link, .. } = self;
        let judge = &common.judge;
        let headers = judge.any(random);
        let mut ask = Self::ask(Method::PUT, &headers, None, Value::Null);
        ask.accept = "*/*";
        let Some(answer) = link.ask(common, &ask).await else { return };
        let (sent, heard) = (answer.sent, answer.heard);
        let status = answer.response.status();
        let token = body(answer.response).await;
        let reserved = judge.grants(&headers, sent, heard);
        let who = match (reserved.last(), status.as_u16()) {
            (Some(grant), 201) => grant.who,
            (_, 401 | 503) if judge.may_refuse(&headers, sent, heard) => return,
            _ => {
                let text = format!("a reservation: {status} for {reserved:?}\n  {ask:?}\n{token}");
                return common.report.fail(text);
            }
        };
        // Somebody else's token is worth nothing.
        let opener = if random.one_in(4) { judge.good(random) } else { headers };
        let mut ask = Self::ask(Method::GET, &opener, Some(&token), Value::Null);
        ask.accept = "text/event-stream";
        let Some(answer) = link.ask(common, &ask).await else { return };
        let (sent, heard) = (answer.sent, answer.heard);
        let grants = judge.grants(&opener, sent, heard);
        let is_owner = grants.iter().any(|grant| grant.who == who);
        match answer.response.status().as_u16() {
            200 if is_owner => {}
            404 if grants.iter().any(|grant| grant.who != who) => return,
            401 | 503 if judge.may_refuse(&opener, sent, heard) => return,
            status => {
                let text = format!("a stream of {who:?}: {status} for {grants:?}\n  {ask:?}");
                return common.report.fail(text);
            }
        }
        let mut model = Model {
            common: common.clone(),
            grants,
            sent,
            heard,
            operations: BTreeMap::new(),
            is_over: false,
            trace: Trace::default(),
        };
        model.note(format!("opened as {who:?} {opener:?}"));
        let model = Observed::new(model);
        let reader = tokio::spawn(read(answer.response.into_body(), model.clone()));
        self.open = Some(Open { token, headers: opener, who, last: 0, reader, model });
    }

    async fn start(&mut self) {
        let Self { common, random, link, open } = self;
        let Some(open) = open else { return };
        let judge = &common.judge;
        let headers = if random.one_in(3) { judge.any(random) } else { open.headers.clone() };
        let document = Document::random(random, common.seq());
        let run = if random.one_in(4) { Run::Once } else { document.live(random) };
        open.last += 1;
        let id = open.last.to_string();
        let mut request = document.request(run);
        request.insert("extensions".to_owned(), json!({ "operationId": id }));
        let ask = Self::ask(Method::POST, &headers, Some(&open.token), json!(request));
        open.model.with(|model| {
            model.note(format!("> {id} {document:?} {run:?} {headers:?}"));
            let sent = SystemTime::now();
            let watch = Watch::new(document, run);
            let operation = Operation { headers: headers.clone(), sent, watch, is_stopped: false };
            model.operations.insert(id.clone(), operation);
        });
        let Some(answer) = link.ask(common, &ask).await else { return };
        let (sent, heard) = (answer.sent, answer.heard);
        let grants = judge.grants(&headers, sent, heard);
        let is_owner = grants.iter().any(|grant| grant.who == open.who);
        let is_other = grants.iter().any(|grant| grant.who != open.who);
        let status = answer.response.status().as_u16();
        let text = body(answer.response).await;
        open.model.with(|model| {
            model.note(format!("{id}: {status} {text}"));
            if status != 202 {
                model.operations.remove(&id);
            }
            match status {
                202 if is_owner => {}
                401 | 503 if judge.may_refuse(&headers, sent, heard) => {}
                404 if is_other => {}
                // It is lost, which is told of elsewhere.
                404 if is_owner && !grants.iter().all(|g| judge.honours(g.proof)) => {}
                404 if is_owner && judge.was_closed(model.sent, |c| c.means(open.who)) => {}
                404 if is_owner && model.grants.iter().any(|g| !judge.honours(g.proof)) => {}
                _ => model.fail(&format!("an operation: {status} for {grants:?}, {text}")),
            }
        });
    }

    async fn stop(&mut self) {
        let Self { common, random, link, open } = self;
        let Some(open) = open else { return };
        let id = open.model.with(|model| {
            let running = model.operations.iter().filter(|(_, operation)| !operation.is_stopped);
            let ids: Vec<String> = running.map(|(id, _)| id.clone()).collect();
            let id = (!ids.is_empty()).then(|| random.pick(&ids).clone())?;
            model.operations.get_mut(&id)?.is_stopped = true;
            model.note(format!("> {id} is stopped"));
            Some(id)
        });
        let Some(id) = id else { return };
        let mut ask = Self::ask(Method::DELETE, &open.headers, Some(&open.token), Value::Null);
        ask.path = format!("{PATH}?operationId={id}");
        let Some(answer) = link.ask(common, &ask).await else { return };
        if answer.response.status() != 200 {
            // Who may not stop it has not stopped it.
            open.model.with(|model| {
                if let Some(operation) = model.operations.get_mut(&id) {
                    operation.is_stopped = false;
                }
            });
        }
    }

    async fn end(&mut self) {
        if let Some(open) = self.open.take() {
            open.reader.abort();
            let _ = open.reader.await;
        }
    }
}

#[async_trait]
impl Client for ChannelClient {
    async fn act(&mut self) {
        if self.open.as_ref().is_some_and(|open| open.model.with(|model| model.is_over)) {
            self.end().await;
        }
        let Some(open) = &self.open else { return self.connect().await };
        let running = open.model.with(|model| {
            model.operations.values().filter(|operation| !operation.is_stopped).count()
        });
        match self.random.below(20) {
            0..=7 if running < RUNNING => self.start().await,
            8..=10 => self.stop().await,
            11 if self.random.one_in(8) => self.end().await,
            _ => open.model.linger(&mut self.random).await,
        }
    }

    async fn settle(&mut self, _: bool) {
        let Some(open) = &self.open else { return };
        let mut missing = String::new();
        let rest = |model: &mut Model| match model.rest() {
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
        self.end().await;
        self.link = Link::Each;
    }
}
