//! Databases, processes and the simplest HTTP client.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    time::Duration,
};

use artesian_sqlite::rusqlite::Connection;

/// Nothing takes that long unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that goes away with this value.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("artesian-cli-{}-{number}", std::process::id());
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(&root).unwrap();
        Self(root)
    }

    /// One with a small database, `shop.db`.
    pub fn with_shop() -> Self {
        let scratch = Self::new();
        scratch.sql(
            "CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
             CREATE TABLE book (
                 id INTEGER PRIMARY KEY, title TEXT NOT NULL,
                 author_id INTEGER REFERENCES author
             );
             INSERT INTO author VALUES (1, 'Ann'), (2, 'Bo');
             INSERT INTO book VALUES (1, 'Wells', 1);",
        );
        scratch
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Writes a file, in one step for those who look at it.
    pub fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = self.path("being-written");
        fs::write(&new, content).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// Runs statements on the database as another process would: not through Artesian.
    pub fn sql(&self, sql: &str) {
        let connection = Connection::open(self.path("shop.db")).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    /// The binary, in this folder, with an environment that says nothing.
    pub fn artesian(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_artesian"));
        command.args(args).current_dir(&self.0).stdin(Stdio::null());
        for (name, _) in std::env::vars() {
            if name.starts_with("ARTESIAN_") || name.contains("HASURA_") || name.starts_with("PG") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs it to its end, with this on its standard input.
    pub fn run_with(&self, args: &[&str], input: &str) -> Ended {
        let mut command = self.artesian(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ended::of(child.wait_with_output().unwrap())
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Ended {
        Ended::of(self.artesian(args).output().unwrap())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a process left behind.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// A running process; it is killed if the test ends before it.
pub struct Running {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
    /// What of standard error has been read.
    pub logs: String,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = lines(child.stdout.take().unwrap());
        let err = lines(child.stderr.take().unwrap());
        Self { child, out, err, logs: String::new() }
    }

    /// A server over the shop, and its port.
    pub fn serve(scratch: &Scratch, args: &[&str]) -> (Self, u16) {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0", "--shutdown-window", "0"];
        all.extend(["--database-url", "sqlite:shop.db"]);
        all.extend(args);
        let mut server = Self::start(&mut scratch.artesian(&all));
        let line = server.log("listening on http://");
        (server, port(&line))
    }

    /// The next line of standard output.
    pub fn line(&mut self) -> String {
        self.out.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            panic!("no further output; standard error: {}", self.rest_of_logs())
        })
    }

    /// Reads standard error up to the line with this text.
    pub fn log(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.err.recv_timeout(PATIENCE) else {
                panic!("no log line with {text:?} in:\n{}", self.logs);
            };
            self.logs.push_str(&line);
            self.logs.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    fn rest_of_logs(&mut self) -> String {
        while let Ok(line) = self.err.try_recv() {
            self.logs.push_str(&line);
            self.logs.push('\n');
        }
        self.logs.clone()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for its end; gives its status and everything it logged.
    pub fn end(mut self) -> (ExitStatus, String) {
        // Standard error is closed when the process is gone.
        loop {
            match self.err.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.logs.push_str(&line);
                    self.logs.push('\n');
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end:\n{}", self.logs),
            }
        }
        (self.child.wait().unwrap(), std::mem::take(&mut self.logs))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The port of the URL in a line.
pub fn port(line: &str) -> u16 {
    let rest = line.split("http://127.0.0.1:").nth(1).unwrap();
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// Sends a request and reads the whole answer.
pub fn http(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub fn get(port: u16, path: &str) -> String {
    http(port, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
}

pub fn post(port: u16, headers: &str, query: &str) -> String {
    let body = serde_json::json!({ "query": query }).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: \
         application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    http(port, &request)
}
