//! Which tables a transaction of the writing connection has changed.
//!
//! SQLite's update hook names the table of every changed row, but not in all cases; an authorizer,
//! which is asked about each statement while it is prepared, fills the gaps:
//!
//! - `DELETE FROM t` without `WHERE` empties the table at one stroke, without a hook ("truncate
//!   optimisation"). The authorizer answers such a DELETE with `SQLITE_IGNORE`, which by SQLite's
//!   documentation means: delete row by row.
//! - Tables `WITHOUT ROWID` and virtual tables have no update hook: the statements that would write
//!   them count as writes, whether they find a row or not. Because a cached statement is not
//!   prepared again, a database with such tables forgets its cached statements between transactions.
//! - A row that `REPLACE` removes is not named, but the row that replaces it is, in the same table;
//!   what the removal cascades to is named as well.
//!
//! `preupdate_hook` would do most of this, but building it takes libclang.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::hooks::{Action, AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, Result};

use crate::schema::{self, Kind};

/// Collects the tables that the transactions of one connection change.
#[derive(Clone)]
pub(crate) struct Tracker(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Rows that were changed since the last COMMIT belong to these. What is rolled back stays until
    /// [`Tracker::begin`]: too much does no harm.
    pending: HashSet<String>,
    /// Statements that were prepared since [`Tracker::begin`] write these, and no hook tells when.
    prepared: HashSet<String>,
    /// What was, or was about to be, committed since [`Tracker::begin`].
    committed: BTreeSet<String>,
    /// Tables that the update hook covers.
    hooked: HashSet<String>,
    /// There are tables that the update hook does not cover.
    unhooked: bool,
    /// The table that a `DROP` is about.
    dropping: Option<String>,
}

impl Tracker {
    /// Installs the hooks.
    pub(crate) fn install(connection: &mut Connection) -> Result<Self> {
        let tracker = Self(Arc::default());
        let state = tracker.0.clone();
        connection.update_hook(Some(move |_: Action, database: &str, table: &str, _: i64| {
            let mut state = state.lock();
            if database == "main" && !state.pending.contains(table) {
                state.pending.insert(table.to_owned());
            }
        }))?;
        let state = tracker.0.clone();
        connection.commit_hook(Some(move || {
            state.lock().commit();
            false
        }))?;
        let state = tracker.0.clone();
        connection
            .authorizer(Some(move |context: AuthContext<'_>| state.lock().authorize(context)))?;
        tracker.reload(connection)?;
        Ok(tracker)
    }

    /// Reads which tables there are. Needed after every change of the schema.
    pub(crate) fn reload(&self, connection: &Connection) -> Result<()> {
        let mut hooked = HashSet::new();
        let mut unhooked = false;
        for relation in schema::relations(connection)? {
            match relation.kind {
                Kind::Table => drop(hooked.insert(relation.name)),
                Kind::WithoutRowid | Kind::Virtual | Kind::ForeignVirtual => unhooked = true,
                Kind::View | Kind::Shadow => {}
            }
        }
        connection.flush_prepared_statement_cache();
        let mut state = self.0.lock();
        state.hooked = hooked;
        state.unhooked = unhooked;
        Ok(())
    }

    /// Starts anew. Call before a transaction.
    pub(crate) fn begin(&self, connection: &Connection) {
        let mut state = self.0.lock();
        state.pending.clear();
        state.prepared.clear();
        state.committed.clear();
        let unhooked = state.unhooked;
        drop(state);
        if unhooked {
            connection.flush_prepared_statement_cache();
        }
    }

    /// The tables of everything that was committed since [`Tracker::begin`], as the change feed
    /// names them.
    pub(crate) fn take(&self) -> Vec<Arc<str>> {
        let tables = std::mem::take(&mut self.0.lock().committed);
        tables.iter().map(|t| crate::table_id(t)).collect()
    }
}

impl State {
    /// Before each COMMIT. Should that fail, too much is published.
    fn commit(&mut self) {
        self.committed.extend(self.pending.drain());
        self.committed.extend(self.prepared.iter().cloned());
    }

    fn authorize(&mut self, context: AuthContext<'_>) -> Authorization {
        let dropping = self.dropping.take();
        let main = context.database_name == Some("main");
        match context.action {
            AuthAction::DropTable { table_name } | AuthAction::DropVtable { table_name, .. } => {
                self.dropping = Some(table_name.to_owned());
            }
            AuthAction::DropView { view_name } => self.dropping = Some(view_name.to_owned()),
            // A DROP asks for the right to delete as well, and IGNORE would make it do nothing.
            AuthAction::Delete { table_name } if dropping.as_deref() == Some(table_name) => {}
            AuthAction::Delete { table_name } if main => {
                if self.hooked.contains(table_name) {
                    return Authorization::Ignore;
                }
                self.written(table_name);
            }
            AuthAction::Insert { table_name } | AuthAction::Update { table_name, .. } if main => {
                self.written(table_name);
            }
            _ => {}
        }
        Authorization::Allow
    }

    fn written(&mut self, table: &str) {
        let own = table.starts_with("sqlite_");
        if !own && !self.hooked.contains(table) && !self.prepared.contains(table) {
            self.prepared.insert(table.to_owned());
        }
    }
}
