use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::{Wake, Waker},
};

use super::*;

mod model;

/// An event that costs so many bytes. Events without a number are passed over by those who read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    number: Option<u32>,
    cost: usize,
}

impl Cost for Event {
    fn cost(&self) -> usize {
        self.cost
    }
}

/// Events of ten bytes.
fn event(number: u32) -> Event {
    Event { number: Some(number), cost: 10 }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Got {
    Event(u32),
    End(&'static str),
    LeftBehind { limit: usize },
}

/// One receiver with its task. The state counts the events that were noted.
struct Task {
    receiver: Receiver<Event, &'static str, usize>,
    wakes: Arc<Wakes>,
}

impl Task {
    fn new(receiver: Receiver<Event, &'static str, usize>) -> Self {
        Self { receiver, wakes: Arc::default() }
    }

    fn poll(&mut self) -> Poll<Option<Got>> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        let pick = |event: &Event| event.number.map(Got::Event);
        let last = |last: Last<'_, &'static str>| match last {
            Last::End(end) => Got::End(end),
            Last::LeftBehind { limit } => Got::LeftBehind { limit },
        };
        self.receiver.poll_next(&mut Context::from_waker(&waker), pick, last)
    }

    fn event(&mut self) -> Option<u32> {
        match self.poll() {
            Poll::Ready(Some(Got::Event(number))) => Some(number),
            _ => None,
        }
    }

    fn woken(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }
}

/// A broadcast, and its first receiver.
fn broadcast(limit: usize) -> (Broadcast<Event, &'static str, usize>, Task) {
    let (broadcast, receiver) = Broadcast::new(limit, 0);
    (broadcast, Task::new(receiver))
}

fn load(receivers: usize, events: usize) -> Load {
    Load { receivers, events, bytes: 10 * events }
}

#[test]
fn everybody_gets_what_comes_after_joining_and_then_the_end() {
    let (broadcast, mut early) = broadcast(1000);
    assert_eq!(broadcast.send(event(1)), Sent { receivers: 1, left_behind: 0 });
    let mut late = Task::new(broadcast.join().unwrap());
    assert_eq!(broadcast.send(event(2)), Sent { receivers: 2, left_behind: 0 });
    broadcast.end("first");
    broadcast.end("second");
    assert_eq!(broadcast.send(event(3)), Sent::default());
    assert_eq!(broadcast.ended(), Some("first"));
    assert_eq!(early.event(), Some(1));
    for task in [&mut early, &mut late] {
        assert_eq!(task.event(), Some(2));
        assert_eq!(task.poll(), Poll::Ready(Some(Got::End("first"))));
        assert_eq!(task.poll(), Poll::Ready(None));
    }
    assert_eq!(broadcast.load(), load(2, 0));
    assert!(broadcast.is_over() && broadcast.join().is_none());
}

#[test]
fn who_waits_is_woken_by_an_event_and_by_the_end() {
    let (broadcast, mut first) = broadcast(1000);
    let mut other = Task::new(broadcast.join().unwrap());
    for (woken, number) in [(1, Some(1)), (2, None)] {
        for task in [&mut first, &mut other] {
            assert_eq!(task.poll(), Poll::Pending);
            assert_eq!(task.woken(), woken - 1);
        }
        match number {
            Some(number) => assert_eq!(broadcast.send(event(number)).receivers, 2),
            None => broadcast.end("end"),
        }
        for task in [&mut first, &mut other] {
            assert_eq!(task.woken(), woken);
            assert_eq!(task.event(), number);
        }
    }
}

#[test]
fn the_slow_one_is_left_behind_and_nobody_else() {
    let (broadcast, mut slow) = broadcast(30);
    let mut quick = Task::new(broadcast.join().unwrap());
    for number in 0..3 {
        assert_eq!(broadcast.send(event(number)).left_behind, 0);
        assert_eq!(quick.event(), Some(number));
    }
    assert_eq!(broadcast.load(), load(2, 3));
    assert_eq!(broadcast.send(event(3)), Sent { receivers: 1, left_behind: 1 });
    assert_eq!(broadcast.load(), load(1, 1), "what only the slow one waited for is gone");
    assert_eq!(quick.event(), Some(3));
    assert_eq!(slow.poll(), Poll::Ready(Some(Got::LeftBehind { limit: 30 })));
    assert_eq!(slow.poll(), Poll::Ready(None));
    drop(slow);
    assert_eq!(broadcast.load(), load(1, 0));
}

#[test]
fn one_event_may_cost_more_than_the_limit() {
    let (broadcast, mut task) = broadcast(1);
    assert_eq!(broadcast.send(event(1)), Sent { receivers: 1, left_behind: 0 });
    assert_eq!(task.event(), Some(1));
    broadcast.send(event(2));
    assert_eq!(broadcast.send(event(3)), Sent { receivers: 0, left_behind: 1 });
    assert_eq!(broadcast.load(), load(0, 0));
}

#[test]
fn without_receivers_it_stays_over() {
    let (broadcast, task) = broadcast(10);
    assert!(!broadcast.is_over());
    drop(task);
    assert!(broadcast.is_over());
    assert!(broadcast.join().is_none());
    assert_eq!(broadcast.send(event(1)), Sent::default());
    assert_eq!(broadcast.load(), load(0, 0));
}

#[test]
fn the_state_changes_with_the_events() {
    let (broadcast, first) = broadcast(1000);
    let count = |count: &mut usize, _: &Event| *count += 1;
    broadcast.send_with(event(1), count);
    broadcast.with_state(|count| *count += 10);
    let (_, noted) = broadcast.join_with(|count| *count).unwrap();
    assert_eq!(noted, 11);
    drop(first);
    broadcast.send_with(event(2), count);
    assert_eq!(broadcast.with_state(|count| *count), 11, "nobody was there for it");
}

#[test]
fn events_are_let_go_of_when_the_last_has_read_them() {
    struct Held(Arc<()>);

    impl Cost for Held {
        fn cost(&self) -> usize {
            size_of_val(&self.0)
        }
    }

    let (broadcast, first) = Broadcast::<Held, ()>::new(1000, ());
    let held = Arc::new(());
    let mut receivers = [first, broadcast.join().unwrap()];
    broadcast.send(Held(Arc::clone(&held)));
    for (receiver, left) in receivers.iter_mut().zip([2, 1]) {
        let mut cx = Context::from_waker(Waker::noop());
        let _ = receiver.poll_next(&mut cx, |_| Some(()), |_| ());
        assert_eq!(Arc::strong_count(&held), left);
    }
    let [stays, goes] = receivers;
    broadcast.send(Held(Arc::clone(&held)));
    drop(stays);
    assert_eq!(Arc::strong_count(&held), 2);
    drop(goes);
    assert_eq!(Arc::strong_count(&held), 1);
}
