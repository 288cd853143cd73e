//! The real server over a tiny schema, so that its transcripts can be compared with those of npm's
//! `graphql-ws` and `subscriptions-transport-ws` (`tests/e2e/test/differential.test.js`). Not part of
//! the product.
//!
//! Prints one line of JSON with the ports and serves until its standard input ends:
//!
//! | port | the server |
//! |---|---|
//! | `open` | lets everybody in |
//! | `guarded` | lets in who sends the admin secret `open` |
//! | `hasty` | waits one second for `connection_init` |

mod service;

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use artesian_server::{AuthConfig, Metrics, Server, ServerConfig, WebSocketConfig};
use tokio::net::TcpListener;

use self::service::Tiny;

#[tokio::main]
async fn main() -> io::Result<()> {
    let open = serve(ServerConfig::default()).await?;
    let auth = AuthConfig::with_secrets(vec!["open".to_owned()]);
    let guarded = serve(ServerConfig { auth, ..ServerConfig::default() }).await?;
    let init_timeout = Duration::from_secs(1);
    let websocket = WebSocketConfig { init_timeout, ..WebSocketConfig::default() };
    let hasty = serve(ServerConfig { websocket, ..ServerConfig::default() }).await?;
    let ports = serde_json::json!({ "open": open, "guarded": guarded, "hasty": hasty });
    writeln!(io::stdout(), "{ports}")?;
    tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await??;
    Ok(())
}

/// Starts a server and gives its port.
async fn serve(mut config: ServerConfig) -> io::Result<u16> {
    // Scripts cut connections off, which would make others wait.
    config.limits.legacy_ack_delay = Duration::ZERO;
    let metrics = Arc::new(Metrics::new("test"));
    let server =
        Server::new(Arc::new(Tiny::default()), config, metrics).map_err(io::Error::other)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(server.serve(listener, std::future::pending()));
    Ok(port)
}
