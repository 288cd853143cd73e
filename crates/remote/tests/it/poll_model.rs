//! Clients that join, leave and lag, and a service that changes, fails and comes back, at random: at
//! every quiet point the polls are the distinct ones that clients have, and everybody has the present
//! state of what is theirs.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use artesian_remote::{Poll, Transport, Update, Upstream};
use futures_util::{FutureExt, StreamExt};
use proptest::prelude::*;

use crate::support::{
    Service,
    answers::{Answers, Mode, result},
    cases, config, credentials, query, settle,
};

#[derive(Clone, Debug)]
enum Step {
    Join { token: u8, query: u8, interval: u8, detached: bool },
    Leave(usize),
    Read(usize),
    Change { query: u8, n: u64 },
    Fail,
    Delay(u16),
    Recover,
    Wait(u16),
    Quiet,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0_u8..3, 0_u8..3, 1_u8..3, any::<bool>()).prop_map(
            |(token, query, interval, detached)| Step::Join { token, query, interval, detached }
        ),
        5 => any::<usize>().prop_map(Step::Leave),
        4 => any::<usize>().prop_map(Step::Read),
        6 => (0_u8..3, 0_u64..3).prop_map(|(query, n)| Step::Change { query, n }),
        1 => Just(Step::Fail),
        1 => (0_u16..3000).prop_map(Step::Delay),
        1 => Just(Step::Recover),
        5 => (0_u16..3000).prop_map(Step::Wait),
        2 => Just(Step::Quiet),
    ];
    prop::collection::vec(step, 1..60)
}

type Id = (String, String, u8);

struct Client {
    id: Id,
    poll: Poll,
    last: Option<Update>,
}

impl Client {
    /// Reads what is there; at most one thing, since there is only one state.
    fn read(&mut self, changes: &BTreeSet<(String, u64)>) {
        let Some(update) = self.poll.next().now_or_never() else { return };
        let update = update.expect("nothing ends");
        match &update {
            Update::Next(response) => {
                let data = response.data.clone().unwrap();
                let (token, query, _) = &self.id;
                let mine =
                    changes.iter().any(|(of, n)| of == query && data == result(token, query, *n));
                assert!(mine, "nobody gets what is another's: {:?} {data:?}", self.id);
            }
            Update::Failed(_) => {}
            Update::End(end) => panic!("no reason to end: {end:?}"),
        }
        self.last = Some(update);
        assert_eq!(self.poll.next().now_or_never(), None, "one state");
    }
}

struct World {
    service: Arc<Service>,
    answers: Answers,
    upstream: Upstream,
    clients: Vec<Client>,
    /// What each query has ever given.
    changes: BTreeSet<(String, u64)>,
    fails: bool,
}

fn text(n: u8) -> String {
    format!("{{ q{n} }}")
}

impl World {
    fn new() -> Self {
        let service = Arc::new(Service::new());
        let answers = Answers::start(&service);
        let upstream = service.client(config(Transport::None));
        let changes = (0..3).map(|n| (text(n), 0)).collect();
        Self { service, answers, upstream, clients: Vec::new(), changes, fails: false }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Join { token, query: of, interval, detached } => {
                let id = (format!("token{token}"), text(of), interval);
                let interval = Duration::from_secs(interval.into());
                let poll = self.upstream.poll(query(&id.1), credentials(&id.0), interval).unwrap();
                if !detached {
                    self.clients.push(Client { id, poll, last: None });
                }
            }
            Step::Leave(n) if !self.clients.is_empty() => {
                self.clients.swap_remove(n % self.clients.len());
            }
            Step::Read(n) if !self.clients.is_empty() => {
                let n = n % self.clients.len();
                self.clients[n].read(&self.changes);
            }
            Step::Change { query: of, n } => {
                self.answers.set(&text(of), n);
                self.changes.insert((text(of), n));
            }
            Step::Fail => {
                self.fails = true;
                self.service.set_up(false);
                self.answers.mode(Mode::Break);
            }
            Step::Recover => self.recover(),
            Step::Delay(ms) => self.answers.delay(Duration::from_millis(ms.into())),
            Step::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms.into())).await,
            Step::Quiet => self.quiet().await,
            Step::Leave(_) | Step::Read(_) => {}
        }
        // Also when all is not quiet.
        assert_eq!(self.upstream.stats().polls, self.distinct().len());
        assert!(self.answers.most() <= 2, "one for each interval, which is told by nothing else");
    }

    fn distinct(&self) -> BTreeSet<&Id> {
        self.clients.iter().map(|client| &client.id).collect()
    }

    fn recover(&mut self) {
        self.fails = false;
        self.service.set_up(true);
        self.answers.mode(Mode::Answer);
    }

    async fn quiet(&mut self) {
        // Longer than any pause and any time that the circuit is open.
        tokio::time::sleep(Duration::from_secs(90)).await;
        let before = self.upstream.stats();
        for client in &mut self.clients {
            client.read(&self.changes);
            let (token, query, _) = &client.id;
            match (&client.last, self.fails) {
                (Some(Update::Failed(_)), true) => {}
                (Some(Update::Next(response)), false) => {
                    let present = result(token, query, self.answers.value(query));
                    assert_eq!(response.data.clone().unwrap(), present, "the present state");
                }
                other => panic!("{other:?}"),
            }
        }
        if !self.fails {
            // All go on, and nobody hears of it.
            tokio::time::sleep(Duration::from_secs(10)).await;
            let after = self.upstream.stats();
            assert!(after.polls_run >= before.polls_run + self.distinct().len() as u64);
            for client in &mut self.clients {
                assert_eq!(client.poll.next().now_or_never(), None, "no news");
            }
        }
    }

    async fn end(mut self) {
        self.recover();
        self.quiet().await;
        self.clients.clear();
        assert_eq!(self.upstream.stats().polls, 0);
        settle().await;
        assert_eq!(self.answers.running(), 0);
        let before = self.answers.asked_at_all();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(self.answers.asked_at_all(), before);
    }
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn polls_are_what_clients_have(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in steps {
                world.step(step).await;
            }
            world.end().await;
        });
    }
}
