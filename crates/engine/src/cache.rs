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
    document::Document,
    schema::Schema,
};
use parking_lot::RwLock;
use quick_cache::{Equivalent, Weighter, sync::Cache};

use crate::{GraphQLError, source::Plan};

/// Most plans of one document; documents that take whole objects as variables can have many.
const PLANS_PER_DOCUMENT: usize = 64;

/// Plans for longer variables than this many bytes are made anew each time: what clients send must
/// not fill the memory.
const MAX_KEY_BYTES: usize = 4096;

/// A document weighs one for each KiB of its text.
#[derive(Clone)]
struct PerKibibyte;

impl Weighter<Key, Arc<Entry>> for PerKibibyte {
    fn weight(&self, key: &Key, _: &Arc<Entry>) -> u64 {
        1 + key.query.len() as u64 / 1024
    }
}

/// An operation with what answers it.
pub(crate) struct Prepared {
    pub(crate) bound: BoundOperation,
    pub(crate) answer: Answer,
}

pub(crate) enum Answer {
    /// A source's plan.
    Plan(Arc<dyn Plan>),
    /// The schema alone.
    Introspection(Arc<Schema>),
}

pub(crate) struct PlanCache {
    entries: Cache<Key, Arc<Entry>, PerKibibyte>,
}

#[derive(Clone, PartialEq, Eq)]
struct Key {
    role: Arc<str>,
    query: Arc<str>,
    operation: Option<Box<str>>,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        KeyRef { role: &self.role, query: &self.query, operation: self.operation.as_deref() }
            .hash(state);
    }
}

#[derive(Hash)]
struct KeyRef<'a> {
    role: &'a str,
    query: &'a str,
    operation: Option<&'a str>,
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *key.role == *self.role
            && *key.query == *self.query
            && key.operation.as_deref() == self.operation
    }
}

/// Plans of one shape.
type PlansByKey = HashMap<ShapeKey, Arc<Prepared>>;

/// A parsed document with its plans.
pub(crate) struct Entry {
    pub(crate) document: Document,
    schema: Arc<Schema>,
    plans: RwLock<Vec<(Shape, PlansByKey)>>,
}

impl PlanCache {
    /// A cache of about so many documents of a KiB each.
    pub(crate) fn new(size: usize) -> Self {
        let size = size.max(1);
        Self { entries: Cache::with_weighter(size, size as u64, PerKibibyte) }
    }

    /// The entry of a document, parsed if it is not there or was made for another schema.
    pub(crate) fn entry<E>(
        &self,
        role: &Arc<str>,
        query: &Arc<str>,
        operation: Option<&str>,
        schema: &Arc<Schema>,
        parse: impl FnOnce() -> Result<Document, E>,
    ) -> Result<Arc<Entry>, GraphQLError>
    where
        GraphQLError: From<E>,
    {
        if let Some(entry) = self.entries.get(&KeyRef { role, query, operation })
            && Arc::ptr_eq(&entry.schema, schema)
        {
            return Ok(entry);
        }
        let entry = Arc::new(Entry {
            document: parse()?,
            schema: Arc::clone(schema),
            plans: RwLock::new(Vec::new()),
        });
        let key = Key {
            role: Arc::clone(role),
            query: Arc::clone(query),
            operation: operation.map(Into::into),
        };
        self.entries.insert(key, Arc::clone(&entry));
        Ok(entry)
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
        let shape = prepared.bound.shape.clone();
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
            Some((_, plans)) => {
                plans.insert(key, Arc::clone(&prepared));
            }
            None => plans.push((shape, HashMap::from([(key, Arc::clone(&prepared))]))),
        }
        prepared
    }
}
