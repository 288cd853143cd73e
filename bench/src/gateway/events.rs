//! One event of the service to many clients of each gateway.

use std::{path::PathBuf, time::Duration};

use super::{
    floor::Floor,
    subject::{Kind, Subject, has_node_peers},
};
use crate::{
    process::{self, Cpu},
    swarm::{Goal, Swarm},
};

const ROUNDS: usize = 5;
/// Events of one round.
const EVENTS: usize = 10;
/// The next event comes no sooner than this after the one before.
const PAUSE: Duration = Duration::from_millis(100);
/// Whoever has not got an event by then has lost it.
const PATIENCE: Duration = Duration::from_secs(20);
/// Connections on their way at a time.
const AT_A_TIME: usize = 64;

/// Who the clients are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    /// They say nothing of themselves.
    Anonymous,
    /// Each sends another payload with `connection_init`.
    Distinct,
}

/// One gateway with its clients, and what was measured of it.
struct Run {
    // Ends before the gateway does: it takes a lost socket for a failure.
    swarm: Swarm,
    subject: Subject,
    kib_each: f64,
    counts: [usize; 4],
    rounds: Vec<Cpu>,
    late: Vec<Duration>,
    lost: usize,
    strays: u64,
}

/// Both modes.
pub async fn run(artesian: Option<&str>, clients: usize) {
    println!(
        "one event of a service to {clients} clients, {} times, each when all have the one before; \
         CPU time of the gateway for each message that arrived",
        ROUNDS * EVENTS
    );
    for who in [Who::Anonymous, Who::Distinct] {
        let mut kinds = Vec::new();
        if artesian.is_some() {
            kinds.push(Kind::Artesian("per-client"));
            if who == Who::Distinct {
                kinds.push(Kind::Artesian("extension"));
            }
        }
        if has_node_peers() {
            kinds.extend([Kind::Mercurius, Kind::Hive]);
        }
        mode(artesian, &kinds, who, clients).await;
    }
}

async fn mode(artesian: Option<&str>, kinds: &[Kind], who: Who, clients: usize) {
    println!(
        "\n{}\n{:<24} {:>28} {:>13} {:>12} {:>24} {:>11} {:>24}",
        match who {
            Who::Anonymous => "anonymous clients",
            Who::Distinct => "clients of whom each sends another payload with connection_init",
        },
        "",
        "CPU (user + system)",
        "ratio (user)",
        "by rounds",
        "late: p50, p99, last",
        "KiB/client",
        "upstream: subs, sockets"
    );
    let mut runs = Vec::new();
    let mut number = 0;
    for &kind in kinds {
        runs.push(Run::start(kind, artesian, who, clients, &mut number).await);
    }
    let mut floor = Floor::start(clients).await;
    let mut least = Vec::new();
    // The first round warms up.
    for round in 0..=ROUNDS {
        for run in &mut runs {
            run.round(clients, &mut number, round > 0).await;
        }
        let used = floor.round(clients, EVENTS).await;
        if round > 0 {
            least.push(used);
        }
    }
    let base: Option<Vec<Cpu>> = runs
        .first()
        .filter(|run| matches!(run.subject.kind, Kind::Artesian(_)))
        .map(|run| run.rounds.clone());
    for run in &mut runs {
        run.print(clients, base.as_deref());
    }
    let messages = clients * ROUNDS * EVENTS;
    println!(
        "{:<24} {} {}",
        "a bare loop of `write`",
        each(&least, messages),
        ratios(&least, base.as_deref())
    );
}

impl Run {
    async fn start(
        kind: Kind,
        artesian: Option<&str>,
        who: Who,
        clients: usize,
        number: &mut u64,
    ) -> Self {
        let subject = Subject::start(kind, artesian).await;
        process::settled(subject.pid).await;
        let before = process::resident(subject.pid);
        let payloads = payloads(clients);
        let mut swarm =
            Swarm::start_as(&subject.address, (who == Who::Distinct).then_some(payloads.as_path()));
        swarm.open(Goal::Ticks, clients, AT_A_TIME).await;
        std::fs::remove_file(payloads).unwrap();
        let mut run = Self {
            subject,
            swarm,
            kib_each: 0.0,
            counts: [0; 4],
            rounds: Vec::new(),
            late: Vec::new(),
            lost: 0,
            strays: 0,
        };
        // Until everybody's subscription has reached the service.
        for attempt in 0.. {
            process::settled(run.subject.pid).await;
            let got = run.event(clients, number).await;
            if got == clients {
                break;
            }
            assert!(attempt < 5, "{}: only {got} clients get events", run.subject.kind.name());
        }
        run.late.clear();
        (run.lost, run.strays) = (0, 0);
        process::settled(run.subject.pid).await;
        run.counts = run.subject.service.counts().await;
        let after = process::resident(run.subject.pid);
        #[expect(clippy::cast_precision_loss, reason = "bytes of one machine")]
        let kib = after.saturating_sub(before) as f64 / 1024.0 / clients as f64;
        run.kib_each = kib;
        run
    }

