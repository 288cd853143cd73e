//! Who shares an operation at the service, and what those get who join later, by the setting `sharing`.
//! Whatever it is, nobody gets what was made for another identity.

use artesian_upstreams::{
    client::{Caller, Transport},
    gateway::{PROTOCOLS, Source},
    script::Act,
};
use futures_util::future::join_all;

use crate::support::{Single, World, living, living_as};

const JOINED: &str = "artesian_upstream_subscribers_joined_total";
const SHARED: &str = "subscription=\"shared\"";

/// Runs a test over every upstream transport.
async fn everywhere(sharing: &str, test: impl AsyncFn(World)) {
    join_all(PROTOCOLS.map(async |protocol| {
        let source = Source::new(protocol).subscriptions(&format!("sharing: {sharing}"));
        test(World::new(&source).await).await;
    }))
    .await;
}

fn a() -> Caller {
    Caller::header("a")
}

fn b() -> Caller {
    Caller::header("b")
}

/// One of each transport, with equal operations.
async fn of_every_transport(world: &World, caller: &Caller) -> Vec<Single> {
    join_all(Transport::ALL.map(|transport| Single::new(world, transport, caller, "x"))).await
}

impl World {
    /// Waits until so many clients have joined what was there, which nothing at the service tells of.
    async fn joined(&self, count: u32) {
        self.gateway.until_metric(JOINED, &[SHARED], f64::from(count)).await;
    }

    /// Sends the next result for all that is alive, each for its own client.
    fn emit(&self, n: u64, operations: usize) {
        assert_eq!(self.service.emit("x", n), operations, "{}", self.protocol);
    }
}

/// The results that came so far are these, and the last one with this index is awaited.
async fn check(single: &Single, expected: &[u64]) {
    let last = expected.len() - 1;
    single.check(last).await;
    let results = single.operation.log.with(|log| log.results.clone());
    let numbers = results.iter().map(|result| result["data"]["feed"]["n"].as_u64().unwrap());
    assert_eq!(numbers.collect::<Vec<_>>(), expected, "{:?}", single.client.transport);
    for result in &results {
        assert_eq!(result["data"]["feed"]["who"], single.who);
        assert!(result["extensions"].is_null(), "{result}");
    }
}

async fn leave(world: World, all: Vec<Single>) {
    for single in all {
        single.operation.log.with(|log| assert!(log.faults.is_empty() && log.end.is_none()));
        single.client.kill().await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_from_then_on() {
    everywhere("events", async |world| {
        let mut all = of_every_transport(&world, &a()).await;
        living(&world.service, "x", 1).await;
        world.joined(4).await;
        world.emit(1, 1);
        for single in &all {
            check(single, &[1]).await;
        }
        let late = of_every_transport(&world, &a()).await;
        let others = of_every_transport(&world, &b()).await;
        world.joined(4 + 5 + 4).await;
        living_as(&world.service, "x", &[all[0].who.clone(), others[0].who.clone()]).await;
        world.emit(2, 2);
        world.emit(3, 2);
        for single in &all {
            check(single, &[1, 2, 3]).await;
        }
        for single in late.iter().chain(&others) {
            check(single, &[2, 3]).await;
        }
        assert_eq!(world.service.begun("x").len(), 2, "{}", world.protocol);
        all.extend(late);
        all.extend(others);
        leave(world, all).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_latest_result_is_there_at_once() {
    everywhere("latest", async |world| {
        let mut all = of_every_transport(&world, &a()).await;
        living(&world.service, "x", 1).await;
        world.joined(4).await;
        world.emit(1, 1);
        world.emit(2, 1);
        for single in &all {
            check(single, &[1, 2]).await;
        }
        // The service sends nothing meanwhile.
        let late = of_every_transport(&world, &a()).await;
        for single in &late {
            check(single, &[2]).await;
        }
        // What is latest for one is nothing for another.
        let others = of_every_transport(&world, &b()).await;
        world.joined(4 + 5 + 4).await;
        living_as(&world.service, "x", &[all[0].who.clone(), others[0].who.clone()]).await;
        world.emit(3, 2);
        for single in &late {
            check(single, &[2, 3]).await;
        }
        for single in &others {
            check(single, &[3]).await;
        }
        assert_eq!(world.service.begun("x").len(), 2, "{}", world.protocol);
        // Nor is it kept for those who come when all have left.
        for single in all.drain(..).chain(late) {
            single.client.kill().await;
        }
        living_as(&world.service, "x", &[others[0].who.clone()]).await;
        let again = Single::new(&world, Transport::TransportWs, &a(), "x").await;
        living(&world.service, "x", 2).await;
        world.emit(4, 2);
        check(&again, &[4]).await;
        all.extend(others);
        all.push(again);
        leave(world, all).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_has_an_operation_of_their_own() {
    everywhere("none", async |world| {
        let mut all = of_every_transport(&world, &a()).await;
        all.extend(of_every_transport(&world, &b()).await);
        let mut expected: Vec<String> = all.iter().map(|single| single.who.clone()).collect();
        expected.sort();
        living_as(&world.service, "x", &expected).await;
        // Each operation's results go to one client.
        let numbers: Vec<usize> =
            world.service.state.with(|state| state.alive().map(|live| live.number).collect());
        for number in &numbers {
            let act = Act::Event(u64::try_from(*number).unwrap());
            assert_eq!(world.service.tell(|live| live.number == *number, &act), 1);
        }
        let mut heard = Vec::new();
        for single in &all {
            single.check(0).await;
            let results = single.operation.log.with(|log| log.results.clone());
            heard.push(usize::try_from(results[0]["data"]["feed"]["n"].as_u64().unwrap()).unwrap());
        }
        heard.sort_unstable();
        assert_eq!(heard, numbers, "{}", world.protocol);
        // Whoever leaves ends their own alone.
        let gone = all.remove(0);
        gone.client.kill().await;
        living(&world.service, "x", all.len()).await;
        world.emit(99, all.len());
        for single in &all {
            single.check(1).await;
            let results = single.operation.log.with(|log| log.results.clone());
            assert_eq!((results.len(), &results[1]["data"]["feed"]["n"]), (2, &99.into()));
        }
        assert_eq!(world.service.begun("x").len(), 10, "{}", world.protocol);
        assert!(world.gateway.metric_of(JOINED, &[SHARED]).await < 0.5);
        leave(world, all).await;
    })
    .await;
}
