#![allow(clippy::unwrap_used)]
use std::{collections::VecDeque, task::Waker};

use proptest::prelude::*;

use super::*;

fn poll(receiver: &mut Receiver) -> Option<Event> {
    match receiver.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(event)) => Some(event),
        Poll::Ready(None) | Poll::Pending => None,
    }
}

fn payload(size: usize) -> Bytes {
    Bytes::from(vec![b'x'; size])
}

fn kept(fan: &Fan) -> (usize, usize) {
    let load = fan.events.load();
    (load.events, load.bytes)
}

#[test]
fn everybody_gets_what_comes_after_joining() {
    let (fan, mut a) = Fan::new(1000, false);
    assert_eq!(fan.next("1".into()), Sent { receivers: 1, left_behind: 0 });
    let mut b = fan.join().unwrap();
    fan.next("2".into());
    assert_eq!(poll(&mut a), Some(Event::Next("1".into())));
    assert_eq!(poll(&mut b), Some(Event::Next("2".into())));
    assert_eq!(poll(&mut b), None);
    fan.end(End::Complete);
    fan.end(End::Errors("[]".into()));
    fan.next("3".into());
    assert_eq!(poll(&mut a), Some(Event::Next("2".into())));
    for receiver in [&mut a, &mut b] {
        assert_eq!(poll(receiver), Some(Event::End(End::Complete)));
        assert_eq!(poll(receiver), None);
    }
    assert_eq!(kept(&fan), (0, 0));
}

#[test]
fn the_latest_result_waits_for_those_who_come_late() {
    let (fan, _first) = Fan::new(1000, true);
    fan.next("1".into());
    fan.next("2".into());
    let mut late = fan.join().unwrap();
    fan.next("3".into());
    assert_eq!(poll(&mut late), Some(Event::Next("2".into())));
    assert_eq!(poll(&mut late), Some(Event::Next("3".into())));
    assert_eq!(poll(&mut late), None);
}

#[test]
fn the_slow_one_loses_and_nobody_else() {
    let (fan, mut slow) = Fan::new(3 * (OVERHEAD + 10), false);
    let mut fast = fan.join().unwrap();
    for n in 0..3 {
        assert_eq!(fan.next(payload(10)).left_behind, 0, "{n}");
        assert!(poll(&mut fast).is_some());
    }
    assert_eq!(fan.next(payload(10)), Sent { receivers: 1, left_behind: 1 });
    assert_eq!(kept(&fan).0, 1, "what only the slow one waited for is gone");
    assert_eq!(poll(&mut fast), Some(Event::Next(payload(10))));
    let too_slow = Event::End(End::Failed(RemoteError::TooSlow(3 * (OVERHEAD + 10))));
    assert_eq!(poll(&mut slow), Some(too_slow));
    assert_eq!(poll(&mut slow), None);
    drop(slow);
    assert!(!fan.is_over());
    assert_eq!(fan.next(payload(10)).receivers, 1);
    drop(fast);
    assert!(fan.is_over());
    assert!(fan.join().is_none(), "whoever carries it has given up by now");
}

#[test]
fn one_event_is_always_taken() {
    let (fan, mut receiver) = Fan::new(1, false);
    fan.next(payload(100_000));
    assert_eq!(poll(&mut receiver), Some(Event::Next(payload(100_000))));
    fan.next(payload(1));
    assert_eq!(fan.next(payload(1)), Sent { receivers: 0, left_behind: 1 });
    assert!(fan.is_over());
    assert_eq!(kept(&fan), (0, 0));
}

#[test]
fn who_was_there_before_the_interruption_is_told_once() {
    let (fan, mut early) = Fan::new(1000, true);
    fan.next("1".into());
    assert_eq!(poll(&mut early), Some(Event::Next("1".into())));
    fan.interrupted();
    let mut late = fan.join().unwrap();
    fan.resumed();
    // It breaks again before there was anything.
    fan.interrupted();
    fan.resumed();
    fan.next("2".into());
    assert_eq!(poll(&mut early), Some(Event::Resumed));
    assert_eq!(poll(&mut early), Some(Event::Next("2".into())));
    assert_eq!(poll(&mut late), Some(Event::Next("1".into())), "the latest result");
    // It was there at the second one.
    assert_eq!(poll(&mut late), Some(Event::Resumed));
    assert_eq!(poll(&mut late), Some(Event::Next("2".into())));
    let mut later = fan.join().unwrap();
    fan.interrupted();
    fan.resumed();
    assert_eq!(poll(&mut later), Some(Event::Next("2".into())));
    for receiver in [&mut early, &mut late, &mut later] {
        assert_eq!(poll(receiver), Some(Event::Resumed));
        assert_eq!(poll(receiver), None);
    }
    assert_eq!(kept(&fan), (0, 0));
}

