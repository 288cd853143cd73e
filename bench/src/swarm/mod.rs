//! Ten thousand clients in a process of their own, so that neither their memory nor their CPU time
//! is counted with anybody else's. One thread: the other core is the server's.
//!
//! The process takes orders on its standard input, one a line, and answers each with a line.

mod client;
mod orders;

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

pub use self::orders::obey;

/// How far a client goes when it connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// A TCP connection on which frames come without being asked for.
    Raw,
    /// An acknowledged WebSocket without operations.
    Acknowledged,
    /// A live query, and its first result. Clients are dealt out to as many queries as this.
    Live(usize),
    /// A subscription to the events of the gateway's benchmark has been sent; whether it has arrived
    /// anywhere is not known before the first event.
    Ticks,
}

/// A running swarm; all its sockets are gone when it is dropped.
pub struct Swarm {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// What opening connections took.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// Until the last client had reached its goal.
    pub took: Duration,
    /// Attempts that failed and were repeated.
    pub retries: u64,
}

impl Swarm {
    /// Starts a process without clients.
    pub fn start(address: &str) -> Self {
        Self::start_as(address, None)
    }

    /// The same with clients that say who they are: a file with payloads of `connection_init`, one a
    /// line, which are dealt out to them.
    pub fn start_as(address: &str, payloads: Option<&Path>) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["swarm", address])
            .args(payloads)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, orders, answers }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    async fn order(&mut self, order: &str) -> Vec<u64> {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        let answer = self.answers.next_line().await.unwrap().expect("the swarm answers");
        answer.split_whitespace().map(|n| n.parse().unwrap()).collect()
    }

    /// Connects `count` more clients, at most `at_a_time` of them on their way at the same time, and
    /// waits until all have reached their goal.
    pub async fn open(&mut self, goal: Goal, count: usize, at_a_time: usize) -> Opened {
        let goal = match goal {
            Goal::Raw => "raw 0".to_owned(),
            Goal::Acknowledged => "acknowledged 0".to_owned(),
            Goal::Live(queries) => format!("live {queries}"),
            Goal::Ticks => "ticks 0".to_owned(),
        };
        let started = Instant::now();
        let answer = self.order(&format!("open {goal} {count} {at_a_time}")).await;
        Opened { took: started.elapsed(), retries: answer[0] }
    }

    /// The same, but every client leaves when it has reached its goal.
    pub async fn visit(&mut self, goal: Goal, count: usize, at_a_time: usize) -> Opened {
        let Goal::Live(queries) = goal else { panic!("visitors ask for something") };
        let started = Instant::now();
        let answer = self.order(&format!("visit live {queries} {count} {at_a_time}")).await;
        Opened { took: started.elapsed(), retries: answer[0] }
    }

    /// Waits until so many results in total have arrived since the start.
    pub async fn received(&mut self, results: u64) {
        let got = self.order(&format!("received {results}")).await[0];
        assert_eq!(got, results, "more results came than there were");
    }

    /// From now on this event is expected.
    pub async fn expect(&mut self, number: u64) {
        self.order(&format!("expect {number}")).await;
    }

    /// Waits until so many clients have the event that is expected, but no longer than `within`: how
    /// late it came at each that has it, and how many events came that were not expected.
    pub async fn ticked(&mut self, clients: usize, within: Duration) -> (Vec<Duration>, u64) {
        let answer = self.order(&format!("ticked {clients} {}", within.as_millis())).await;
        (answer[1..].iter().map(|&ns| Duration::from_nanos(ns)).collect(), answer[0])
    }

    /// All sockets are lost at once, without a closing handshake.
    pub async fn lose_all(&mut self) {
        self.order("lose").await;
    }
}
