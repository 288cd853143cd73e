//! One event of the service to many clients of each gateway.

use std::{path::PathBuf, time::Duration};

use super::subject::{Kind, Subject, has_node_peers};
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
    subject: Subject,
    swarm: Swarm,
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
        "\n{}\n{:<24} {:>28} {:>7} {:>12} {:>24} {:>11} {:>24}",
        match who {
            Who::Anonymous => "anonymous clients",
            Who::Distinct => "clients of whom each sends another payload with connection_init",
        },
        "",
        "CPU (user + system)",
        "ratio",
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
    // The first round warms up.
    for round in 0..=ROUNDS {
        for run in &mut runs {
            run.round(clients, &mut number, round > 0).await;
        }
    }
    let base: Option<Vec<Duration>> = runs
        .first()
        .filter(|run| matches!(run.subject.kind, Kind::Artesian(_)))
        .map(|run| run.rounds.iter().map(|cpu| cpu.total()).collect());
    for run in &mut runs {
        run.print(clients, base.as_deref());
    }
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
        let mut swarm = Swarm::start_as(
            &subject.address,
            (who == Who::Distinct).then_some(payloads.as_path()),
        );
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

    fn print(&mut self, clients: usize, base: Option<&[Duration]>) {
        let mut cpu = Cpu::default();
        for &round in &self.rounds {
            cpu += round;
        }
        let messages = self.late.len();
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let each = |time: Duration| time.as_secs_f64() * 1e6 / messages as f64;
        let (mut ratio, mut by_rounds) = (String::new(), String::new());
        if let Some(base) = base {
            let of = |(a, b): (&Cpu, &Duration)| a.total().as_secs_f64() / b.as_secs_f64();
            let mut ratios: Vec<f64> = self.rounds.iter().zip(base).map(of).collect();
            ratios.sort_by(f64::total_cmp);
            let all = cpu.total().as_secs_f64() / base.iter().sum::<Duration>().as_secs_f64();
            ratio = format!("{all:.1}");
            by_rounds = format!("{:.1}–{:.1}", ratios[0], ratios[ratios.len() - 1]);
        }
        self.late.sort();
        let late = |percent: usize| {
            self.late[(messages * percent / 100).min(messages - 1)].as_secs_f64() * 1e3
        };
        let [sockets, all_sockets, operations, all_operations] = self.counts;
        println!(
            "{:<24} {:>28} {ratio:>7} {by_rounds:>12} {:>24} {:>11.1} {:>24}",
            self.subject.kind.name(),
            format!(
                "{:.2} µs ({:.2} + {:.2})",
                each(cpu.total()),
                each(cpu.user),
                each(cpu.system)
            ),
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

/// A file with what each client says of itself.
fn payloads(clients: usize) -> PathBuf {
    let file = std::env::temp_dir().join(format!("artesian-bench-{}.inits", std::process::id()));
    let lines: String =
        (0..clients).map(|number| format!("{{\"token\":\"client-{number}\"}}\n")).collect();
    std::fs::write(&file, lines).unwrap();
    file
}
