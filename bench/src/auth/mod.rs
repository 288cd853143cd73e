//! What it costs to tell who asks.

mod cost;
mod tokens;

pub use cost::run as cost;

/// Both: the cost of one call, and a burst against the real server.
pub async fn run(_artesian: &str) {
    cost().await;
}
