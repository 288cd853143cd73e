//! Starts the server under test.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

/// A running `artesian serve`, killed when dropped.
pub struct Server {
    /// Its address.
    pub address: String,
    /// From the start of the process to the first 200 of `/healthz`.
    pub ready_after: Duration,
    child: Child,
}

impl Server {
    /// Starts it on a free port and waits until it serves.
    pub async fn start(binary: &str, database_url: &str) -> Self {
        Self::start_with(binary, database_url, &[]).await
    }

    /// The same, with further flags.
    pub async fn start_with(binary: &str, database_url: &str, flags: &[&str]) -> Self {
        Self::start_as(binary, &[&["--database-url", database_url], flags].concat()).await
    }

    /// The same with these flags, whatever they are.
    pub async fn start_as(binary: &str, flags: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let started = Instant::now();
        let child = Command::new(binary)
            .args(["serve", "--listen", &address])
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        while get(&address, "/healthz").await.is_none() {
            assert!(started.elapsed() < Duration::from_secs(60), "the server does not start");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Self { address, ready_after: started.elapsed(), child }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The samples of `/metrics` that have this name, all labels together.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = get(&self.address, "/metrics").await.expect("metrics");
        text.lines()
            .filter_map(|line| line.strip_prefix(name).filter(|rest| rest.starts_with([' ', '{'])))
            .map(|rest| rest.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
            .sum()
    }

    /// Waits until a metric has a value.
    pub async fn metric_is(&self, name: &str, value: f64) {
        let started = Instant::now();
        while self.metric(name).await != value {
            assert!(started.elapsed() < Duration::from_secs(120), "{name} does not become {value}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The body of a 200.
async fn get(address: &str, path: &str) -> Option<String> {
    let mut socket = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n");
    let mut reply = String::new();
    socket.write_all(request.as_bytes()).await.ok()?;
    socket.read_to_string(&mut reply).await.ok()?;
    let (head, body) = reply.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}

/// A client of the database.
pub async fn database(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
