//! Subscriptions of services, event by event.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use artesian_compose::{Answer, Bound};
use artesian_engine::{Event, Executable, GraphQLError, Payload, ResultStream};
use artesian_remote::{End, Response, Subscription};
use bytes::Bytes;
use futures_util::Stream;

use super::{
    ask::{RESUMED, ServiceAsk, answer, errors},
    plan::{GatewayPlan, as_run},
    shared::PlanShare,
};

/// One client's share in a subscription of a service.
pub(super) struct Events {
    plan: PlanShare,
    bound: Arc<Bound>,
    ask: ServiceAsk,
    events: Subscription,
    /// Results may be missing before the next one.
    has_gap: bool,
}

impl Events {
    /// Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// The service cannot be asked for this.
    pub fn begin(
        plan: &Arc<GatewayPlan>,
        bound: Arc<Bound>,
        ask: &ServiceAsk,
    ) -> Result<Self, GraphQLError> {
        let upstream = ask.member.service.upstream();
        let events = upstream.subscribe(Arc::clone(&ask.operation), ask.credentials.clone());
        let events = events.map_err(|failure| ask.error(&failure))?;
        Ok(Self { plan: PlanShare::new(plan), bound, ask: ask.clone(), events, has_gap: false })
    }

    fn result(&mut self, text: &Bytes) -> Payload {
        if std::mem::take(&mut self.has_gap) {
            let response = Response::parse(text).map(|response| response.with_marker(RESUMED));
            return self.join(response);
        }
        self.plan.shared().joined(text, &self.bound, || self.join(Response::parse(text)))
    }

    fn join(&self, response: Option<Response>) -> Payload {
        let answer = response.map_or_else(
            || Answer::Failed {
                message: "the service sent a result that is no GraphQL response".to_owned(),
                code: "remote-schema-error",
            },
            answer,
        );
        let (bytes, is_error) = self.bound.joined(&[answer]);
        Payload { bytes, is_error }
    }
}

impl ResultStream for Events {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            let event = ready!(Pin::new(&mut self.events).poll_next(cx));
            return Poll::Ready(Some(match event {
                Some(artesian_remote::Event::Next(text)) => Event::Result(self.result(&text)),
                Some(artesian_remote::Event::Resumed) => {
                    self.has_gap = true;
                    continue;
                }
                Some(artesian_remote::Event::End(End::Errors(list))) => {
                    Event::Ended(errors(&self.bound, 0, &list))
                }
                Some(artesian_remote::Event::End(End::Failed(failure))) => {
                    Event::Ended(vec![self.ask.error(&failure)])
                }
                Some(artesian_remote::Event::End(End::Complete)) | None => {
                    return Poll::Ready(None);
                }
            }));
        }
    }

    fn conflates(&self) -> bool {
        false
    }

    /// As many bytes as `limits.buffer_bytes` of the service.
    fn buffers(&self) -> bool {
        true
    }

    fn goes_on_as(&mut self, executable: &dyn Executable) -> bool {
        let Some(run) = as_run(executable) else { return false };
        if !run.only().is_some_and(|ask| ask.is_same(&self.ask)) {
            return false;
        }
        // The schema before need not be kept for it.
        self.plan = PlanShare::new(run.plan());
        self.bound = Arc::clone(run.bound());
        true
    }

    fn resumes(&self) -> bool {
        true
    }

    fn mark_gap(&mut self) {
        self.has_gap = true;
    }
}
