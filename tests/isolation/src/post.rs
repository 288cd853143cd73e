//! Clients that ask once over plain HTTP, each time as somebody else.

use std::sync::Arc;

use artesian_oracle::random::Random;
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::{
    common::{Client, Common},
    document::{Document, Run},
    link::{Ask, JSON, Link, body},
    report::Tally,
    watch::Watch,
};

/// A client without a connection of its own.
pub struct Post {
    common: Arc<Common>,
    random: Random,
    link: Link,
}

impl Post {
    /// With a connection for each request, or one for all.
    pub fn new(common: Arc<Common>, random: Random, is_shared: bool) -> Self {
        let link = if is_shared { Link::Shared(None) } else { Link::Each };
        Self { common, random, link }
    }

    async fn ask(&mut self) {
        let Self { common, random, link } = self;
        let headers = common.judge.any(random);
        let document = Document::random(random, common.seq());
        let ask = Ask::post(&headers, JSON, json!(document.request(Run::Once)));
        let mut watch = Watch::new(document, Run::Once);
        let Some(answer) = link.ask(common, &ask).await else { return };
        let (sent, heard) = (answer.sent, answer.heard);
        let text = body(answer.response).await;
        let Ok(message) = serde_json::from_str::<Value>(&text) else {
            return common.report.fail(format!("no JSON in answer to {ask:?}: {text}"));
        };
        let grants = common.judge.grants(&headers, sent, heard);
        let result = match message.get("errors") {
            Some(_) if common.judge.may_refuse(&headers, sent, heard) => Ok(()),
            Some(errors) => watch.errors(&grants, errors),
            None => watch.result(&common.history, &grants, common.grace, &message["data"]),
        };
        Tally::count(&common.report.tally.results);
        if let Err(violation) = result {
            common.report.fail(format!("POST: {violation}\n  {ask:?}"));
        }
    }
}

#[async_trait]
impl Client for Post {
    async fn act(&mut self) {
        self.ask().await;
    }

    async fn settle(&mut self, _: bool) {}

    async fn leave(&mut self) {
        self.link = Link::Each;
    }
}
