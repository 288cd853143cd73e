//! Clients that come in while others are thrown out.

use std::{
    collections::{BTreeMap, HashSet},
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use artesian_engine::Identity;
use proptest::prelude::*;

use super::*;
use crate::{Metrics, metrics::Transport};

const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn sockets() -> Arc<Sockets> {
    Arc::new(Sockets::new(Arc::new(Metrics::new("test"))))
}

fn user(role: &str, id: u32) -> Identity {
    Identity::new(role, BTreeMap::from([("x-hasura-user-id".to_owned(), id.to_string())]))
}

fn of(role: Option<&str>, id: Option<u32>) -> Filter {
    Filter { role: role.map(str::to_owned), user: id.map(|id| id.to_string()) }
}

fn ask(entry: &mut Entry) -> Option<Closing> {
    match entry.poll_closing(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(why) => Some(why),
        Poll::Pending => None,
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_connection_is_woken_and_told_once() {
    let sockets = sockets();
    let mut entry = sockets.open(Transport::ModernWs, NOWHERE);
    entry.identified(&user("user", 1), 7, None);
    let (old, new) = (Arc::new(Count::default()), Arc::new(Count::default()));
    for count in [&old, &new, &new] {
        let waker = Waker::from(count.clone());
        assert!(entry.poll_closing(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(sockets.close(&of(None, Some(2)), Closing::Revoked), 0);
    assert_eq!(sockets.close(&of(Some("user"), Some(1)), Closing::Revoked), 1);
    assert_eq!(sockets.close(&of(None, None), Closing::Revoked), 0, "it was told so before");
    assert_eq!(sockets.close_if(|_| true, Closing::Rotated), 0);
    assert_eq!(new.0.load(Ordering::SeqCst), 1);
    assert_eq!(old.0.load(Ordering::SeqCst), 0, "the task has another waker now");
    assert_eq!(ask(&mut entry), Some(Closing::Revoked));
    assert_eq!(ask(&mut entry), None);
    let text = sockets.metrics().encode();
    assert!(text.contains("artesian_sockets_closed_total{reason=\"revoked\"} 1"), "{text}");
    assert!(text.contains("artesian_sockets_closed_total{reason=\"rotated\"} 0"), "{text}");
}

#[test]
fn who_is_known_by_an_outdated_proof_after_the_sweep_is_closed_too() {
    let sockets = sockets();
    let mut early = sockets.open(Transport::LegacyWs, NOWHERE);
    early.identified(&user("user", 1), 1, None);
    let mut late = sockets.open(Transport::ModernWs, NOWHERE);
    assert_eq!(sockets.close_if(|proof| proof == 1, Closing::Rotated), 1);
    assert_eq!(ask(&mut early), Some(Closing::Rotated));
    assert_eq!(ask(&mut late), None);
    late.identified(&user("user", 1), 2, None);
    assert_eq!(ask(&mut late), None);
    late.identified(&user("user", 1), 1, None);
    assert_eq!(ask(&mut late), Some(Closing::Rotated));
    // What is configured again is good again.
    assert_eq!(sockets.close_if(|proof| proof == 2, Closing::Rotated), 0);
    let mut again = sockets.open(Transport::Sse, NOWHERE);
    again.identified(&user("user", 1), 1, None);
    assert_eq!(ask(&mut again), None);
}

/// Threads that let clients in by a secret while it is taken away. Only one sweep looks for it, so
/// whom that misses stays.
#[test]
fn nobody_stays_by_a_secret_that_was_taken_away() {
    for _ in 0..300 {
        let sockets = sockets();
        let start = Barrier::new(3);
        let entries = std::thread::scope(|scope| {
            let clients = [(); 2].map(|()| {
                scope.spawn(|| {
                    let identity = user("user", 1);
                    let open = || sockets.open(Transport::ModernWs, NOWHERE);
                    let entries: Vec<_> = (0..100).map(|_| open()).collect();
                    start.wait();
                    for (number, entry) in (0..).zip(&entries) {
                        entry.identified(&identity, number % 2, None);
                        if number % 10 == 0 {
                            drop(open());
                        }
                    }
                    entries
                })
            });
            start.wait();
            sockets.close_if(|proof| proof == 1, Closing::Rotated);
            clients.into_iter().flat_map(|client| client.join().unwrap_or_default()).collect()
        });
        let mut entries: Vec<Entry> = entries;
        assert_eq!(entries.len(), 200);
        assert_eq!(sockets.count(), 200);
        for (number, entry) in entries.iter_mut().enumerate() {
            assert_eq!(ask(entry), (number % 2 == 1).then_some(Closing::Rotated));
        }
        drop(entries);
        assert_eq!(sockets.count(), 0);
    }
}

/// Whoever was let in before the call is thrown out by it; tasks that poll at the same time hear
/// of it.
#[test]
fn a_task_that_polls_while_it_is_closed_misses_nothing() {
    for _ in 0..2000 {
        let sockets = sockets();
        let mut entry = sockets.open(Transport::ModernWs, NOWHERE);
        entry.identified(&user("user", 1), 0, None);
        let (start, count) = (Barrier::new(2), Arc::new(Count::default()));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                assert_eq!(sockets.close(&of(None, Some(1)), Closing::Revoked), 1);
            });
            start.wait();
            let waker = Waker::from(count.clone());
            let told = entry.poll_closing(&mut Context::from_waker(&waker)).is_ready();
            if told {
                count.wake_by_ref();
            }
        });
        assert!(count.0.load(Ordering::SeqCst) >= 1);
        drop(entry);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Open,
    Identify { at: usize, role: usize, user: u32, proof: u64 },
    Leave { at: usize },
    Close { role: Option<usize>, user: Option<u32> },
    Rotate { proofs: HashSet<u64> },
}

fn step() -> impl Strategy<Value = Step> {
    let role = 0..ROLES.len();
    prop_oneof![
        3 => Just(Step::Open),
        3 => (any::<usize>(), role.clone(), 0..3u32, 0..4u64)
            .prop_map(|(at, role, user, proof)| Step::Identify { at, role, user, proof }),
        2 => any::<usize>().prop_map(|at| Step::Leave { at }),
        1 => (prop::option::of(role), prop::option::of(0..3u32))
            .prop_map(|(role, user)| Step::Close { role, user }),
        1 => prop::collection::hash_set(0..4u64, 0..3).prop_map(|proofs| Step::Rotate { proofs }),
    ]
}

const ROLES: [&str; 3] = ["user", "editor", "admin"];

/// The same as [`Sockets`], in the simplest way.
struct Model {
    entry: Entry,
    id: u64,
    /// Role, user and proof.
    who: Option<(usize, u32, u64)>,
    closing: Option<Closing>,
}

impl Model {
    fn is_meant(&self, role: Option<usize>, user: Option<u32>) -> bool {
        let is_role = role.is_none_or(|role| self.who.is_some_and(|who| who.0 == role));
        is_role && user.is_none_or(|user| self.who.is_some_and(|who| who.1 == user))
    }

    fn close(&mut self, why: Closing) -> bool {
        let is_first = self.closing.is_none();
        self.closing.get_or_insert(why);
        is_first
    }
}

fn count(models: &mut [Model], why: Closing, is_meant: impl Fn(&Model) -> bool) -> usize {
    models.iter_mut().filter(|m| is_meant(m)).map(|m| usize::from(m.close(why))).sum()
}

proptest! {
    #[test]
    fn sockets_are_as_the_simplest_list_of_them(
        steps in prop::collection::vec(step(), 1..200),
        after in 0..40u64,
        limit in 1..10usize,
    ) {
        let sockets = sockets();
        let (mut models, mut last, mut outdated) = (Vec::<Model>::new(), 0, HashSet::new());
        for step in steps {
            match step {
                Step::Open => {
                    last += 1;
                    let entry = sockets.open(Transport::ModernWs, NOWHERE);
                    models.push(Model { entry, id: last, who: None, closing: None });
                }
                Step::Identify { at, role, user, proof } => {
                    let at = at.checked_rem(models.len()).and_then(|at| models.get_mut(at));
                    if let Some(model) = at {
                        let identity = self::user(ROLES.get(role).unwrap_or(&""), user);
                        model.entry.identified(&identity, proof, None);
                        model.who = Some((role, user, proof));
                        if outdated.contains(&proof) {
                            model.close(Closing::Rotated);
                        }
                    }
                }
                Step::Leave { .. } if models.is_empty() => {}
                Step::Leave { at } => drop(models.swap_remove(at % models.len())),
                Step::Close { role, user } => {
                    let filter = of(role.and_then(|role| ROLES.get(role)).copied(), user);
                    let expected = count(&mut models, Closing::Revoked, |m| m.is_meant(role, user));
                    prop_assert_eq!(sockets.close(&filter, Closing::Revoked), expected);
                }
                Step::Rotate { proofs } => {
                    let expected = count(&mut models, Closing::Rotated, |m| {
                        m.who.is_some_and(|who| proofs.contains(&who.2))
                    });
                    outdated = proofs.clone();
                    let f = move |proof| proofs.contains(&proof);
                    prop_assert_eq!(sockets.close_if(f, Closing::Rotated), expected);
                }
            }
        }
        models.sort_by_key(|model| model.id);
        for (role, user) in [(None, None), (Some(0), None), (None, Some(1)), (Some(1), Some(2))] {
            let filter = of(role.and_then(|role| ROLES.get(role)).copied(), user);
            let meant: Vec<_> = models.iter().filter(|model| model.is_meant(role, user)).collect();
            let listing = sockets.list(&filter, Page { after, limit });
            prop_assert_eq!(listing.total, meant.len());
            let ids: Vec<_> = listing.sockets.iter().map(|socket| socket.id).collect();
            let page = meant.iter().map(|m| m.id).filter(|id| *id > after).take(limit);
            prop_assert_eq!(ids, page.collect::<Vec<_>>());
        }
        for model in &mut models {
            prop_assert_eq!(ask(&mut model.entry), model.closing);
        }
        drop(models);
        prop_assert_eq!(sockets.count(), 0);
    }
}
