//! Queries of services as live queries: those that can only be asked are asked again and again, for all
//! who want to know, and a database says itself when it changes.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use artesian_compose::{Answer, Bound};
use artesian_engine::{Event, GraphQLError, Payload, ResultStream};
use artesian_remote::{End, poll::Update};
use bytes::Bytes;
use futures_util::Stream;

use super::ask::{ServiceAsk, answer, errors, of_payload};

/// One share of a live query.
pub(super) struct LivePart {
    source: LiveSource,
    /// What is the case; `None` before the first answer.
    latest: Option<Answer>,
}

enum LiveSource {
    Service(Box<ServiceAsk>, artesian_remote::poll::Poll),
    Database(Box<dyn ResultStream>),
}

/// What became of a share.
enum Turn {
    Nothing,
    Changed,
    Over(Option<Event>),
}

impl LivePart {
    /// Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// The service cannot be asked for this.
    pub fn service(ask: &ServiceAsk, interval: Duration) -> Result<Self, GraphQLError> {
        let upstream = ask.member.service.upstream();
        let poll = upstream.poll(Arc::clone(&ask.operation), ask.credentials.clone(), interval);
        let poll = poll.map_err(|failure| ask.error(&failure))?;
        let source = LiveSource::Service(Box::new(ask.clone()), poll);
        Ok(Self { source, latest: None })
    }

    pub fn database(results: Box<dyn ResultStream>) -> Self {
        Self { source: LiveSource::Database(results), latest: None }
    }

    fn poll(&mut self, bound: &Bound, at: usize, cx: &mut Context<'_>) -> Turn {
        let mut turn = Turn::Nothing;
        loop {
            let new = match &mut self.source {
                LiveSource::Service(ask, poll) => match Pin::new(poll).poll_next(cx) {
                    Poll::Pending => return turn,
                    Poll::Ready(Some(Update::Next(response))) => answer(response),
                    Poll::Ready(Some(Update::Failed(failure))) => ask.failed(&failure),
                    Poll::Ready(Some(Update::End(End::Failed(failure)))) => {
                        return Turn::Over(Some(Event::Ended(vec![ask.error(&failure)])));
                    }
                    Poll::Ready(Some(Update::End(End::Errors(list)))) => {
                        return Turn::Over(Some(Event::Ended(errors(bound, at, &list))));
                    }
                    Poll::Ready(Some(Update::End(End::Complete)) | None) => {
                        return Turn::Over(None);
                    }
                },
                LiveSource::Database(results) => match results.poll_next(cx) {
                    Poll::Pending => return turn,
                    Poll::Ready(Some(Event::Result(payload))) => of_payload(&payload),
                    Poll::Ready(Some(Event::Error(failure))) => {
                        of_payload(&Payload::request_error(&[failure]))
                    }
                    Poll::Ready(over @ (Some(Event::Ended(_)) | None)) => return Turn::Over(over),
                },
            };
            self.latest = Some(new);
            turn = Turn::Changed;
        }
    }
}

/// A live query over several sources.
pub(super) struct Live {
    bound: Arc<Bound>,
    parts: Vec<LivePart>,
    /// What was given last.
    told: Option<Bytes>,
    is_over: bool,
}

impl Live {
    pub fn new(bound: Arc<Bound>, parts: Vec<LivePart>) -> Self {
        Self { bound, parts, told: None, is_over: false }
    }

    /// The result, if every share is there.
    fn result(&self) -> Option<Payload> {
        let answers: Option<Vec<Answer>> =
            self.parts.iter().map(|part| part.latest.clone()).collect();
        let (bytes, is_error) = self.bound.joined(&answers?);
        Some(Payload { bytes, is_error })
    }
}

impl ResultStream for Live {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let mut is_changed = self.parts.is_empty() && self.told.is_none();
        for (at, part) in self.parts.iter_mut().enumerate() {
            match part.poll(&self.bound, at, cx) {
                Turn::Nothing => {}
                Turn::Changed => is_changed = true,
                Turn::Over(event) => {
                    self.is_over = true;
                    self.parts.clear();
                    return Poll::Ready(event);
                }
            }
        }
        if is_changed
            && let Some(payload) = self.result()
            && self.told.as_ref() != Some(&payload.bytes)
        {
            self.told = Some(payload.bytes.clone());
            return Poll::Ready(Some(Event::Result(payload)));
        }
        Poll::Pending
    }
}
