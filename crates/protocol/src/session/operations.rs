//! The live operations of a connection.

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

/// Two sorted lists: most connections have one operation or none, and a hash table of one entry costs
/// more than the operation.
#[derive(Debug, Default)]
pub(super) struct Operations {
    last: u64,
    /// By key. Keys only grow, so a new one goes to the end.
    by_key: Vec<(OperationKey, Operation)>,
    /// By the text of the id.
    by_id: Vec<(Arc<str>, OperationKey)>,
}

impl Operations {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub(super) fn get(&self, key: OperationKey) -> Option<&Operation> {
        let at = self.by_key.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        self.by_key.get(at).map(|(_, operation)| operation)
    }

    pub(super) fn key_of(&self, id: &ClientId) -> Option<OperationKey> {
        let at = self.place(id).ok()?;
        self.by_id.get(at).map(|(_, key)| *key)
    }

    /// Where an id is in its list, or would be.
    fn place(&self, id: &ClientId) -> Result<usize, usize> {
        self.by_id.binary_search_by(|(text, _)| (**text).cmp(id.text()))
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
        if self.by_key.is_empty() {
            self.by_key.reserve_exact(1);
            self.by_id.reserve_exact(1);
        }
        let (Ok(at) | Err(at)) = self.place(&id);
        self.by_id.insert(at, (Arc::clone(&id.text), key));
        let next_prefix = Bytes::from(next_prefix.into_bytes().into_boxed_slice());
        self.by_key.push((key, Operation { id, next_prefix }));
        key
    }

    pub(super) fn remove(&mut self, key: OperationKey) -> Option<Operation> {
        let at = self.by_key.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        let (_, operation) = self.by_key.remove(at);
        if let Ok(at) = self.place(&operation.id) {
            self.by_id.remove(at);
        }
        if self.by_key.is_empty() {
            self.by_key = Vec::new();
            self.by_id = Vec::new();
        }
        Some(operation)
    }

    /// Removes everything; the keys come in the order in which the operations began.
    pub(super) fn drain(&mut self) -> Vec<OperationKey> {
        self.by_id = Vec::new();
        std::mem::take(&mut self.by_key).into_iter().map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_found_by_key_and_by_id_whatever_their_order() {
        let mut operations = Operations::default();
        let ids = ["5", "1", "30", "", "3", "é"];
        let keys: Vec<_> = ids
            .iter()
            .map(|id| operations.insert(ClientId::string(id), Subprotocol::TransportWs))
            .collect();
        for (id, key) in ids.iter().zip(&keys) {
            assert_eq!(operations.key_of(&ClientId::string(id)), Some(*key));
            assert_eq!(operations.get(*key).map(|o| o.id.text()), Some(*id));
        }
        assert_eq!(
            operations.remove(keys[2]).map(|o| o.id.text().to_owned()).as_deref(),
            Some("30")
        );
        assert!(operations.remove(keys[2]).is_none());
        assert_eq!(operations.key_of(&ClientId::string("30")), None);
        assert_eq!(operations.key_of(&ClientId::number("3")), Some(keys[4]));
        assert_eq!(operations.len(), 5);
        assert_eq!(operations.drain(), [keys[0], keys[1], keys[3], keys[4], keys[5]]);
        assert!(operations.is_empty());
        assert_eq!(operations.key_of(&ClientId::string("1")), None);
    }
}
