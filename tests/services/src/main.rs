//! A GraphQL service of async-graphql and axum, both as their documentation shows them: queries over
//! HTTP, subscriptions over both WebSocket subprotocols and as multipart responses. The schema is that
//! of `tests/gateway/services/schema.graphql`, and `/control/*` is that of the services beside it.
//!
//! Says its port as one line of JSON, and ends with its standard input.

mod control;
mod http;
mod schema;
mod state;
mod subscription;

use axum::serve::ListenerExt;
use tokio::{io::AsyncReadExt, net::TcpListener};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args().nth(1).map_or(Ok(0), |text| text.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    #[expect(clippy::print_stdout, reason = "whoever starts it reads the port")]
    {
        println!("{}", serde_json::json!({ "port": listener.local_addr()?.port() }));
    }
    let state = state::State::default();
    // Messages are small, and answers to them are waited for.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let router = http::router(schema::build(state.clone()), state);
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        _ = end_of_input() => {}
    }
    Ok(())
}

async fn end_of_input() {
    let mut input = tokio::io::stdin();
    let mut buffer = [0; 64];
    while !matches!(input.read(&mut buffer).await, Ok(0) | Err(_)) {}
}
