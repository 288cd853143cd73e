//! The present state of one poll, and those who read it.

use std::{
    sync::Arc,
    task::{self, Context},
};

use artesian_topic::{Follower, Topic};

use super::Update;
use crate::subscription::End;

/// The present state of one poll. Each reader sees the latest one, not all of them.
pub(crate) struct Board {
    topic: Arc<Topic<State>>,
}

#[derive(Default)]
struct State {
    /// How often it was written.
    version: u64,
    update: Option<Update>,
    end: Option<End>,
}

impl Board {
    /// A board on which nothing is written.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { topic: Arc::new(Topic::new(State::default())) })
    }

    /// Writes what all are to see. Nothing is written after the end.
    pub fn write(&self, update: Update) {
        self.topic.change(|state| {
            if state.end.is_some() {
                return false;
            }
            match update {
                Update::End(end) => state.end = Some(end),
                update => {
                    state.version += 1;
                    state.update = Some(update);
                }
            }
            true
        });
    }

    /// Whether it has ended, or nobody reads it.
    pub fn is_over(&self) -> bool {
        self.topic.followers() == 0 || self.topic.look(|state| state.end.is_some())
    }

    /// One more reader. It gets what is there at once.
    pub fn join(&self) -> Reader {
        Reader { follower: self.topic.follow(), seen: 0, is_done: false }
    }
}

/// One client's end.
pub(crate) struct Reader {
    follower: Follower<State>,
    /// The version that it has seen.
    seen: u64,
    is_done: bool,
}

impl Reader {
    /// The latest state that was not seen yet; `None` after the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> task::Poll<Option<Update>> {
        if self.is_done {
            return task::Poll::Ready(None);
        }
        let seen = &mut self.seen;
        let update = std::task::ready!(self.follower.poll(cx, |state| {
            if state.version > *seen {
                *seen = state.version;
                return state.update.clone();
            }
            state.end.clone().map(Update::End)
        }));
        self.is_done = matches!(update, Update::End(_));
        task::Poll::Ready(Some(update))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::task::Waker;

    use super::*;
    use crate::RemoteError;

    fn poll(reader: &mut Reader) -> Option<Update> {
        match reader.poll_next(&mut Context::from_waker(Waker::noop())) {
            task::Poll::Ready(update) => update,
            task::Poll::Pending => None,
        }
    }

    fn failed(status: u16) -> Update {
        Update::Failed(RemoteError::Status(status))
    }

    #[test]
    fn who_is_slow_or_late_sees_the_latest() {
        let board = Board::new();
        assert!(board.is_over());
        let (mut fast, mut slow) = (board.join(), board.join());
        for status in 1..4 {
            board.write(failed(status));
            assert_eq!(poll(&mut fast), Some(failed(status)));
            assert_eq!(poll(&mut fast), None);
        }
        assert_eq!(poll(&mut slow), Some(failed(3)));
        assert_eq!(poll(&mut slow), None);
        let mut late = board.join();
        assert!(!board.is_over());
        let end = Update::End(End::Failed(RemoteError::ShutDown));
        board.write(end.clone());
        board.write(failed(4));
        assert!(board.is_over());
        assert_eq!(poll(&mut late), Some(failed(3)), "what was before the end comes before it");
        for reader in [&mut fast, &mut slow, &mut late] {
            assert_eq!(poll(reader), Some(end.clone()));
            assert_eq!(poll(reader), None);
        }
    }
}
