//! The binary with a configuration.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{client::get, service::Service};

/// How the gateway reaches a service for subscriptions, by the names of the setting.
pub const PROTOCOLS: [&str; 6] =
    ["graphql-transport-ws", "graphql-ws", "sse", "sse-get", "multipart", "auto"];

/// A source of the configuration.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name.
    pub name: &'static str,
    /// The value of `protocol`.
    pub protocol: &'static str,
    /// Further lines of `subscriptions:`.
    pub subscriptions: String,
    /// Further lines of `graphql:`.
    pub graphql: String,
    /// Further lines beside it.
    pub beside: String,
}

impl Source {
    /// One that forwards `authorization`.
    pub fn new(protocol: &'static str) -> Self {
        Self {
            name: "service",
            protocol,
            subscriptions: String::new(),
            graphql: "headers: { forward: [authorization] }".to_owned(),
            beside: String::new(),
        }
    }

    /// With further lines of `subscriptions:`.
    pub fn subscriptions(mut self, lines: &str) -> Self {
        self.subscriptions.push_str(&format!("\n{lines}"));
        self
    }

    /// With further lines of `graphql:`.
    pub fn graphql(mut self, lines: &str) -> Self {
        self.graphql.push_str(&format!("\n{lines}"));
        self
    }

    fn yaml(&self, service: &Service) -> String {
        let indented = |text: &str, by: usize| -> String {
            text.trim().lines().map(|line| format!("{:by$}{}\n", "", line.trim_end())).collect()
        };
        format!(
            "  - name: {}\n    graphql:\n      url: http://{}/graphql\n      subscriptions:\n        \
             protocol: {}\n{}{}{}",
            self.name,
            service.address,
            self.protocol,
            indented(&self.subscriptions, 8),
            indented(&self.graphql, 6),
            indented(&self.beside, 4)
        )
    }
}

/// A process that is killed with this value.
pub struct Gateway {
    child: Child,
    folder: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    logs: Arc<Mutex<String>>,
}

/// Nothing takes that long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

fn binary() -> PathBuf {
    let binary = std::env::var_os("ARTESIAN_BIN").map_or_else(
        || {
            let own = std::env::current_exe().unwrap();
            own.ancestors().nth(2).unwrap().join("artesian")
        },
        PathBuf::from,
    );
    assert!(binary.exists(), "{binary:?} is missing: cargo build -p artesian-cli");
    binary
}

impl Gateway {
    /// Starts it in front of some services, and waits until it knows their schemas.
    pub async fn start(sources: &[(&Source, &Service)]) -> Self {
        Self::with(sources, "").await
    }

    /// With further settings.
    pub async fn with(sources: &[(&Source, &Service)], settings: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("artesian-upstreams-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let sources: String = sources.iter().map(|(source, at)| source.yaml(at)).collect();
        let yaml = format!("sources:\n{sources}{settings}");
        fs::write(folder.join("artesian.yaml"), &yaml).unwrap();
        let mut command = Command::new(binary());
        command.args(["serve", "--listen", "127.0.0.1:0", "--shutdown-window", "0"]);
        command.args(["--websocket-max-operations", "2000"]);
        for (name, _) in std::env::vars() {
            if name.starts_with("ARTESIAN_") || name.contains("HASURA_") || name.starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let err = child.stderr.take().unwrap();
        let logs = Arc::new(Mutex::new(String::new()));
        let (sender, lines) = channel();
        std::thread::spawn({
            let logs = logs.clone();
            move || {
                for line in BufReader::new(err).lines().map_while(Result::ok) {
                    let mut logs = logs.lock();
                    logs.push_str(&line);
                    logs.push('\n');
                    let _ = sender.send(line);
                }
            }
        });
        let found = tokio::task::spawn_blocking(move || {
            loop {
                let line = lines.recv_timeout(PATIENCE).ok()?;
                if let Some((_, rest)) = line.split_once("listening on http://127.0.0.1:") {
                    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    return Some(digits.parse::<u16>().unwrap());
                }
            }
        });
        let Some(port) = found.await.unwrap() else {
            panic!("it does not start:\n{yaml}\n{}", logs.lock())
        };
        Self { child, folder, address: SocketAddr::from(([127, 0, 0, 1], port)), logs }
    }

    /// What it logged so far.
    pub fn logs(&self) -> String {
        self.logs.lock().clone()
    }

    /// Its metrics.
    pub async fn metrics(&self) -> String {
        get(self.address, "/metrics").await
    }

    /// The sum of the values of a metric.
    pub async fn metric(&self, name: &str) -> f64 {
        self.metric_of(name, &[]).await
    }

    /// The sum of those values that have these labels, each written as `name="value"`.
    pub async fn metric_of(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.metrics().await;
        let is_it = |line: &&str| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']));
            rest.is_some_and(|rest| labels.iter().all(|label| rest.contains(label)))
        };
        let values = text.lines().filter(is_it).filter_map(|line| line.rsplit(' ').next());
        values.map(|value| value.parse::<f64>().unwrap()).sum()
    }

    /// Waits until such a sum is this.
    ///
    /// # Panics
    /// If it does not come to that in time.
    pub async fn until_metric(&self, name: &str, labels: &[&str], expected: f64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.metric_of(name, labels).await;
            // Counts, which are whole numbers.
            if (value - expected).abs() < 0.5 {
                return;
            }
            assert!(Instant::now() < deadline, "{name}{labels:?} is {value}, never {expected}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Its resident memory in bytes, and the most that it ever had.
    pub fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
            kib << 10
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "of a test that failed")]
            {
                eprintln!("the gateway's log:\n{}", self.logs.lock());
            }
        }
    }
}
