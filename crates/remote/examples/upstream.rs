//! Asks a service by hand, to see how it gets on with this client:
//!
//! `cargo run -p artesian-remote --example upstream -- URL TRANSPORT DOCUMENT [TOKEN]`
//!
//! `TRANSPORT` is `http`, `auto`, `graphql-transport-ws`, `graphql-ws`, `sse`, `sse-get` or `multipart`.
//! A subscription ends after five results.
#![allow(clippy::print_stdout)]

use std::sync::Arc;

use artesian_remote::{
    Credentials, Event, Kind, Operation, Transport, Upstream, UpstreamConfig, dial::Network,
};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderValue, header::AUTHORIZATION};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, transport, document, rest @ ..] = arguments.as_slice() else {
        return Err("URL TRANSPORT DOCUMENT [TOKEN]".into());
    };
    let mut config = UpstreamConfig::new(url.parse()?);
    config.transport = if transport == "http" { Transport::None } else { transport.parse()? };
    let credentials = match rest.first() {
        None => Credentials::none(),
        Some(token) => Credentials::new([(AUTHORIZATION, HeaderValue::try_from(token)?)])
            .with_init_payload(Bytes::from(serde_json::json!({ "token": token }).to_string()))?,
    };
    let client = Upstream::new(config, Arc::new(Network::new()?));
    let document = document.as_str();
    if transport == "http" {
        let kind = if document.starts_with("mutation") { Kind::Mutation } else { Kind::Query };
        let response = client.request(&Operation::new(kind, document), &credentials).await?;
        println!("{}", String::from_utf8_lossy(&response.text));
        return Ok(());
    }
    let operation = Operation::new(Kind::Subscription, document);
    let mut events = client.subscribe(operation, credentials)?.take(5);
    while let Some(event) = events.next().await {
        match event {
            Event::Next(payload) => println!("{}", String::from_utf8_lossy(&payload)),
            other => println!("{other:?}"),
        }
    }
    drop(events);
    println!("{:?}", client.stats());
    Ok(())
}
