//! What a statement reads, as SQLite itself finds out while it prepares it.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, Result};

use crate::schema::{Kind, Relation};

/// Functions whose answer can differ although nothing was written. Those of date and time are
/// among them because any of their arguments may say `'now'`.
const VOLATILE: &[&str] = &[
    "random",
    "randomblob",
    "date",
    "time",
    "datetime",
    "julianday",
    "unixepoch",
    "strftime",
    "timediff",
    "current_date",
    "current_time",
    "current_timestamp",
    "changes",
    "total_changes",
    "last_insert_rowid",
];

/// Virtual tables that are functions of their arguments.
const FUNCTIONS: &[&str] = &["json_each", "json_tree", "jsonb_each", "jsonb_tree"];

/// What a statement reads.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Reads {
    /// Tables, with views resolved to what they read.
    pub(crate) tables: BTreeSet<String>,
    /// Its answer can change without a write to `tables`.
    pub(crate) volatile: bool,
}

/// What the authorizer saw while a statement was prepared.
#[derive(Default)]
struct Seen {
    relations: BTreeSet<String>,
    functions: BTreeSet<String>,
}

/// A connection that prepares statements only to see what they read.
#[derive(Clone)]
pub(crate) struct Inspector(Arc<Mutex<Seen>>);

impl Inspector {
    /// Makes a connection one that can be inspected.
    pub(crate) fn install(connection: &mut Connection) -> Result<Self> {
        let inspector = Self(Arc::default());
        let seen = inspector.0.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            match context.action {
                AuthAction::Read { table_name, .. } => {
                    let mut seen = seen.lock();
                    if !seen.relations.contains(table_name) {
                        seen.relations.insert(table_name.to_owned());
                    }
                }
                AuthAction::Function { function_name } => {
                    seen.lock().functions.insert(function_name.to_ascii_lowercase());
                }
                _ => {}
            }
            Authorization::Allow
        }))?;
        Ok(inspector)
    }

    /// What a statement reads. Call within a snapshot, after [`crate::schema::relations`] has made the
    /// connection notice changes of the schema.
    pub(crate) fn reads(
        &self,
        connection: &Connection,
        relations: &[Relation],
        sql: &str,
    ) -> Result<Reads> {
        *self.0.lock() = Seen::default();
        connection.prepare(sql)?;
        let seen = std::mem::take(&mut *self.0.lock());
        let mut reads = Reads {
            tables: BTreeSet::new(),
            volatile: seen.functions.iter().any(|f| VOLATILE.contains(&f.as_str())),
        };
        for name in seen.relations {
            // A table of which no column is read has the name that the statement calls it by.
            match relations.iter().find(|r| r.name.eq_ignore_ascii_case(&name)) {
                Some(Relation { kind: Kind::View, .. }) => {}
                Some(relation) => {
                    reads.volatile |= relation.kind == Kind::ForeignVirtual;
                    reads.tables.insert(relation.name.clone());
                }
                // SQLite's own tables and table-valued functions.
                None => reads.volatile |= !FUNCTIONS.iter().any(|f| f.eq_ignore_ascii_case(&name)),
            }
        }
        Ok(reads)
    }
}
