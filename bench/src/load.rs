//! A closed-loop HTTP load: each connection sends a request, reads the reply, sends the next.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What a run measured.
pub struct Report {
    /// Replies per second.
    pub rate: f64,
    /// Latencies, sorted.
    pub latencies: Vec<Duration>,
}

impl Report {
    /// A percentile of the latencies.
    pub fn percentile(&self, p: usize) -> Duration {
        self.latencies[(self.latencies.len() * p / 100).min(self.latencies.len() - 1)]
    }
}

/// Runs for a time over a number of connections. `body(n)` is the n-th request's JSON.
pub async fn run(
    address: &str,
    path: &str,
    connections: usize,
    duration: Duration,
    body: impl Fn(usize) -> String + Clone + Send + 'static,
) -> Report {
    let started = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|c| {
            let (address, path, body) = (address.to_owned(), path.to_owned(), body.clone());
            tokio::spawn(async move {
                let mut socket = TcpStream::connect(&address).await.unwrap();
                socket.set_nodelay(true).unwrap();
                let mut latencies = Vec::new();
                let mut buffer = Vec::new();
                let mut n = c;
                while started.elapsed() < duration {
                    let body = body(n);
                    n += connections;
                    let request = format!(
                        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
                         content-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    let sent = Instant::now();
                    socket.write_all(request.as_bytes()).await.unwrap();
                    reply(&mut socket, &mut buffer).await;
                    latencies.push(sent.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    let rate = latencies.len() as f64 / started.elapsed().as_secs_f64();
    latencies.sort();
    Report { rate, latencies }
}

/// Reads one reply; anything but a 200 with data stops the benchmark.
async fn reply(socket: &mut TcpStream, buffer: &mut Vec<u8>) {
    buffer.clear();
    loop {
        let read = socket.read_buf(buffer).await.unwrap();
        assert!(read > 0, "the server closed the connection");
        let Some(head) = buffer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).unwrap().to_ascii_lowercase();
        let length = text.lines().find_map(|l| l.strip_prefix("content-length:"));
        let complete = match length {
            Some(length) => buffer.len() >= head + 4 + length.trim().parse::<usize>().unwrap(),
            // In chunks.
            None => buffer.ends_with(b"\r\n0\r\n\r\n"),
        };
        if complete {
            assert!(text.starts_with("http/1.1 200"), "{text}");
            let body = String::from_utf8_lossy(&buffer[head + 4..]);
            let data = body.find(r#"{"data":{"#).is_some_and(|at| at < 30);
            assert!(data && !body.contains(r#""errors":"#), "{body}");
            return;
        }
    }
}
