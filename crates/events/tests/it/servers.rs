//! Servers that a test starts and stops.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

/// How long anything may take before the test fails. Nothing is measured by it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server program on a port of its own.
pub struct Server {
    program: &'static str,
    arguments: Vec<String>,
    pub port: u16,
    child: Option<Child>,
}

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A new directory, removed with this.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new() -> Self {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let name = format!("artesian-events-{}-{serial}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file, and gives its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// A certificate of 127.0.0.1 that has signed itself, in files: its path and that of its key.
pub fn certificate(directory: &Directory) -> [String; 2] {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let cert = directory.write("cert.pem", &certified.cert.pem());
    let key = directory.write("key.pem", &certified.signing_key.serialize_pem());
    [cert, key]
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Server {
    /// Not started yet.
    pub fn new(program: &'static str, port: u16, arguments: Vec<String>) -> Self {
        Self { program, arguments, port, child: None }
    }

    pub async fn start(&mut self) {
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new(self.program)
            .args(&self.arguments)
            // Where Debian puts nats-server.
            .env("PATH", format!("{path}:/usr/sbin"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let problem = "is it installed? (scripts/install.sh brokers)";
        let mut child =
            child.unwrap_or_else(|error| panic!("{}: {error}; {problem}", self.program));
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "{} does not listen", self.program);
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{} ended with {status}", self.program);
            }
            sleep(Duration::from_millis(10)).await;
        }
        self.child = Some(child);
    }

    /// Kills it.
    pub async fn stop(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }
}

/// The body of a page.
pub async fn get(port: u16, path: &str) -> serde_json::Value {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
}
