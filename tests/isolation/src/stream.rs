//! Clients whose every request is a stream: event streams and multipart subscriptions.

use std::{sync::Arc, time::SystemTime};

use artesian_oracle::random::Random;
use async_trait::async_trait;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::{
    common::{Client, Common, Observed, Rest, is_over},
    credentials::Headers,
    document::{Document, Run},
    frames::{Format, Frame, Frames},
    judge::Grant,
    link::{Ask, Link},
    report::{Tally, Trace},
    watch::{Failure, Watch},
};

/// Streams at a time.
const OPEN: usize = 3;

/// A client with some streams, each of somebody else.
pub struct Streams {
    common: Arc<Common>,
    random: Random,
    format: Format,
    link: Link,
    open: Vec<Open>,
}

struct Open {
    reader: JoinHandle<()>,
    model: Arc<Observed<Model>>,
}

/// One stream.
struct Model {
    common: Arc<Common>,
    headers: Headers,
    sent: SystemTime,
    heard: SystemTime,
    /// Who it may be.
    grants: Vec<Grant>,
    watch: Watch,
    is_over: bool,
    trace: Trace,
}

impl Model {
    fn fail(&mut self, text: &str) {
        let trace = self.trace.text();
        self.common.report.fail(format!("stream: {text}\n  {:?}\n{trace}", self.headers));
    }

    fn take(&mut self, frame: Frame) {
        self.trace.line(&self.common.report, format!("< {frame:?}"));
        let common = self.common.clone();
        Tally::count(&common.report.tally.results);
        let result = match frame {
            Frame::End => {
                self.is_over = true;
                self.watch.complete()
            }
            Frame::Result(message) => match message.get("errors") {
                Some(_) if common.judge.may_refuse(&self.headers, self.sent, self.heard) => {
                    self.watch.failure = Some(Failure::NotAllowed);
                    Ok(())
                }
                Some(errors) => self.watch.errors(&self.grants, errors),
                None => {
                    let grace = std::time::Duration::ZERO;
                    let grants = common.judge.bounded(&self.grants);
                    self.watch.result(&common.history, &grants, grace, &message["data"])
                }
            },
        };
        if let Err(text) = result {
            self.fail(&text);
        }
    }

    /// The connection has ended, without the stream's own end.
    fn cut_off(&mut self, error: &str) {
        self.trace.line(&self.common.report, format!("cut off: {error}"));
        let judge = &self.common.judge;
        let is_good = self.is_over
            || judge.was_closed(self.sent, |c| self.grants.iter().any(|g| c.means(g.who)))
            || self.grants.iter().any(|grant| !judge.honours(grant.proof));
        self.is_over = true;
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
        let Some(grant) = self.grants.last() else { return missing("the refusal") };
        if judge.must_be_closed(grant.who, self.heard) {
            return missing("the end that the administrator ordered");
        }
        if self.grants.iter().all(|grant| !judge.honours(grant.proof)) {
            return missing("the end of who is no longer let in");
        }
        if is_over(grant.expires, std::time::Duration::ZERO) {
            return missing("the end of who has expired");
        }
        match self.watch.unsettled(&self.common.history, grant.who) {
            Some(text) => Rest::Missing(text),
            None => Rest::Settled,
        }
    }
}

async fn read(mut body: Incoming, format: Format, model: Arc<Observed<Model>>) {
    let mut frames = Frames::new(format);
    loop {
        let frame = body.frame().await;
        let end = match frame {
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

impl Streams {
    /// Of a format, over a connection for each stream or one for all.
    pub fn new(common: Arc<Common>, random: Random, format: Format, is_shared: bool) -> Self {
        let link = if is_shared { Link::Shared(None) } else { Link::Each };
        Self { common, random, format, link, open: Vec::new() }
    }

    async fn start(&mut self) {
        let Self { common, random, format, link, .. } = self;
        let headers = common.judge.any(random);
        let document = Document::random(random, common.seq());
        let run = if random.one_in(6) { Run::Once } else { document.live(random) };
        let ask = Ask::post(&headers, format.accept(), json!(document.request(run)));
        let watch = Watch::new(document, run);
        let Some(answer) = link.ask(common, &ask).await else { return };
        let (sent, heard) = (answer.sent, answer.heard);
        let mut trace = Trace::default();
        trace.line(&common.report, format!("> {document:?} {run:?} {headers:?}"));
        let status = answer.response.status();
        let content_type = answer.response.headers().get("content-type");
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        if status != 200 || !format.accept().starts_with(content_type.split(';').next().unwrap()) {
            let text = format!("an answer of another kind: {status} {content_type}\n  {ask:?}");
            return common.report.fail(text);
        }
        let model = Observed::new(Model {
            grants: common.judge.grants(&headers, sent, heard),
            common: common.clone(),
            headers,
            sent,
            heard,
            watch,
            is_over: false,
            trace,
        });
        let body = answer.response.into_body();
        let reader = tokio::spawn(read(body, *format, model.clone()));
        self.open.push(Open { reader, model });
    }

    async fn end(&mut self) {
        let at = self.random.below(self.open.len());
        if at < self.open.len() {
            self.open.swap_remove(at).end().await;
        }
    }
}

impl Open {
    async fn end(self) {
        self.reader.abort();
        let _ = self.reader.await;
    }
}

#[async_trait]
impl Client for Streams {
    async fn act(&mut self) {
        self.open.retain(|open| !open.model.with(|model| model.is_over));
        match self.random.below(4) {
            0 if self.open.len() < OPEN => self.start().await,
            1 if self.open.len() == OPEN && self.random.one_in(4) => self.end().await,
            _ => {
                let at = self.random.below(self.open.len());
                match self.open.get(at) {
                    Some(open) => open.model.linger(&mut self.random).await,
                    None => self.start().await,
                }
            }
        }
    }

    async fn settle(&mut self, _: bool) {
        for open in &self.open {
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
    }

    async fn leave(&mut self) {
        for open in std::mem::take(&mut self.open) {
            open.end().await;
        }
        self.link = Link::Each;
    }
}
