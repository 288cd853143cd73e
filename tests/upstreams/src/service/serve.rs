//! Requests of a connection, one after the other.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Question, Service, State};
use crate::{
    schema::{self, Asked},
    script::{Door, Reply, Then},
    seen::Seen,
    wire::{Request, Wire, response},
};

const JSON: &str = "application/json";

impl Service {
    /// Until the connection ends.
    pub(super) async fn serve(&self, number: u64, mut wire: Wire) {
        while let Some(request) = wire.request().await {
            let accept = request.all("accept").join(",");
            let header = request.all("authorization").join(",");
            let is_socket = !request.all("upgrade").is_empty();
            let is_stream =
                accept.contains("text/event-stream") || accept.contains("multipart/mixed");
            let mut door = None;
            if is_socket || is_stream {
                door = self.state.with(|state| {
                    state.opened.push(Seen::of(&request));
                    state.doors.get(&header).cloned()
                });
                self.state.changed();
            }
            let goes_on = match door {
                Some(Door::Reply(what)) => self.reply(&mut wire, &what).await,
                door if is_socket => return self.socket(number, wire, request, door).await,
                _ if is_stream => return self.stream(number, wire, request).await,
                _ => self.once(number, &mut wire, &request).await,
            };
            if !goes_on {
                return;
            }
        }
    }

    async fn reply(&self, wire: &mut Wire, reply: &Reply) -> bool {
        let is_there = match reply.is_slow {
            true => wire.trickle(&reply.bytes).await,
            false => wire.send(&reply.bytes).await,
        };
        if is_there && reply.then == Then::Stay {
            wire.gone().await;
        }
        is_there && reply.then == Then::GoOn
    }

    /// A query or a mutation.
    async fn once(&self, number: u64, wire: &mut Wire, request: &Request) -> bool {
        let seen = Seen::of(request);
        let request: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let schema = self.state.with(|state| Arc::clone(&state.schema));
        let body = match schema::understand(&schema, &request) {
            Err(errors) => json!({ "errors": errors }).to_string(),
            Ok(Asked::Introspection(answer)) => {
                self.state.with(|state| state.introspected += 1);
                self.state.changed();
                answer
            }
            Ok(Asked::Stream(_)) => json!({"errors": [{"message": "not here"}]}).to_string(),
            Ok(Asked::Once(roots)) => {
                let who = seen.who();
                let topics: Vec<String> = roots.iter().map(|root| root.topic.clone()).collect();
                self.state.with(|state| {
                    let topics = topics.clone();
                    let connection = number;
                    state.asked.push(Question { connection, topics, seen, request });
                });
                self.state.changed();
                let is_free = |state: &mut State| {
                    (!topics.iter().any(|topic| state.held.contains(topic))).then_some(())
                };
                // Beyond its limit it is answered after all.
                let _ = self.state.until(is_free).await;
                let reply = self.state.with(|state| {
                    topics.iter().find_map(|topic| state.answers.get(topic)).cloned()
                });
                if let Some(reply) = reply {
                    return self.reply(wire, &reply).await;
                }
                let mut data = json!({});
                for root in roots {
                    data[root.key] = json!({"topic": root.topic, "who": who, "name": root.name});
                }
                json!({ "data": data }).to_string()
            }
        };
        wire.send(response(200, JSON, &body)).await
    }
}
