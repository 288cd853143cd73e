//! A service behind Artesian and behind gateways written in Node: what an event to many clients costs
//! each of them, and a query.

mod events;
mod floor;
mod queries;
mod service;
mod subject;

use rustix::time::{ClockId, clock_gettime};

pub use self::service::serve;

/// Clients of the comparison, if nothing else is said.
const CLIENTS: usize = 5_000;

/// Measures everything. `artesian`: its path, or `--peers-only`.
pub async fn run(artesian: &str, clients: Option<&str>) {
    let artesian = (artesian != "--peers-only").then_some(artesian);
    if artesian.is_none() {
        println!("without artesian, as is asked for");
    }
    let clients = clients.map_or(CLIENTS, |clients| clients.parse().unwrap());
    events::run(artesian, clients).await;
    queries::run(artesian).await;
}

/// Nanoseconds on a clock that all processes of the machine share.
#[expect(clippy::cast_sign_loss, reason = "the time since the machine's start")]
pub fn clock() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
