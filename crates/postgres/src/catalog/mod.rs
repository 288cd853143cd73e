//! Reading the system tables into a [`Catalog`].
//!
//! Six set-based queries, sent together and so answered in one round trip, in one read-only
//! transaction. Everything else happens here: names for numbers, types in types, views over views.

mod build;
mod functions;
mod queries;
mod types;
pub(crate) mod version;
mod views;

use artesian_database::BackendError;
use artesian_sql::catalog::{Catalog, EnumTableValue, QualifiedName};
use futures_util::{
    FutureExt,
    future::{join, join_all},
};
use tokio_postgres::{Error, Row, types::ToSql, types::Type};

use crate::{
    backend::Known,
    error::unexpected,
    pool::{Connection, Pool},
};

/// The oldest server whose system tables the queries fit: PostgreSQL 13.
const OLDEST: i32 = 13;

/// The rows of the system tables, one field per query.
pub(crate) struct Raw {
    server: Vec<Row>,
    types: Vec<Row>,
    relations: Vec<Row>,
    columns: Vec<Row>,
    constraints: Vec<Row>,
    reads: Vec<Row>,
    functions: Vec<Row>,
}

/// Reads the catalog, and what else is worth remembering.
pub(crate) async fn read(
    pool: &Pool,
    schemas: &[String],
    enum_tables: &[QualifiedName],
) -> Result<(Catalog, Known), BackendError> {
    let schemas = schemas.to_vec();
    let raw = pool.run(move |connection| read_rows(connection, schemas).boxed()).await?;
    let number: i32 = get(raw.server.first().ok_or_else(|| unexpected("no version"))?, 1)?;
    if number / 10_000 < OLDEST {
        return Err(BackendError::Unsupported(format!(
            "PostgreSQL {OLDEST} or newer is needed; this is version {}",
            number / 10_000
        )));
    }
    let (mut catalog, known) = build::catalog(&raw)?;
    if !enum_tables.is_empty() {
        read_enum_tables(pool, &mut catalog, enum_tables).await?;
    }
    Ok((catalog, known))
}

async fn read_rows(connection: &mut Connection, schemas: Vec<String>) -> Result<Raw, Error> {
    let client = &connection.client;
    let restricted: [(&(dyn ToSql + Sync), Type); 1] = [(&schemas, Type::TEXT_ARRAY)];
    // The first poll of each sends it, in this order, without waiting for those before.
    let queries = [
        (queries::SERVER, &[][..]),
        (queries::TYPES, &[][..]),
        (queries::RELATIONS, &restricted[..]),
        (queries::COLUMNS, &restricted[..]),
        (queries::CONSTRAINTS, &restricted[..]),
        (queries::READS, &[][..]),
        (queries::FUNCTIONS, &restricted[..]),
    ];
    let begin = client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    let queries = join_all(queries.map(|(sql, params)| client.query_typed(sql, params)));
    let (begun, (results, ended)) =
        join(begin, join(queries, client.batch_execute("COMMIT"))).await;
    begun?;
    // The first error is the cause; those after it say that the transaction is aborted.
    let mut results = results.into_iter();
    let mut next = || results.next().unwrap_or_else(|| Ok(Vec::new()));
    let raw = Raw {
        server: next()?,
        types: next()?,
        relations: next()?,
        columns: next()?,
        constraints: next()?,
        reads: next()?,
        functions: next()?,
    };
    ended?;
    Ok(raw)
}

/// Fills in the rows of the tables that metadata calls enum tables.
async fn read_enum_tables(
    pool: &Pool,
    catalog: &mut Catalog,
    enum_tables: &[QualifiedName],
) -> Result<(), BackendError> {
    let mut places = Vec::new();
    let mut queries = Vec::new();
    for name in enum_tables {
        let Some(place) = catalog.tables.iter().position(|table| table.name == *name) else {
            tracing::warn!(table = %name, "the enum table is not in the database");
            continue;
        };
        let mut columns = catalog.tables[place].columns.iter().map(|column| quote(&column.name));
        let Some(value) = columns.next() else {
            continue;
        };
        let comment = columns.next().unwrap_or_else(|| "NULL".to_owned());
        let table = format!("{}.{}", quote(&name.schema), quote(&name.name));
        queries.push(format!(
            "SELECT {value}::text, {comment}::text FROM {table} WHERE {value} IS NOT NULL \
             ORDER BY {value}"
        ));
        places.push(place);
    }
    let results = pool
        .run(move |connection| {
            async move {
                let client = &connection.client;
                let all = queries.iter().map(|sql| client.query_typed(sql.as_str(), &[]));
                join_all(all).await.into_iter().collect::<Result<Vec<_>, _>>()
            }
            .boxed()
        })
        .await?;
    for (place, rows) in places.into_iter().zip(results) {
        let values: Result<Vec<_>, BackendError> = rows
            .iter()
            .map(|row| Ok(EnumTableValue { value: get(row, 0)?, comment: get(row, 1)? }))
            .collect();
        catalog.tables[place].enum_values = Some(values?);
    }
    Ok(())
}

/// A column of a catalog query's row.
fn get<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a Row,
    column: usize,
) -> Result<T, BackendError> {
    row.try_get(column)
        .map_err(|error| unexpected(format!("the system tables are not as expected: {error}")))
}

/// An identifier in quotes.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