#[derive(Clone, Debug)]
enum Step {
    Interrupt,
    Resume,
    Join,
    Leave(usize),
    Push(usize),
    Read(usize),
}

proptest! {
    /// Against a queue for each receiver.
    #[test]
    fn as_if_everybody_had_a_queue(
        steps in prop::collection::vec(
            prop_oneof![
                1 => Just(Step::Interrupt),
                1 => Just(Step::Resume),
                1 => Just(Step::Join),
                1 => any::<usize>().prop_map(Step::Leave),
                4 => (0_usize..400).prop_map(Step::Push),
                4 => any::<usize>().prop_map(Step::Read),
            ],
            0..200,
        ),
    ) {
        const LIMIT: usize = 1000;
        let (mut fan, first) = Fan::new(LIMIT, false);
        // What waits, a size or nothing for an interruption; or `None` for one that has fallen behind.
        type Queue = VecDeque<Result<usize, u64>>;
        let mut receivers = vec![(first, Some(Queue::new()))];
        let mut stretch = 0;
        for step in steps {
            let push = match step {
                Step::Push(size) => Some(Ok(size)),
                Step::Resume => Some(Err(stretch)),
                _ => None,
            };
            match step {
                Step::Interrupt => {
                    stretch += 1;
                    fan.interrupted();
                }
                Step::Join => {
                    let is_over = receivers.iter().all(|(_, queue)| queue.is_none());
                    prop_assert_eq!(fan.is_over(), is_over);
                    let joined = fan.join();
                    prop_assert_eq!(joined.is_none(), is_over);
                    let receiver = joined.unwrap_or_else(|| {
                        stretch = 0;
                        let (new, first) = Fan::new(LIMIT, false);
                        fan = new;
                        first
                    });
                    receivers.push((receiver, Some(Queue::new())));
                }
                Step::Leave(n) if !receivers.is_empty() => {
                    receivers.swap_remove(n % receivers.len());
                }
                Step::Push(_) | Step::Resume => {
                    let push = push.unwrap();
                    let pushed = match push {
                        Ok(size) => fan.next(payload(size)),
                        Err(_) => fan.resumed(),
                    };
                    let mut left_behind = 0;
                    for (_, queue) in &mut receivers {
                        let Some(waiting) = queue else { continue };
                        waiting.push_back(push);
                        let bytes: usize =
                            waiting.iter().map(|one| one.unwrap_or(0) + OVERHEAD).sum();
                        if bytes > LIMIT && waiting.len() > 1 {
                            *queue = None;
                            left_behind += 1;
                        }
                    }
                    let alive = receivers.iter().filter(|(_, queue)| queue.is_some()).count();
                    prop_assert_eq!(pushed, Sent { receivers: alive, left_behind });
                }
                Step::Read(n) if !receivers.is_empty() => {
                    let n = n % receivers.len();
                    let (receiver, queue) = &mut receivers[n];
                    let expected = match queue {
                        None => Some(Event::End(End::Failed(RemoteError::TooSlow(LIMIT)))),
                        Some(waiting) => loop {
                            match waiting.pop_front() {
                                None => break None,
                                Some(Ok(size)) => break Some(Event::Next(payload(size))),
                                Some(Err(begun)) if begun > receiver.stretch && !receiver.is_told => {
                                    break Some(Event::Resumed);
                                }
                                Some(Err(_)) => {}
                            }
                        },
                    };
                    let is_behind = queue.is_none();
                    prop_assert_eq!(poll(receiver), expected);
                    if is_behind {
                        prop_assert_eq!(poll(receiver), None);
                        receivers.swap_remove(n);
                    }
                }
                _ => {}
            }
            let longest = receivers.iter().filter_map(|(_, queue)| queue.as_ref());
            let longest = longest.map(VecDeque::len).max().unwrap_or(0);
            prop_assert_eq!(kept(&fan).0, longest, "kept for as long as somebody waits for it");
        }
        receivers.clear();
        prop_assert_eq!(kept(&fan), (0, 0));
    }
}
