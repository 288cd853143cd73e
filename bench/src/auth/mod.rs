//! What it costs to tell who asks.

mod burst;
mod cost;
mod provider;
mod tokens;

pub use cost::run as cost;

/// Both: the cost of one call, and a burst against the real server.
pub async fn run(artesian: &str) {
    cost().await;
    println!();
    burst::run(artesian).await;
}
