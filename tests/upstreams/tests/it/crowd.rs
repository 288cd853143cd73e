//! A crowd of clients that join, leave and die at random, before a service that delays, breaks, completes
//! and fails at random: at every quiet point the operations at the service are the distinct live pairs of
//! operation and identity, and nobody ever gets what is another's.

use std::{collections::BTreeSet, time::Duration};

use artesian_isolation::common::LIMIT;
use artesian_oracle::{random::Random, servers::setting};
use artesian_upstreams::{
    client::{Caller, Client, End, Log, Operation, Transport},
    gateway::Source,
    script::{Act, Door, Reply},
};
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::support::World;

/// How often things happen between two quiet points.
const ROUND: usize = 40;
/// Clients at a time.
const CLIENTS: usize = 24;

struct Running {
    topic: String,
    operation: Operation,
    /// Results that were checked.
    checked: usize,
    /// The last number of a result.
    last: u64,
    /// Something has happened after which it may have ended.
    may_end: bool,
}

struct Member {
    client: Client,
    caller: Caller,
    who: String,
    running: Vec<Running>,
}

struct Crowd {
    world: World,
    random: Random,
    members: Vec<Member>,
    serial: u64,
    tally: Tally,
    /// Topics and headers whose operations may have ended in this round. Who joins one that is about to
    /// end ends with it.
    suspects: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Tally {
    joined: usize,
    started: usize,
    results: usize,
    ended: usize,
    shared: usize,
    cuts: usize,
}

impl Running {
    /// Looks at what came since the last time.
    fn check(&mut self, who: &str, what: &str, tally: &mut Tally) {
        let Self { topic, operation, checked, last, may_end } = self;
        operation.log.with(|log: &mut Log| {
            for result in &log.results[*checked..] {
                let own = &result["data"]["feed"];
                if result["errors"][0]["message"] == "their own" {
                    // On an event stream errors are a result like any other.
                    assert!(*may_end && own.is_null(), "{what}: {result}");
                    continue;
                }
                assert!(
                    own["topic"] == **topic && own["who"] == *who,
                    "{what}: {who} of {topic} got what is another's: {result}"
                );
                let n = own["n"].as_u64().unwrap();
                assert!(*last < n, "{what}: {who} of {topic}: {n} after {last}");
                *last = n;
                tally.results += 1;
            }
            *checked = log.results.len();
            assert!(log.faults.is_empty(), "{what}: {:?}", log.faults);
            assert!(!matches!(log.end, Some(End::Cut(_))), "{what}: {:?}", log.end);
            let is_good = log.end.is_none() || *may_end || log.is_stopped;
            assert!(is_good, "{what}: {who} of {topic} has no reason to end: {:?}", log.end);
        });
    }

    fn is_over(&self) -> bool {
        self.operation.log.with(|log| log.end.is_some() || log.is_stopped)
    }
}

fn caller(random: &mut Random) -> Caller {
    let header = format!("t{}", random.below(4));
    match random.below(4) {
        0 => Caller::default(),
        1 => Caller::token(&format!("p{}", random.below(2))),
        2 => Caller::header(&header).and_token(&format!("p{}", random.below(2))),
        _ => Caller::header(&header),
    }
}

impl Crowd {
    fn suspect(&mut self, name: &str) {
        self.suspects.insert(name.to_owned());
    }

