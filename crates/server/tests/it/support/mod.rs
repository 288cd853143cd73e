//! What the tests share.

pub mod fake;
pub mod http;
pub mod socket;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use artesian_server::{Control, Metrics, Server, ServerConfig};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

pub use fake::Fake;

/// Long enough for anything that happens at all.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A server of its own for one test.
pub struct TestServer {
    pub address: SocketAddr,
    pub fake: Arc<Fake>,
    pub metrics: Arc<Metrics>,
    pub control: Control,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

/// Settings that suit tests: nothing is spread over time.
pub fn config() -> ServerConfig {
    ServerConfig { shutdown_window: Duration::ZERO, ..ServerConfig::default() }
}

pub async fn start() -> TestServer {
    start_with(config()).await
}

pub async fn start_with(config: ServerConfig) -> TestServer {
    let fake = Arc::new(Fake::default());
    let metrics = Arc::new(Metrics::new("test"));
    let server = Server::new(fake.clone(), config, metrics.clone()).unwrap();
    let control = server.control();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.serve(listener, stop.clone().cancelled_owned()));
    TestServer { address, fake, metrics, control, stop, serving: Some(serving) }
}

impl TestServer {
    /// Gives the signal to stop.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until the server has returned.
    pub async fn stopped(&mut self) {
        let serving = self.serving.take().unwrap();
        timeout(LIMIT, serving).await.unwrap().unwrap();
    }

    /// Drops the server's future.
    pub async fn abort(&mut self) {
        let serving = self.serving.take().unwrap();
        serving.abort();
        assert!(serving.await.is_err());
    }

    /// The value of one sample of `/metrics`, 0 if it is not there.
    pub fn sample(&self, name: &str) -> f64 {
        let text = self.metrics.encode();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.trim().parse().unwrap())
    }

    /// How often a limit was hit.
    pub fn hits(&self, limit: &str) -> f64 {
        self.sample(&format!("artesian_limit_hits_total{{limit=\"{limit}\"}}"))
    }

    /// Waits until a sample has a value.
    pub async fn sample_becomes(&self, name: &str, expected: f64) {
        let wait = async {
            while self.sample(name) != expected {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if timeout(LIMIT, wait).await.is_err() {
            panic!("{name} is {} and not {expected}", self.sample(name));
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
