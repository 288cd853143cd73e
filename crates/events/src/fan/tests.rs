use std::{collections::VecDeque, task::Waker};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::stats::Counters;

#[derive(Clone, Debug, PartialEq)]
enum Got {
    Event(usize),
    Gap,
    Failed(EventsError),
}

fn poll(receiver: &mut Receiver) -> Option<Got> {
    match receiver.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Message::Event(event))) => Some(Got::Event(event.bytes().len())),
        Poll::Ready(Some(Message::Gap)) => Some(Got::Gap),
        Poll::Ready(Some(Message::Failed(error))) => Some(Got::Failed(error)),
        Poll::Ready(None) | Poll::Pending => None,
    }
}

fn event(size: usize) -> Event {
    Event::new(Bytes::from(vec![b'x'; size]), Arc::new(Counters::default()))
}

#[test]
fn everybody_gets_what_comes_after_joining() {
    let (fan, mut a) = Fan::new(1000);
    fan.event(event(1));
    let mut b = fan.join().unwrap();
    fan.event(event(2));
    fan.gap();
    assert_eq!(poll(&mut a), Some(Got::Event(1)));
    for receiver in [&mut a, &mut b] {
        assert_eq!(poll(receiver), Some(Got::Event(2)));
        assert_eq!(poll(receiver), Some(Got::Gap));
        assert_eq!(poll(receiver), None);
    }
    fan.event(event(3));
    fan.end(EventsError::Closed);
    fan.end(EventsError::TooManyTopics(1));
    fan.event(event(4));
    for receiver in [&mut a, &mut b] {
        assert_eq!(poll(receiver), Some(Got::Event(3)));
        assert_eq!(poll(receiver), Some(Got::Failed(EventsError::Closed)));
        assert_eq!(poll(receiver), None);
    }
    assert!(fan.join().is_none());
    assert_eq!(fan.load(), (2, 0));
}

#[test]
fn the_slow_one_loses_and_nobody_else() {
    let limit = 3 * (OVERHEAD + 10);
    let (fan, mut slow) = Fan::new(limit);
    let mut quick = fan.join().unwrap();
    for _ in 0..3 {
        assert_eq!(fan.event(event(10)).left_behind, 0);
        assert_eq!(poll(&mut quick), Some(Got::Event(10)));
    }
    assert_eq!(fan.event(event(10)).left_behind, 1);
    assert_eq!(poll(&mut quick), Some(Got::Event(10)));
    assert_eq!(fan.load(), (1, 0));
    assert_eq!(poll(&mut slow), Some(Got::Failed(EventsError::TooSlow(limit))));
    assert_eq!(poll(&mut slow), None);
    drop(slow);
    assert_eq!(fan.load(), (1, 0));
    assert!(!fan.is_over());
    drop(quick);
    assert!(fan.is_over());
    assert!(fan.join().is_none());
}

#[test]
fn one_event_may_be_larger_than_the_limit() {
    let (fan, mut receiver) = Fan::new(1);
    fan.event(event(100));
    assert_eq!(poll(&mut receiver), Some(Got::Event(100)));
    fan.event(event(1));
    fan.event(event(1));
    assert_eq!(poll(&mut receiver), Some(Got::Failed(EventsError::TooSlow(1))));
    assert!(fan.is_over());
}

#[derive(Clone, Debug)]
enum Step {
    Join,
    Leave(prop::sample::Index),
    Read(prop::sample::Index),
    Event(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Join),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
        4 => any::<prop::sample::Index>().prop_map(Step::Read),
        3 => (0..300_usize).prop_map(Step::Event),
    ]
}

proptest! {
    /// Against a queue for each receiver.
    #[test]
    fn it_is_as_if_everybody_had_a_queue(steps in prop::collection::vec(step(), 0..120)) {
        let limit = 1000;
        // The first is kept so that the fan is not over while there is nobody else.
        let (fan, mut keeper) = Fan::new(limit);
        // The messages that wait, or nothing for one that fell behind.
        let mut all: Vec<(Receiver, Option<VecDeque<usize>>)> = Vec::new();
        for step in steps {
            match step {
                Step::Join => all.push((fan.join().unwrap(), Some(VecDeque::new()))),
                Step::Leave(_) | Step::Read(_) if all.is_empty() => {}
                Step::Leave(index) => drop(all.swap_remove(index.index(all.len()))),
                Step::Read(index) => {
                    let index = index.index(all.len());
                    let (receiver, queue) = &mut all[index];
                    match queue {
                        Some(queue) => prop_assert_eq!(poll(receiver), queue.pop_front().map(Got::Event)),
                        None => {
                            prop_assert_eq!(poll(receiver), Some(Got::Failed(EventsError::TooSlow(limit))));
                            drop(all.swap_remove(index));
                        }
                    }
                }
                Step::Event(size) => {
                    fan.event(event(size));
                    prop_assert_eq!(poll(&mut keeper), Some(Got::Event(size)));
                    for (_, queue) in &mut all {
                        let Some(waiting) = queue else { continue };
                        waiting.push_back(size);
                        let bytes: usize = waiting.iter().map(|size| size + OVERHEAD).sum();
                        if bytes > limit {
                            *queue = None;
                        }
                    }
                }
            }
            let longest = all.iter().filter_map(|(_, queue)| queue.as_ref());
            let bytes = longest.map(|queue| queue.iter().map(|size| size + OVERHEAD).sum()).max();
            let alive = all.iter().filter(|(_, queue)| queue.is_some()).count();
            prop_assert_eq!(fan.load(), (alive + 1, bytes.unwrap_or(0)));
        }
        drop(all);
        drop(keeper);
        prop_assert!(fan.is_over());
        prop_assert_eq!(fan.load(), (0, 0));
    }
}