    async fn step(&mut self) {
        let topic = format!("q{}", self.random.below(4));
        let member = self.random.below(self.members.len());
        match self.random.below(40) {
            0..=9 if self.members.len() < CLIENTS => {
                let transport = *self.random.pick(&Transport::ALL);
                let caller = caller(&mut self.random);
                let client = self.world.connect(transport, &caller).await;
                let who = self.world.who(transport, &caller);
                self.tally.joined += 1;
                self.members.push(Member { client, caller, who, running: Vec::new() });
            }
            0..=19 if !self.members.is_empty() => {
                let member = &mut self.members[member];
                let operation = member.client.subscribe(&topic).await;
                self.tally.started += 1;
                let may_end = false;
                member.running.push(Running { topic, operation, checked: 0, last: 0, may_end });
            }
            20..=22 if !self.members.is_empty() => {
                let member = &mut self.members[member];
                let live = member.running.iter_mut().filter(|running| !running.is_over());
                if let Some(running) = live.last() {
                    member.client.stop(&running.operation).await;
                }
            }
            23 if !self.members.is_empty() => {
                self.members.swap_remove(member).client.kill().await;
            }
            24 if !self.members.is_empty() => {
                self.members.swap_remove(member).client.close().await;
            }
            25..=31 => {
                self.serial += 1;
                self.world.service.emit(&topic, self.serial);
            }
            32 => {
                self.suspect(&topic);
                self.world.service.tell(|live| live.topic == topic, &Act::Complete);
            }
            33 => {
                self.suspect(&topic);
                let errors = Act::Errors(r#"[{"message":"their own"}]"#.into());
                self.world.service.tell(|live| live.topic == topic, &errors);
            }
            34 | 35 => {
                let live = self
                    .world
                    .service
                    .state
                    .with(|state| state.alive().map(|live| live.number).collect::<Vec<_>>());
                if !live.is_empty() {
                    let number = *self.random.pick(&live);
                    let act = match self.random.below(4) {
                        0 => Act::CutInside,
                        1 => Act::Close(1001),
                        2 => Act::Close(1012),
                        _ => Act::Cut,
                    };
                    self.tally.cuts += 1;
                    self.world.service.tell(|live| live.number == number, &act);
                }
            }
            36 => {
                // One identity is turned away for a while.
                let header = format!("t{}", self.random.below(4));
                let status = *self.random.pick(&[401, 403, 404]);
                let door = Door::Reply(Reply::whole(status, "text/html", "<html>"));
                self.suspect(&header);
                self.world.service.door(&header, door);
            }
            37 => self.world.service.state.with(|state| state.doors.clear()),
            _ => tokio::task::yield_now().await,
        }
        for member in &mut self.members {
            let header = member.caller.header.as_deref().unwrap_or_default();
            for running in &mut member.running {
                running.may_end |= self.suspects.contains(&running.topic);
                running.may_end |= self.suspects.contains(header);
            }
        }
    }

    /// The pairs of operation and identity that clients have.
    fn distinct(&self) -> BTreeSet<(String, String)> {
        let mut all = BTreeSet::new();
        for member in &self.members {
            for running in member.running.iter().filter(|running| !running.is_over()) {
                all.insert((running.topic.clone(), member.who.clone()));
            }
        }
        all
    }

    async fn quiet(&mut self, what: &str) {
        self.world.service.state.with(|state| state.doors.clear());
        // Operations may end while this is waited for, so it is looked at anew each time.
        let this = &*self;
        let mut missing = String::new();
        let found = this.world.service.state.until(|state| {
            let live: Vec<(String, String)> =
                state.alive().map(|l| (l.topic.clone(), l.who.clone())).collect();
            let distinct = this.distinct();
            let set: BTreeSet<_> = live.iter().cloned().collect();
            missing = format!("at the service: {live:?}\nof clients: {distinct:?}");
            (live.len() == set.len() && set == distinct).then_some(())
        });
        let found = found.await;
        assert!(found.is_some(), "{what}: never quiet\n{missing}\n{}", self.world.gateway.logs());
        // Now everybody hears of everything, until it ends.
        for n in 0..4 {
            let topic = format!("q{n}");
            let (first, serial) = (self.serial + 1, &mut self.serial);
            let members = &self.members;
            let missing = || {
                members.iter().find_map(|member| {
                    let mut own = member.running.iter().filter(|running| running.topic == topic);
                    let misses = own.any(|running| {
                        running.operation.log.with(|log| {
                            let last = log.results.last();
                            let last = last.and_then(|last| last["data"]["feed"]["n"].as_u64());
                            last.is_none_or(|n| n < first) && log.end.is_none() && !log.is_stopped
                        })
                    });
                    misses.then(|| member.who.clone())
                })
            };
            let deadline = Instant::now() + LIMIT;
            // Again and again: who is added to an operation that is alive is not seen from here.
            while let Some(who) = missing() {
                assert!(Instant::now() < deadline, "{what}: {who} of {topic} hears nothing");
                *serial += 1;
                self.world.service.emit(&topic, *serial);
                let pause = Instant::now() + Duration::from_millis(20);
                while Instant::now() < pause && missing().is_some() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
        // The gateway counts the same.
        let deadline = Instant::now() + LIMIT;
        loop {
            let counted = self.world.gateway.metric("artesian_upstream_subscriptions").await;
            let distinct = self.distinct().len();
            if counted == distinct as f64 {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "{what}: {counted} are counted, {distinct} are there"
            );
        }
        for member in &mut self.members {
            for running in &mut member.running {
                running.check(&member.who, what, &mut self.tally);
            }
            self.tally.ended += member.running.iter().filter(|running| running.is_over()).count();
            member.running.retain(|running| !running.is_over());
            self.tally.shared += member.running.len();
            // The next round knows nothing of this one.
            for running in &mut member.running {
                running.may_end = false;
            }
        }
        self.suspects.clear();
        self.tally.shared -= self.distinct().len();
        assert_eq!(self.world.service.state.with(|state| state.faults.clone()), [""; 0], "{what}");
    }
}

async fn run(protocol: &'static str, seed: u64, steps: usize) {
    let what = format!("{protocol}, seed {seed}");
    say(&format!("{what}, {steps} steps"));
    let source = Source::new(protocol).graphql(
        "retry: { attempts: 6, first: 1ms, longest: 20ms }\ncircuit: { failures: 0 }\n\
         timeouts: { idle: 50ms }",
    );
    let world = World::new(&source).await;
    let random = Random::new(seed);
    let mut crowd = Crowd {
        world,
        random,
        members: Vec::new(),
        serial: 0,
        tally: Tally::default(),
        suspects: BTreeSet::new(),
    };
    for round in 0..steps.div_ceil(ROUND) {
        for _ in 0..ROUND {
            crowd.step().await;
        }
        crowd.quiet(&format!("{what}, round {round}")).await;
    }
    for member in crowd.members.drain(..) {
        member.client.kill().await;
    }
    crowd.world.service.empty().await;
    say(&format!("{what}: {:?}", crowd.tally));
    let Tally { joined, started, results, ended, shared, cuts } = crowd.tally;
    assert!(
        joined > 10 && started > steps / 8 && results > steps / 4,
        "{what}: too little happened"
    );
    assert!(ended > 0 && shared > 0 && cuts > 0, "{what}: too little happened");
    empty(&crowd.world, &what).await;
    crowd.world.end().await;
}

/// Nothing is left in the gateway either.
async fn empty(world: &World, what: &str) {
    let gauges = [
        "artesian_connections",
        "artesian_operations_active",
        "artesian_upstream_connections",
        "artesian_upstream_subscriptions",
    ];
    let deadline = Instant::now() + LIMIT;
    loop {
        let text = world.gateway.metrics().await;
        let mut left = Vec::new();
        for gauge in gauges {
            let own: Vec<&str> =
                text.lines().filter(|line| line.starts_with(&format!("{gauge}{{"))).collect();
            assert!(!own.is_empty(), "there is no {gauge}");
            // The connection that asks is one.
            let is_left = |line: &&str| {
                !line.ends_with(" 0") && *line != "artesian_connections{transport=\"http\"} 1"
            };
            left.extend(own.into_iter().filter(is_left).map(str::to_owned));
        }
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: left at the end: {left:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[expect(clippy::print_stdout, reason = "the output of a test")]
fn say(text: &str) {
    println!("{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_over_every_transport() {
    let seed = setting("UPSTREAMS_SEED", 1);
    let steps = usize::try_from(setting("UPSTREAMS_STEPS", 1000)).unwrap();
    let running = artesian_upstreams::gateway::PROTOCOLS
        .map(|protocol| tokio::spawn(run(protocol, seed, steps)));
    for one in join_all(running).await {
        one.unwrap();
    }
}
