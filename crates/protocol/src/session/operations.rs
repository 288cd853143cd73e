//! The live operations of a connection.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::json;
use crate::ws::Subprotocol;

/// Names an operation within its session. Never used twice, unlike the client's ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationKey(u64);

impl OperationKey {
    pub(super) fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, for logs and for combined keys.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// An id as the client wrote it. A number and the same digits as a string are the same id, as in the
/// reference server, but each is echoed in its own kind.
#[derive(Clone, Debug)]
pub(super) struct ClientId {
    text: Arc<str>,
    number: bool,
}

impl ClientId {
    pub(super) fn string(text: &str) -> Self {
        Self { text: text.into(), number: false }
    }

    /// From the text of a JSON number.
    pub(super) fn number(text: &str) -> Self {
        Self { text: text.into(), number: true }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn as_json(&self) -> String {
        if self.number { self.text.as_ref().to_owned() } else { json::string(&self.text) }
    }
}

#[derive(Debug)]
pub(super) struct Operation {
    pub id: ClientId,
    /// What stands before the payload of every result.
    pub next_prefix: Bytes,
}

#[derive(Debug, Default)]
pub(super) struct Operations {
    last: u64,
    by_key: HashMap<OperationKey, Operation>,
    by_id: HashMap<Arc<str>, OperationKey>,
}

impl Operations {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub(super) fn get(&self, key: OperationKey) -> Option<&Operation> {
        self.by_key.get(&key)
    }

    pub(super) fn key_of(&self, id: &ClientId) -> Option<OperationKey> {
        self.by_id.get(id.text()).copied()
    }

    /// Adds an operation whose id must be free.
    pub(super) fn insert(&mut self, id: ClientId, protocol: Subprotocol) -> OperationKey {
        self.last += 1;
        let key = OperationKey(self.last);
        let json = id.as_json();
        let next_prefix = match protocol {
            Subprotocol::TransportWs => format!(r#"{{"id":{json},"type":"next","payload":"#),
            Subprotocol::Legacy => format!(r#"{{"type":"data","id":{json},"payload":"#),
        };
        self.by_id.insert(Arc::clone(&id.text), key);
        let next_prefix = Bytes::from(next_prefix.into_bytes().into_boxed_slice());
        self.by_key.insert(key, Operation { id, next_prefix });
        key
    }

    pub(super) fn remove(&mut self, key: OperationKey) -> Option<Operation> {
        let operation = self.by_key.remove(&key)?;
        self.by_id.remove(operation.id.text());
        if self.by_key.is_empty() && self.by_key.capacity() > 32 {
            self.by_key = HashMap::new();
            self.by_id = HashMap::new();
        }
        Some(operation)
    }

    /// Removes everything; the keys come in the order in which the operations began.
    pub(super) fn drain(&mut self) -> Vec<OperationKey> {
        self.by_id = HashMap::new();
        let mut keys: Vec<_> = std::mem::take(&mut self.by_key).into_keys().collect();
        keys.sort_unstable();
        keys
    }
}
