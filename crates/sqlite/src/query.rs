//! Running statements on a reading connection.

use std::sync::Arc;

use artesian_database::{BackendError, Values};
use artesian_sql::Statement;
use bytes::{BufMut, Bytes, BytesMut};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::error::{backend_error, internal};
use crate::parameters;

/// Runs a statement once per set of values, all in one snapshot, and wraps each answer.
pub(crate) fn fetch_all(
    connection: &Connection,
    statement: &Statement,
    batch: &[Values],
) -> Result<Vec<Bytes>, BackendError> {
    // A single SELECT is a snapshot by itself.
    let snapshot = match batch.len() {
        0 | 1 => None,
        _ => Some(connection.unchecked_transaction().map_err(|e| backend_error(&e))?),
    };
    let mut prepared = connection.prepare_cached(&statement.sql).map_err(|e| backend_error(&e))?;
    let mut results = Vec::with_capacity(batch.len());
    for values in batch {
        parameters::bind(&mut prepared, &statement.param_types, values)?;
        results.push(answer(&mut prepared)?);
    }
    drop(prepared);
    if let Some(snapshot) = snapshot {
        snapshot.commit().map_err(|e| backend_error(&e))?;
    }
    Ok(results)
}

/// `{"data":` and the one text that the statement returns and `}`.
fn answer(prepared: &mut rusqlite::Statement<'_>) -> Result<Bytes, BackendError> {
    let mut rows = prepared.raw_query();
    let row = rows
        .next()
        .map_err(|e| backend_error(&e))?
        .ok_or_else(|| internal("a statement returned no row"))?;
    let text: &[u8] = match row.get_ref(0).map_err(|e| backend_error(&e))? {
        ValueRef::Null => b"null",
        ValueRef::Text(text) => text,
        _ => return Err(internal("a statement returned something that is not text")),
    };
    const BEFORE: &[u8] = b"{\"data\":";
    let mut buffer = BytesMut::with_capacity(BEFORE.len() + text.len() + 1);
    buffer.put_slice(BEFORE);
    buffer.put_slice(text);
    buffer.put_u8(b'}');
    Ok(buffer.freeze())
}

/// What the planner says, one step a line, indented by depth.
pub(crate) fn explain(
    connection: &Connection,
    statement: &Statement,
    values: &Values,
) -> Result<String, BackendError> {
    let sql = format!("EXPLAIN QUERY PLAN {}", statement.sql);
    let mut prepared = connection.prepare(&sql).map_err(|e| backend_error(&e))?;
    parameters::bind(&mut prepared, &statement.param_types, values)?;
    plan(&mut prepared).map_err(|e| backend_error(&e))
}

fn plan(prepared: &mut rusqlite::Statement<'_>) -> rusqlite::Result<String> {
    let mut rows = prepared.raw_query();
    let mut depths = std::collections::HashMap::<i64, usize>::new();
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, parent): (i64, i64) = (row.get(0)?, row.get(1)?);
        let depth = depths.get(&parent).map_or(0, |d| d + 1);
        depths.insert(id, depth);
        let step: String = row.get(3)?;
        lines.push(format!("{:indent$}{step}", "", indent = depth * 2));
    }
    Ok(lines.join("\n"))
}

/// A statement and its values, to be moved to a reader.
pub(crate) struct Query {
    pub(crate) statement: Statement,
    pub(crate) batch: Arc<[Values]>,
}

impl Query {
    pub(crate) fn one(statement: &Statement, values: &Values) -> Self {
        Self { statement: statement.clone(), batch: Arc::new([values.clone()]) }
    }
}
