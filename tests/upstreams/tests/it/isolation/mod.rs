//! Credentials reach the service, exactly once, and nobody's serve another. Every case on every
//! upstream transport.

mod callers;
mod keys;

use serde_json::{Value, json};

fn who_query(topic: &str) -> Value {
    let query = "query Who($topic: String!) { who(topic: $topic) }";
    json!({"query": query, "variables": {"topic": topic}})
}
