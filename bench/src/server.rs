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
    _child: Child,
}

impl Server {
    /// Starts it on a free port and waits until it serves.
    pub async fn start(binary: &str, database_url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let started = Instant::now();
        let child = Command::new(binary)
            .args(["serve", "--listen", &address, "--database-url", database_url])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        while !healthy(&address).await {
            assert!(started.elapsed() < Duration::from_secs(60), "the server does not start");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Self { address, ready_after: started.elapsed(), _child: child }
    }
}

async fn healthy(address: &str) -> bool {
    let Ok(mut socket) = TcpStream::connect(address).await else { return false };
    let request = b"GET /healthz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n";
    let mut reply = Vec::new();
    socket.write_all(request).await.is_ok()
        && socket.read_to_end(&mut reply).await.is_ok()
        && reply.starts_with(b"HTTP/1.1 200")
}

/// A client of the database.
pub async fn database(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
