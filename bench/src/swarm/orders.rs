//! The swarm's own process: takes orders, holds the sockets.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::{Notify, Semaphore},
    task::{JoinSet, LocalSet},
};

use super::client::{Client, Failure};
use crate::gateway::clock;

/// Attempts of one client before the benchmark is given up.
const ATTEMPTS: usize = 50;

#[derive(Clone)]
struct Job {
    address: Rc<str>,
    goal: Rc<str>,
    queries: usize,
    /// Whether the client stays.
    stays: bool,
    turns: Rc<Semaphore>,
    counts: Rc<Counts>,
    /// What clients send as `connection_init`, dealt out to them.
    inits: Rc<[String]>,
}

#[derive(Default)]
struct Counts {
    arrived: Cell<usize>,
    retries: Cell<u64>,
    results: Cell<u64>,
    /// Of clients that follow events: how many have the present one, and how late it came, in ns.
    ticks: RefCell<Ticks>,
    stir: Notify,
}

/// What came of the present event.
#[derive(Default)]
struct Ticks {
    number: u64,
    late: Vec<u64>,
    /// Events that came twice, or when they were no longer expected.
    strays: u64,
}

impl Counts {
    async fn until(&self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            self.stir.notified().await;
        }
    }
}

/// Does what standard input says until it ends.
pub fn obey(address: &str, payloads: Option<&str>) {
    // One client's failure is everybody's.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(1);
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(LocalSet::new().run_until(orders(address.into(), inits(payloads))));
}

fn inits(payloads: Option<&str>) -> Rc<[String]> {
    let Some(file) = payloads else { return [r#"{"type":"connection_init"}"#.to_owned()].into() };
    let payloads = std::fs::read_to_string(file).unwrap();
    payloads
        .lines()
        .map(|payload| format!(r#"{{"type":"connection_init","payload":{payload}}}"#))
        .collect()
}

async fn orders(address: Rc<str>, inits: Rc<[String]>) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let counts = Rc::new(Counts::default());
    let mut clients = JoinSet::new();
    let mut opened = 0;
    while let Some(line) = lines.next_line().await.unwrap() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            [verb @ ("open" | "visit"), goal, queries, count, at_a_time] => {
                let count: usize = count.parse().unwrap();
                let job = Job {
                    address: address.clone(),
                    goal: (*goal).into(),
                    queries: queries.parse().unwrap(),
                    stays: *verb == "open",
                    turns: Rc::new(Semaphore::new(at_a_time.parse().unwrap())),
                    counts: counts.clone(),
                    inits: inits.clone(),
                };
                counts.arrived.set(0);
                counts.retries.set(0);
                for number in opened..opened + count {
                    clients.spawn_local(client(job.clone(), number));
                }
                opened += count;
                counts.until(|counts| counts.arrived.get() == count).await;
                println!("{}", counts.retries.get());
            }
            ["received", results] => {
                let results = results.parse().unwrap();
                counts.until(|counts| counts.results.get() >= results).await;
                println!("{}", counts.results.get());
            }
            ["expect", number] => {
                let number = number.parse().unwrap();
                *counts.ticks.borrow_mut() = Ticks { number, ..Ticks::default() };
                println!("0");
            }
            ["ticked", clients, within] => {
                let (clients, within): (usize, u64) =
                    (clients.parse().unwrap(), within.parse().unwrap());
                let all = counts.until(|counts| counts.ticks.borrow().late.len() >= clients);
                let _ = tokio::time::timeout(Duration::from_millis(within), all).await;
                let ticks = counts.ticks.borrow();
                let late: Vec<_> = ticks.late.iter().map(u64::to_string).collect();
                println!("{} {}", ticks.strays, late.join(" "));
            }
            ["lose"] => {
                clients.shutdown().await;
                opened = 0;
                println!("0");
            }
            _ => panic!("no such order: {line}"),
        }
    }
}

/// One client for the whole of its life.
async fn client(job: Job, number: usize) {
    let Some(mut client) = arrive(&job, number).await else { return };
    // What is aborted from here on is lost, as a phone's connection is.
    client.abandon();
    if !job.stays {
        return;
    }
    if &*job.goal == "ticks" {
        follow(&mut client, &job.counts).await;
    }
    loop {
        match client.results().await {
            Ok(results) => {
                job.counts.results.set(job.counts.results.get() + results);
                job.counts.stir.notify_waiters();
            }
            Err(failure) => panic!("a client that had arrived was lost: {failure}"),
        }
    }
}

/// Notes each event, for ever.
async fn follow(client: &mut Client, counts: &Counts) {
    let mut last = 0;
    loop {
        let (number, at) = match client.tick().await {
            Ok(tick) => tick,
            Err(failure) => panic!("a client that had arrived was lost: {failure}"),
        };
        let late = clock().saturating_sub(at);
        let mut ticks = counts.ticks.borrow_mut();
        if number == ticks.number && number != last {
            ticks.late.push(late);
        } else {
            ticks.strays += 1;
        }
        last = number;
        drop(ticks);
        counts.stir.notify_waiters();
    }
}

async fn arrive(job: &Job, number: usize) -> Option<Client> {
    for attempt in 0..ATTEMPTS {
        let turn = job.turns.acquire().await.unwrap();
        let result = attempt_once(job, number).await;
        match result {
            Ok(client) => {
                job.counts.arrived.set(job.counts.arrived.get() + 1);
                job.counts.stir.notify_waiters();
                return Some(client);
            }
            Err(failure) => {
                drop(turn);
                let wait = match failure {
                    Failure::Later(seconds) => Duration::from_secs(seconds),
                    Failure::Lost(_) => Duration::from_millis(50 << attempt.min(5)),
                    Failure::Unexpected(what) => panic!("a client is told {what}"),
                };
                job.counts.retries.set(job.counts.retries.get() + 1);
                // Different for each, as clients that are well written do.
                let spread = Duration::from_millis((number * 7919 % 500) as u64);
                tokio::time::sleep(wait + spread).await;
            }
        }
    }
    panic!("a client did not get in with {ATTEMPTS} attempts");
}

async fn attempt_once(job: &Job, number: usize) -> Result<Client, Failure> {
    let mut client = Client::connect(&job.address, number).await?;
    let init = &job.inits[number % job.inits.len()];
    match &*job.goal {
        "raw" => {}
        "acknowledged" => client.acknowledge(init).await?,
        "ticks" => {
            client.acknowledge(init).await?;
            client.follow(number).await?;
        }
        _ => {
            client.acknowledge(init).await?;
            client.subscribe(1 + number % job.queries).await?;
        }
    }
    Ok(client)
}
