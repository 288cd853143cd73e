//! The cache of prepared operations.
//!
//! A document is parsed once for each role, text and operation name; below it is one plan for each
//! value of the variables that shape it (most documents have one). Keys are compared in full, never
//! by a hash alone.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::Arc,
};

use artesian_graphql::{
    bind::{BoundOperation, Shape, ShapeKey, Variables},
    document::{Document, OperationType},
    schema::Schema,
};
use parking_lot::RwLock;
use quick_cache::{Equivalent, Weighter, sync::Cache};

use crate::{
    EngineConfig, GraphQLError, Payload,
    source::{Plan, Reader},
};

/// Most plans of one document; documents that take whole objects as variables can have many.
const PLANS_PER_DOCUMENT: usize = 64;

/// Plans for longer variables than this many bytes are made anew each time: what clients send must
/// not fill the memory.
const MAX_KEY_BYTES: usize = 4096;

/// A document weighs one for each KiB of its text.
#[derive(Clone)]
struct PerKibibyte;

impl Weighter<Arc<Key>, Arc<Entry>> for PerKibibyte {
    fn weight(&self, key: &Arc<Key>, _: &Arc<Entry>) -> u64 {
        1 + key.query.len() as u64 / 1024
    }
}

/// An operation with what answers it.
pub(crate) struct Prepared {
    pub(crate) kind: OperationType,
    pub(crate) name: Option<Arc<str>>,
    /// It carries `@live`.
    pub(crate) live: bool,
    /// What of the variables the answer depends on.
    pub(crate) shape: Shape,
    pub(crate) answer: Answer,
}

pub(crate) enum Answer {
    /// A source's plan.
    Plan(Arc<dyn Plan>),
    /// The same for everybody of the role.
    Known(Payload),
    /// The schema alone.
    Introspection(Arc<Schema>, Box<BoundOperation>),
}

/// What validates documents.
#[derive(Clone)]
pub(crate) enum View {
    Schema(Arc<Schema>),
    Reader(Arc<dyn Reader>),
}

impl PartialEq for View {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Schema(a), Self::Schema(b)) => Arc::ptr_eq(a, b),
            (Self::Reader(a), Self::Reader(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// What documents are parsed and bound by.
pub(crate) struct Rules {
    pub(crate) view: View,
    pub(crate) config: Arc<EngineConfig>,
}

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.view == other.view && Arc::ptr_eq(&self.config, &other.config)
    }
}

pub(crate) struct PlanCache {
    entries: Cache<Arc<Key>, Arc<Entry>, PerKibibyte>,
}

/// What an entry is made of. Operations that run live share it.
#[derive(PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) role: Arc<str>,
    pub(crate) query: Arc<str>,
    pub(crate) operation: Option<Box<str>>,
}

impl Key {
    pub(crate) fn parts(&self) -> KeyRef<'_> {
        KeyRef { role: &self.role, query: &self.query, operation: self.operation.as_deref() }
    }

    /// The same operation for another role.
    pub(crate) fn for_role(&self, role: &Arc<str>) -> Self {
        let (query, operation) = (Arc::clone(&self.query), self.operation.clone());
        Self { role: Arc::clone(role), query, operation }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

/// The same, borrowed.
#[derive(Clone, Copy)]
pub(crate) struct KeyRef<'a> {
    pub(crate) role: &'a Arc<str>,
    pub(crate) query: &'a Arc<str>,
    pub(crate) operation: Option<&'a str>,
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&**self.role, &**self.query, self.operation).hash(state);
    }
}

impl Equivalent<Arc<Key>> for KeyRef<'_> {
    fn equivalent(&self, key: &Arc<Key>) -> bool {
        *key.role == **self.role
            && *key.query == **self.query
            && key.operation.as_deref() == self.operation
    }
}

/// Plans of one shape.
type PlansByKey = HashMap<ShapeKey, Arc<Prepared>>;

/// A parsed document with its plans.
pub(crate) struct Entry {
    pub(crate) key: Arc<Key>,
    pub(crate) document: Document,
    pub(crate) rules: Rules,
    plans: RwLock<Vec<(Shape, PlansByKey)>>,
}

impl PlanCache {
    /// A cache of about so many documents of a KiB each.
    pub(crate) fn new(size: usize) -> Self {
        let size = size.max(1);
        Self { entries: Cache::with_weighter(size, size as u64, PerKibibyte) }
    }

    /// The entry of a document, parsed if it is not there or was made by other rules.
    pub(crate) fn entry<E>(
        &self,
        asked: KeyRef<'_>,
        rules: Rules,
        parse: impl FnOnce() -> Result<Document, E>,
    ) -> Result<Arc<Entry>, GraphQLError>
    where
        GraphQLError: From<E>,
    {
        let old = self.entries.get(&asked);
        let key = match old {
            Some(entry) if entry.rules == rules => return Ok(entry),
            Some(entry) => Arc::clone(&entry.key),
            None => Arc::new(Key {
                role: Arc::clone(asked.role),
                query: Arc::clone(asked.query),
                operation: asked.operation.map(Into::into),
            }),
        };
        let entry = Arc::new(Entry {
            key: Arc::clone(&key),
            document: parse()?,
            rules,
            plans: RwLock::new(Vec::new()),
        });
        self.entries.insert(key, Arc::clone(&entry));
        Ok(entry)
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.entries.clear();
    }
}

impl Entry {
    /// The plan for these variables. A plan was bound with a shape; any variables with the same
    /// values in that shape would have been bound alike.
    pub(crate) fn find(&self, variables: &Variables) -> Option<Arc<Prepared>> {
        let plans = self.plans.read();
        plans.iter().find_map(|(shape, plans)| plans.get(&shape.key(variables)).cloned())
    }

    pub(crate) fn insert(&self, variables: &Variables, prepared: Prepared) -> Arc<Prepared> {
        let shape = prepared.shape.clone();
        let key = shape.key(variables);
        let prepared = Arc::new(prepared);
        if key.len() > MAX_KEY_BYTES {
            return prepared;
        }
        let mut plans = self.plans.write();
        if plans.iter().map(|(_, p)| p.len()).sum::<usize>() >= PLANS_PER_DOCUMENT {
            plans.clear();
        }
        match plans.iter_mut().find(|(s, _)| *s == shape) {
            // Two may make it at once; the first one in stays, so that what is live shares it.
            Some((_, plans)) => return Arc::clone(plans.entry(key).or_insert(prepared)),
            None => plans.push((shape, HashMap::from([(key, Arc::clone(&prepared))]))),
        }
        prepared
    }
}
