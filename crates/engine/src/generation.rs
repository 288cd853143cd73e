//! The number of the rules that hold: schemas, permissions, limits.

use std::{fmt, sync::Arc};

use artesian_topic::{Follower, Topic};

/// Counts changes of what decides over operations, and tells of them.
///
/// All clones are one counter. Whoever changes something first puts the change into force and then
/// [advances](Generation::advance): an operation that was prepared by the old rules is then sure to
/// hear of it.
#[derive(Clone)]
pub struct Generation(Arc<Topic<u64>>);

impl Default for Generation {
    fn default() -> Self {
        Self(Arc::new(Topic::new(0)))
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Generation").field(&self.now()).finish()
    }
}

impl Generation {
    /// The present number.
    pub fn now(&self) -> u64 {
        self.0.look(|number| *number)
    }

    /// Something has changed.
    pub fn advance(&self) {
        self.0.change(|number| {
            *number += 1;
            true
        });
    }

    pub(crate) fn watch(&self) -> Follower<u64> {
        self.0.follow()
    }
}
