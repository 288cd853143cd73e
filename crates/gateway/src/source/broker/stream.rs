//! The events of one client.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use artesian_compose::{Answer, Bound};
use artesian_engine::{Event, Executable, GraphQLError, Payload, ResultStream};
use artesian_events::{Message, Subscription};
use artesian_remote::Response;
use futures_util::Stream;
use serde_json::{Map, Value as Json};

use super::{EventAsk, error};
use crate::source::{
    ask::{RESUMED, answer, unexpected},
    plan::{GatewayPlan, as_run},
    shared::PlanShare,
};

type Completing = Pin<Box<dyn Future<Output = Payload> + Send>>;

/// One client's share in the events of a topic.
pub(in crate::source) struct BrokerStream {
    plan: PlanShare,
    bound: Arc<Bound>,
    ask: Arc<EventAsk>,
    events: Subscription,
    has_gap: bool,
    /// An event whose rest is being asked for. Those behind it wait, so that they keep their order.
    completing: Option<Completing>,
}

impl BrokerStream {
    /// Subscribes; the broker has confirmed when this is ready.
    ///
    /// # Errors
    /// The broker refuses, or cannot be reached.
    pub async fn begin(
        plan: &Arc<GatewayPlan>,
        bound: Arc<Bound>,
        ask: Arc<EventAsk>,
    ) -> Result<Self, GraphQLError> {
        let events = ask.member.hub.subscribe_all(&ask.topics).await;
        let events = events.map_err(|failure| error(&failure))?;
        Ok(Self {
            plan: PlanShare::new(plan),
            bound,
            ask,
            events,
            has_gap: false,
            completing: None,
        })
    }

    /// Begins to make a result of an event, or makes it. `None`: it is not for this client.
    fn take(&mut self, event: &artesian_events::Event) -> Option<Payload> {
        let Some(message) = event.json() else {
            // It was counted; nobody can be given what is no JSON.
            return None;
        };
        let value = self.ask.value(message)?;
        if let Some((field, arguments)) = self.ask.completion(message) {
            let declared = self.plan.query_arguments(field);
            let arguments: Vec<_> = declared
                .into_iter()
                .filter_map(|(name, ty)| {
                    let value = arguments.get(&name)?.clone();
                    Some((name, ty, value))
                })
                .collect();
            if let Some(missing) = self.ask.field.missing(&value, field, &arguments) {
                let (plan, bound, ask) =
                    (Arc::clone(&self.plan), Arc::clone(&self.bound), Arc::clone(&self.ask));
                let (event, has_gap) = (event.clone(), std::mem::take(&mut self.has_gap));
                self.completing = Some(Box::pin(async move {
                    let found = plan.complete(&event, missing, &ask).await;
                    let (more, errors) = match found {
                        Ok(found) => found,
                        Err(failure) => {
                            (Map::new(), vec![serde_json::to_value(&failure).unwrap_or_default()])
                        }
                    };
                    result(&ask, &bound, &value, &more, errors, has_gap)
                }));
                return None;
            }
        }
        let has_gap = std::mem::take(&mut self.has_gap);
        Some(result(&self.ask, &self.bound, &value, &Map::new(), Vec::new(), has_gap))
    }
}

fn result(
    ask: &EventAsk,
    bound: &Bound,
    value: &Json,
    more: &Map<String, Json>,
    errors: Vec<Json>,
    has_gap: bool,
) -> Payload {
    let projected = ask.field.project(value, more, errors);
    let response = Response::parse(&projected.response);
    let response = if has_gap { response.map(|r| r.with_marker(RESUMED)) } else { response };
    let answer = response.map_or_else(
        || Answer::Failed {
            message: "the message could not be read".to_owned(),
            code: "unexpected",
        },
        answer,
    );
    let (bytes, is_error) = bound.joined(&[answer]);
    Payload { bytes, is_error }
}

impl ResultStream for BrokerStream {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Some(completing) = &mut self.completing {
                let payload = ready!(completing.as_mut().poll(cx));
                self.completing = None;
                return Poll::Ready(Some(Event::Result(payload)));
            }
            match ready!(Pin::new(&mut self.events).poll_next(cx)) {
                Some(Message::Event(event)) => {
                    let payload = if self.has_gap || self.ask.completes() {
                        self.take(&event)
                    } else {
                        let plan = Arc::clone(&self.plan);
                        let (ask, bound) = (Arc::clone(&self.ask), Arc::clone(&self.bound));
                        plan.shared().made(&event, &ask, &bound, || self.take(&event))
                    };
                    if let Some(payload) = payload {
                        return Poll::Ready(Some(Event::Result(payload)));
                    }
                }
                Some(Message::Gap) => self.has_gap = true,
                Some(Message::Failed(failure)) => {
                    return Poll::Ready(Some(Event::Ended(vec![error(&failure)])));
                }
                None => {
                    let closed = unexpected("the events have ended");
                    return Poll::Ready(Some(Event::Ended(vec![closed])));
                }
            }
        }
    }

    fn conflates(&self) -> bool {
        false
    }

    /// As many bytes as `limits` of the broker say.
    fn buffers(&self) -> bool {
        true
    }

    fn goes_on_as(&mut self, executable: &dyn Executable) -> bool {
        let Some(run) = as_run(executable) else { return false };
        let Some(ask) = run.broker().filter(|ask| ask.is_same(&self.ask)) else { return false };
        self.plan = PlanShare::new(run.plan());
        self.bound = Arc::clone(run.bound());
        self.ask = Arc::clone(ask);
        true
    }

    fn resumes(&self) -> bool {
        true
    }

    fn mark_gap(&mut self) {
        self.has_gap = true;
    }
}
