//! The number of the rules that hold: schemas, permissions, limits.

use std::sync::Arc;

use tokio::sync::watch;

/// Counts changes of what decides over operations, and tells of them.
///
/// All clones are one counter. Whoever changes something first puts the change into force and then
/// [advances](Generation::advance): an operation that was prepared by the old rules is then sure to
/// hear of it.
#[derive(Clone, Debug)]
pub struct Generation(Arc<watch::Sender<u64>>);

impl Default for Generation {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Generation {
    /// The present number.
    pub fn now(&self) -> u64 {
        *self.0.borrow()
    }

    /// Something has changed.
    pub fn advance(&self) {
        self.0.send_modify(|number| *number += 1);
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}
