//! Against a queue for each receiver, which is what they see.

use std::collections::VecDeque;

use proptest::{prelude::*, sample::Index};

use super::*;

const LIMIT: usize = 100;

#[derive(Clone, Debug)]
enum Step {
    Join,
    Leave(Index),
    Read(Index),
    Send(Event),
    End,
}

fn step() -> impl Strategy<Value = Step> {
    let cost = prop_oneof![9 => 0..40_usize, 1 => LIMIT..2 * LIMIT];
    let event = (prop::option::weighted(0.8, any::<u32>()), cost);
    prop_oneof![
        8 => Just(Step::Join),
        4 => any::<Index>().prop_map(Step::Leave),
        20 => any::<Index>().prop_map(Step::Read),
        16 => event.prop_map(|(number, cost)| Step::Send(Event { number, cost })),
        1 => Just(Step::End),
    ]
}

/// A receiver, and what it is to see.
struct Pair {
    task: Task,
    queue: VecDeque<Event>,
    is_behind: bool,
    is_done: bool,
    /// Whether it found nothing and nothing has happened since.
    waits: bool,
    woken: usize,
}

impl Pair {
    fn new(task: Task) -> Self {
        let queue = VecDeque::new();
        Self { task, queue, is_behind: false, is_done: false, waits: false, woken: 0 }
    }

    fn bytes(&self) -> usize {
        self.queue.iter().map(Cost::cost).sum()
    }

    fn notice(&mut self) {
        self.woken += usize::from(std::mem::take(&mut self.waits));
    }

    fn expected(&mut self, end: Option<&'static str>) -> Poll<Option<Got>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        if self.is_behind {
            self.is_done = true;
            return Poll::Ready(Some(Got::LeftBehind { limit: LIMIT }));
        }
        while let Some(event) = self.queue.pop_front() {
            if let Some(number) = event.number {
                return Poll::Ready(Some(Got::Event(number)));
            }
        }
        self.is_done = end.is_some();
        self.waits = end.is_none();
        end.map_or(Poll::Pending, |end| Poll::Ready(Some(Got::End(end))))
    }
}

/// A broadcast, all who ever joined and have not left, and what it is to say of itself.
struct World {
    broadcast: Broadcast<Event, &'static str, usize>,
    pairs: Vec<Pair>,
    end: Option<&'static str>,
    noted: usize,
}

impl World {
    fn new() -> Self {
        let (broadcast, task) = broadcast(LIMIT);
        Self { broadcast, pairs: vec![Pair::new(task)], end: None, noted: 0 }
    }

    fn present(&self) -> usize {
        self.pairs.iter().filter(|pair| !pair.is_behind).count()
    }

    fn is_over(&self) -> bool {
        self.end.is_some() || self.present() == 0
    }

    fn send(&mut self, event: &Event) -> Sent {
        if self.is_over() {
            return Sent::default();
        }
        self.noted += 1;
        let mut left_behind = 0;
        for pair in self.pairs.iter_mut().filter(|pair| !pair.is_behind) {
            pair.notice();
            pair.queue.push_back(event.clone());
            if pair.bytes() > LIMIT && pair.queue.len() > 1 {
                pair.is_behind = true;
                pair.queue.clear();
                left_behind += 1;
            }
        }
        Sent { receivers: self.present(), left_behind }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Join => {
                let joined = self.broadcast.join();
                prop_assert_eq!(joined.is_none(), self.is_over());
                self.pairs.extend(joined.map(|receiver| Pair::new(Task::new(receiver))));
            }
            Step::Leave(_) | Step::Read(_) if self.pairs.is_empty() => {}
            Step::Leave(index) => drop(self.pairs.swap_remove(index.index(self.pairs.len()))),
            Step::Read(index) => {
                let pair = index.get_mut(&mut self.pairs);
                prop_assert_eq!(pair.task.poll(), pair.expected(self.end));
            }
            Step::Send(event) => {
                let sent = self.broadcast.send_with(event.clone(), |noted, _| *noted += 1);
                prop_assert_eq!(sent, self.send(&event));
            }
            Step::End => {
                self.broadcast.end("end");
                if self.end.is_none() {
                    self.end = Some("end");
                    self.pairs.iter_mut().for_each(Pair::notice);
                }
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let longest = self.pairs.iter().map(|pair| pair.queue.len()).max();
        let largest = self.pairs.iter().map(Pair::bytes).max();
        let load = Load {
            receivers: self.present(),
            events: longest.unwrap_or(0),
            bytes: largest.unwrap_or(0),
        };
        prop_assert_eq!(self.broadcast.load(), load);
        prop_assert_eq!(self.broadcast.is_over(), self.is_over());
        prop_assert_eq!(self.broadcast.ended(), self.end);
        prop_assert_eq!(self.broadcast.with_state(|noted| *noted), self.noted);
        for pair in &self.pairs {
            prop_assert_eq!(pair.task.woken(), pair.woken);
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn it_is_as_if_everybody_had_a_queue(steps in prop::collection::vec(step(), 0..200)) {
        let mut world = World::new();
        for step in steps {
            if world.is_over() && world.pairs.is_empty() {
                // Nothing would happen any more.
                world = World::new();
            }
            world.step(step)?;
            world.check()?;
        }
        world.pairs.clear();
        prop_assert_eq!(world.broadcast.load(), Load::default());
    }
}
