//! Reading a stream to its end.

use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::format::{Format, Item};
use crate::{
    RemoteError,
    config::Timeouts,
    error::Step,
    stats::Counter,
    subscription::{AttemptEnd, Sink},
    ws::Shared,
};

/// When to give up waiting.
struct Watch<'a> {
    timeouts: &'a Timeouts,
    heard: Instant,
    /// The service has sent a sign of life that nobody asked for, so it will go on to.
    has_heartbeat: bool,
    /// Since when an item has been incomplete.
    item_since: Option<Instant>,
}

impl Watch<'_> {
    /// The time, and what it means that it has come.
    fn due(&self) -> Option<(Instant, RemoteError)> {
        let keep_alive = self.timeouts.keep_alive.filter(|_| self.has_heartbeat);
        let silent = [keep_alive, self.timeouts.stream_idle].into_iter().flatten().min();
        let silent = silent.map(|after| (self.heard + after, RemoteError::Silent));
        let limit = self.timeouts.message;
        let slow = self.item_since.map(|since| {
            (since + limit, RemoteError::Timeout { what: Step::FinishMessage, limit })
        });
        [silent, slow].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

/// What a stream has said by the time that it ends.
#[derive(Default)]
pub(super) struct Heard {
    /// Whether there was any result.
    pub any: bool,
    /// How long to wait before it is opened again.
    pub retry: Option<Duration>,
}

/// Hands on what a stream says, until it ends.
pub(super) async fn follow(
    mut format: Format,
    mut body: Incoming,
    sink: &Sink,
    shared: &Shared,
    heard: &mut Heard,
) -> AttemptEnd {
    let mut watch = Watch {
        timeouts: &shared.config.timeouts,
        heard: Instant::now(),
        has_heartbeat: false,
        item_since: None,
    };
    let mut received = BytesMut::new();
    loop {
        loop {
            match format.decode(&mut received) {
                Ok(Some(Item::Next(payload))) => {
                    heard.any = true;
                    if !sink.next(payload) {
                        return AttemptEnd::Abandoned;
                    }
                }
                Ok(Some(Item::End(end))) => return AttemptEnd::Finished(end),
                Ok(Some(Item::Heartbeat)) => watch.has_heartbeat = true,
                Ok(Some(Item::Retry(ms))) => heard.retry = Some(Duration::from_millis(ms)),
                Ok(Some(Item::Junk)) => shared.counters.add(Counter::Junk),
                Ok(None) => break,
                Err(error) => return AttemptEnd::Lost(error),
            }
            watch.item_since = None;
        }
        let is_incomplete = format.is_mid_item(&received);
        let since = watch.item_since.unwrap_or_else(Instant::now);
        watch.item_since = is_incomplete.then_some(since);

        let frame = match watch.due() {
            None => body.frame().await,
            Some((at, error)) => match tokio::time::timeout_at(at, body.frame()).await {
                Ok(frame) => frame,
                Err(_) => return AttemptEnd::Lost(error),
            },
        };
        match frame {
            Some(Ok(frame)) => {
                watch.heard = Instant::now();
                if let Ok(data) = frame.into_data() {
                    received.extend_from_slice(&data);
                }
            }
            Some(Err(_)) | None => return AttemptEnd::Lost(RemoteError::lost()),
        }
    }
}
