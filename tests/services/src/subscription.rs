//! Subscriptions.

use async_graphql::{Context, Error};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;

use crate::{
    schema::{Event, Json, Step, failure, seen},
    state::State,
};

pub struct Subscription;

fn state<'a>(context: &Context<'a>) -> &'a State {
    context.data_unchecked()
}

#[async_graphql::Subscription]
impl Subscription {
    /// 1, 2 and so on.
    async fn counter(&self, context: &Context<'_>, to: i32) -> impl Stream<Item = i32> {
        state(context).source("counter", json!({ "to": to }), stream::iter(1..=to))
    }

    async fn events(&self, context: &Context<'_>, topic: String) -> impl Stream<Item = Event> {
        let state = state(context);
        let mut events = state.listen(topic.clone());
        let args = json!({ "topic": topic });
        let events = stream::poll_fn(move |context| events.poll_recv(context));
        state.source("events", args, events.map(move |value| Event::new(topic.clone(), value)))
    }

    /// As the query; then it stays open.
    async fn whoami(&self, context: &Context<'_>) -> impl Stream<Item = Option<Json>> {
        let first = stream::iter([seen(context)]);
        state(context).source("whoami", json!({}), first.chain(stream::pending()))
    }

    /// Three steps, then the end. The value of step `at` is an error; at 0 there are no steps, but an error.
    async fn fails(
        &self,
        context: &Context<'_>,
        at: i32,
    ) -> Result<impl Stream<Item = Step>, Error> {
        if at == 0 {
            return Err(failure("STEP_0"));
        }
        let steps = stream::iter((1..=3).map(move |number| Step { number, at }));
        Ok(state(context).source("fails", json!({ "at": at }), steps))
    }

    async fn never(&self, context: &Context<'_>) -> impl Stream<Item = Option<i32>> {
        state(context).source("never", json!({}), stream::pending())
    }

    async fn completes_at_once(&self, context: &Context<'_>) -> impl Stream<Item = Option<i32>> {
        state(context).source("completesAtOnce", json!({}), stream::empty())
    }
}