    /// How many clients got it.
    async fn event(&mut self, clients: usize, number: &mut u64) -> usize {
        *number += 1;
        self.swarm.expect(*number).await;
        self.subject.service.fire(*number).await;
        let (late, strays) = self.swarm.ticked(clients, PATIENCE).await;
        self.lost += clients - late.len();
        self.strays += strays;
        let got = late.len();
        self.late.extend(late);
        got
    }

    async fn round(&mut self, clients: usize, number: &mut u64, counts: bool) {
        process::settled(self.subject.pid).await;
        let latencies = self.late.len();
        let before = Cpu::of(self.subject.pid);
        for _ in 0..EVENTS {
            let next = tokio::time::Instant::now() + PAUSE;
            self.event(clients, number).await;
            tokio::time::sleep_until(next).await;
        }
        let used = Cpu::of(self.subject.pid).since(before);
        if counts {
            self.rounds.push(used);
        } else {
            self.late.truncate(latencies);
        }
    }

    fn print(&mut self, clients: usize, base: Option<&[Cpu]>) {
        let messages = self.late.len();
        self.late.sort();
        let late = |percent: usize| {
            self.late[(messages * percent / 100).min(messages - 1)].as_secs_f64() * 1e3
        };
        let [sockets, all_sockets, operations, all_operations] = self.counts;
        println!(
            "{:<24} {} {} {:>24} {:>11.1} {:>24}",
            self.subject.kind.name(),
            each(&self.rounds, messages),
            ratios(&self.rounds, base),
            format!("{:.0}, {:.0}, {:.0} ms", late(50), late(99), late(100)),
            self.kib_each,
            format!("{operations}, {sockets}"),
        );
        if all_sockets != sockets || all_operations != operations {
            println!("  in all {all_operations} subscriptions and {all_sockets} sockets upstream");
        }
        let expected = clients * ROUNDS * EVENTS;
        if messages != expected || self.strays > 0 {
            println!(
                "  {messages} of {expected} messages arrived; {} were lost or later than {PATIENCE:?} \
                 (warming up included), {} came twice or when none was expected",
                self.lost, self.strays
            );
        }
    }
}

fn sum(rounds: &[Cpu]) -> Cpu {
    let mut sum = Cpu::default();
    for &round in rounds {
        sum += round;
    }
    sum
}

/// CPU time for each message.
fn each(rounds: &[Cpu], messages: usize) -> String {
    let cpu = sum(rounds);
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let one = |time: Duration| time.as_secs_f64() * 1e6 / messages as f64;
    let text =
        format!("{:.2} µs ({:.2} + {:.2})", one(cpu.total()), one(cpu.user), one(cpu.system));
    format!("{text:>28}")
}

/// How much more than Artesian: in all, in user mode, and in the rounds with the least and the most.
fn ratios(rounds: &[Cpu], base: Option<&[Cpu]>) -> String {
    let Some(base) = base else { return format!("{:>13} {:>12}", "", "") };
    let of = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    let mut by_rounds: Vec<f64> =
        rounds.iter().zip(base).map(|(a, b)| of(a.total(), b.total())).collect();
    by_rounds.sort_by(f64::total_cmp);
    let (all, base) = (sum(rounds), sum(base));
    let all = format!("{:.1} ({:.1})", of(all.total(), base.total()), of(all.user, base.user));
    let range = format!("{:.1}–{:.1}", by_rounds[0], by_rounds[by_rounds.len() - 1]);
    format!("{all:>13} {range:>12}")
}

/// A file with what each client says of itself.
fn payloads(clients: usize) -> PathBuf {
    let file = std::env::temp_dir().join(format!("artesian-bench-{}.inits", std::process::id()));
    let lines: String =
        (0..clients).map(|number| format!("{{\"token\":\"client-{number}\"}}\n")).collect();
    std::fs::write(&file, lines).unwrap();
    file
}
