//! Which tables a statement really reads, views resolved.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use artesian_sql::QualifiedName;

/// What relations read, as the last reading of the catalog found it.
#[derive(Default)]
pub(crate) struct Dependencies {
    /// Views, and tables with children by inheritance. All other tables stand for themselves.
    relations: HashMap<QualifiedName, Reads>,
}

/// What one relation reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    /// The tables whose changes can be seen.
    pub(crate) tables: BTreeSet<QualifiedName>,
    /// The content can change without a change to these tables.
    pub(crate) volatile: bool,
}

impl Dependencies {
    pub(crate) fn insert(&mut self, relation: QualifiedName, reads: Reads) {
        self.relations.insert(relation, reads);
    }

    /// The ids of the tables that are behind these relations, and whether that is not all.
    pub(crate) fn resolve(&self, relations: &[QualifiedName]) -> (Vec<Arc<str>>, bool) {
        let mut tables = BTreeSet::new();
        let mut polled = false;
        for relation in relations {
            match self.relations.get(relation) {
                Some(reads) => {
                    tables.extend(&reads.tables);
                    polled |= reads.volatile;
                }
                None => {
                    tables.insert(relation);
                }
            }
        }
        (tables.into_iter().map(|table| table.to_string().into()).collect(), polled)
    }
}
