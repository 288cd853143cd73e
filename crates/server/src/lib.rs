//! HTTP and WebSocket transports, metrics, health and the console.
//!
//! A [`Server`] answers GraphQL over POST, GET, server-sent events, multipart and both WebSocket
//! subprotocols at `/graphql` and `/v1/graphql`, all through one [`Service`]: the engine. At
//! `/graphql/stream` event streams carry many operations. Beside them are `/healthz`, `/readyz`,
//! `/metrics`, the administrator's `/v1/sockets` and `/v1/sources`, and the console at `/`.
//!
//! ```no_run
//! # async fn run(engine: artesian_engine::Engine) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use artesian_server::{Metrics, Server, ServerConfig};
//!
//! let metrics = Arc::new(Metrics::new("0.1.0"));
//! let server = Server::new(Arc::new(engine), ServerConfig::default(), metrics)?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! server.serve(listener, async { tokio::signal::ctrl_c().await.unwrap_or(()) }).await;
//! # Ok(())
//! # }
//! ```

mod buffered;
mod clients;
mod config;
mod connection;
mod console;
mod http;
mod io;
mod items;
mod limits;
mod metrics;
mod queued;
mod run;
mod server;
mod service;
mod sockets;
pub mod sources;
mod ws;

pub use artesian_auth::{self as auth, AuthConfig};
pub use artesian_protocol::{
    Subprotocol,
    http::{CsrfRule, StatusProfile},
    session::CompatProfile,
};

pub use config::{ConfigError, Cors, ServerConfig, WebSocketConfig};
pub use limits::{ForwardedHeader, Limit, LimitsConfig, RateLimit};
pub use metrics::{BrokerStats, LiveMetrics, LiveStats, Metrics, UpstreamStats};
pub use server::{Change, Control, Server};
pub use service::{Prepared, Service};
