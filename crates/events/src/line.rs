//! One topic between a broker and its subscribers.

use std::sync::Arc;

use artesian_fanout::broadcast::Sent;
use bytes::Bytes;
use tokio::sync::{Notify, watch};

use crate::{
    error::EventsError,
    event::Event,
    fan::Fan,
    stats::{Counter, Counters},
    topic::Topic,
};

/// Whether the broker has confirmed a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Standing {
    is_ready: bool,
    /// Whether it was ready before.
    was_ready: bool,
}

/// One topic: what a broker's code tells of it.
pub(crate) struct Line {
    topic: Topic,
    fan: Arc<Fan>,
    standing: watch::Sender<Standing>,
    /// Told when nobody needs the topic any more.
    over: Notify,
    message_bytes: usize,
    counters: Arc<Counters>,
}

impl Line {
    pub fn new(topic: Topic, fan: Arc<Fan>, message_bytes: usize, counters: Arc<Counters>) -> Self {
        let standing = watch::Sender::new(Standing::default());
        Self { topic, fan, standing, over: Notify::new(), message_bytes, counters }
    }

    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    pub fn fan(&self) -> &Arc<Fan> {
        &self.fan
    }

    /// The broker confirms the topic. If it did so before and was lost, there is a gap.
    pub fn established(&self) {
        let mut is_again = false;
        self.standing.send_if_modified(|standing| {
            let is_news = !standing.is_ready;
            is_again = is_news && standing.was_ready;
            *standing = Standing { is_ready: true, was_ready: true };
            is_news
        });
        if is_again {
            self.gap();
        }
    }

    /// The broker is asked for the topic.
    pub fn asked(&self) {
        self.counters.add(Counter::Started);
    }

    /// The topic is not in force, until it is established again.
    pub fn lost(&self) {
        self.standing.send_if_modified(|standing| std::mem::take(&mut standing.is_ready));
    }

    /// A message of the topic.
    pub fn message(&self, bytes: Bytes) {
        if bytes.len() > self.message_bytes {
            self.counters.add(Counter::Oversized);
            self.gap();
            return;
        }
        self.counters.add(Counter::Events);
        self.counters.add_many(Counter::EventBytes, bytes.len() as u64);
        let event = Event::new(bytes, Arc::clone(&self.counters));
        self.sent(self.fan.event(event));
    }

    /// Messages may have been lost.
    pub fn gap(&self) {
        self.counters.add(Counter::Gaps);
        self.sent(self.fan.gap());
    }

    fn sent(&self, Sent { receivers, left_behind }: Sent) {
        if left_behind > 0 {
            self.counters.add_many(Counter::TooSlow, left_behind as u64);
            if receivers == 0 {
                self.over.notify_one();
            }
        }
    }

    /// Ends it for all subscribers.
    pub fn fail(&self, error: EventsError) {
        self.fan.end(error);
        // Those who wait for the confirmation look whether it has ended.
        self.standing.send_modify(|_| {});
        self.over.notify_one();
    }

    /// Until nobody needs it any more.
    pub async fn over(&self) {
        self.over.notified().await;
    }

    /// Until the broker has confirmed it.
    pub async fn ready(&self) -> Result<(), EventsError> {
        let mut standing = self.standing.subscribe();
        loop {
            if let Some(error) = self.fan.ended() {
                return Err(error);
            }
            if standing.borrow_and_update().is_ready {
                return Ok(());
            }
            if standing.changed().await.is_err() {
                return Err(EventsError::Closed);
            }
        }
    }
}
