//! A query through each gateway, and to the service alone.

use std::time::Duration;

use super::subject::{Kind, Service, Subject, has_node_peers};
use crate::{load, process::Cpu};

const ROUNDS: usize = 3;
const TIME: Duration = Duration::from_secs(3);

struct Side {
    name: &'static str,
    address: String,
    /// Of a gateway.
    pid: Option<u32>,
    rates: Vec<f64>,
    p50: Vec<Duration>,
    p99: Vec<Duration>,
    cpu: Duration,
    replies: usize,
}

/// All in turns.
pub async fn run(artesian: Option<&str>) {
    println!(
        "\nquery ($id: ID!) {{ item(id: $id) {{ id name price }} }} over HTTP, closed loop, {ROUNDS} \
         rounds of {TIME:?} in turns, medians\n{:>11}  {:<24} {:>9} {:>12} {:>9} {:>9} {:>10} {:>22}",
        "connections",
        "",
        "rate",
        "of service's",
        "p50",
        "p99",
        "added p50",
        "CPU of gateway, each"
    );
    let service = Service::start().await;
    let mut subjects = Vec::new();
    if artesian.is_some() {
        subjects.push(Subject::start(Kind::Artesian("per-client"), artesian).await);
    }
    if has_node_peers() {
        for kind in [Kind::Mercurius, Kind::Hive] {
            subjects.push(Subject::start(kind, artesian).await);
        }
    }
    for connections in [1, 16, 64] {
        let mut sides = vec![Side::new("the service alone", service.http(), None)];
        for subject in &subjects {
            sides.push(Side::new(subject.kind.name(), &subject.address, Some(subject.pid)));
        }
        for round in 0..=ROUNDS {
            for side in &mut sides {
                side.round(connections, round > 0).await;
            }
        }
        let (rate, p50) = (median(&mut sides[0].rates), median(&mut sides[0].p50));
        for side in &mut sides {
            side.print(connections, rate, p50);
        }
    }
}

impl Side {
    fn new(name: &'static str, address: &str, pid: Option<u32>) -> Self {
        Self {
            name,
            address: address.to_owned(),
            pid,
            rates: Vec::new(),
            p50: Vec::new(),
            p99: Vec::new(),
            cpu: Duration::ZERO,
            replies: 0,
        }
    }

    /// The first warms up and does not count.
    async fn round(&mut self, connections: usize, counts: bool) {
        let before = self.pid.map(Cpu::of);
        let report = load::run(&self.address, "/graphql", connections, TIME, body).await;
        if counts {
            let used = self.pid.zip(before).map(|(pid, before)| Cpu::of(pid).since(before).total());
            self.cpu += used.unwrap_or_default();
            self.replies += report.latencies.len();
            self.rates.push(report.rate);
            self.p50.push(report.percentile(50));
            self.p99.push(report.percentile(99));
        }
    }

    fn print(&mut self, connections: usize, service_rate: f64, service_p50: Duration) {
        let (rate, p50, p99) =
            (median(&mut self.rates), median(&mut self.p50), median(&mut self.p99));
        let us = |time: Duration| format!("{:.0} µs", time.as_secs_f64() * 1e6);
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        let each = us(Duration::from_secs_f64(self.cpu.as_secs_f64() / self.replies as f64));
        let (added, each) = match self.pid {
            Some(_) => (us(p50.saturating_sub(service_p50)), each),
            None => Default::default(),
        };
        println!(
            "{connections:>11}  {:<24} {:>9} {:>12.2} {:>9} {:>9} {added:>10} {each:>22}",
            self.name,
            format!("{rate:.0}/s"),
            rate / service_rate,
            us(p50),
            us(p99),
        );
    }
}

fn median<T: PartialOrd + Copy>(values: &mut [T]) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values[values.len() / 2]
}

fn body(n: usize) -> String {
    let id = n.wrapping_mul(7919) % 100_000;
    format!(
        "{{\"query\":\"query ($id: ID!) {{ item(id: $id) {{ id name price }} }}\",\
         \"variables\":{{\"id\":\"{id}\"}}}}"
    )
}
