//! Putting the catalog together from the rows of the system tables.

use std::collections::HashMap;

use artesian_database::BackendError;
use artesian_sql::catalog::{Catalog, Column, ForeignKey, Key, QualifiedName, Table, TableKind};
use tokio_postgres::Row;

use super::{Raw, functions::functions, get, types::Types, views::Graph};
use crate::{
    backend::Known,
    dependencies::{Dependencies, Reads},
    error::unexpected,
};

/// Tables by object id, with what is needed to name their columns.
struct Place {
    index: usize,
    column_names: HashMap<i16, String>,
}

pub(super) fn catalog(raw: &Raw) -> Result<(Catalog, Known), BackendError> {
    let types = Types::new(&raw.types)?;
    let graph = Graph::new(&raw.reads)?;
    let (mut tables, mut places) = relations(&raw.relations)?;
    columns(&raw.columns, &types, &mut tables, &mut places)?;
    keys(&raw.constraints, &mut tables, &places)?;

    let mut dependencies = Dependencies::default();
    for table in tables.iter().filter(|table| table.volatile) {
        let reads = Reads { tables: [table.name.clone()].into(), volatile: true };
        dependencies.insert(table.name.clone(), reads);
    }
    for (id, name, mut reads) in graph.closed() {
        if let Some(table) = places.get(&id).map(|place| &mut tables[place.index]) {
            reads.volatile |= table.volatile;
            table.volatile = reads.volatile;
            if table.kind == TableKind::View {
                table.reads = reads.tables.iter().cloned().collect();
            }
        }
        dependencies.insert(name.clone(), reads);
    }

    let server = raw.server.first().ok_or_else(|| unexpected("the server has no version"))?;
    let catalog = Catalog {
        default_schema: "public".to_owned(),
        tables,
        functions: functions(&raw.functions, &types)?,
        version: get(server, 0)?,
    };
    Ok((catalog, Known { dependencies, delimiters: types.delimiters() }))
}

fn relations(rows: &[Row]) -> Result<(Vec<Table>, HashMap<u32, Place>), BackendError> {
    let mut tables = Vec::with_capacity(rows.len());
    let mut places = HashMap::with_capacity(rows.len());
    for row in rows {
        let (schema, name): (String, String) = (get(row, 1)?, get(row, 2)?);
        let name = QualifiedName::new(schema, name);
        if !get::<bool>(row, 4)? {
            tracing::debug!(table = %name, "left out: no privilege to read it");
            continue;
        }
        let kind = match get::<&str>(row, 3)? {
            "v" => TableKind::View,
            "m" => TableKind::MaterializedView,
            "f" => TableKind::ForeignTable,
            _ => TableKind::Table,
        };
        places.insert(get(row, 0)?, Place { index: tables.len(), column_names: HashMap::new() });
        tables.push(Table {
            name,
            kind,
            comment: get(row, 5)?,
            columns: Vec::new(),
            primary_key: None,
            unique_keys: Vec::new(),
            foreign_keys: Vec::new(),
            reads: Vec::new(),
            // Their content changes by a refresh, or in another database.
            volatile: matches!(kind, TableKind::MaterializedView | TableKind::ForeignTable),
            enum_values: None,
        });
    }
    Ok((tables, places))
}

fn columns(
    rows: &[Row],
    types: &Types,
    tables: &mut [Table],
    places: &mut HashMap<u32, Place>,
) -> Result<(), BackendError> {
    for row in rows {
        let Some(place) = places.get_mut(&get(row, 0)?) else {
            continue;
        };
        let name: String = get(row, 2)?;
        let ty: u32 = get(row, 3)?;
        let (domain_not_null, domain_default) = types.domain_rules(ty);
        let table = &mut tables[place.index];
        // What a view computes can be NULL whatever its types say.
        let is_table = matches!(table.kind, TableKind::Table | TableKind::ForeignTable);
        let not_null = get::<bool>(row, 4)? || domain_not_null;
        table.columns.push(Column {
            name: name.clone(),
            ty: types.column_type(ty),
            nullable: !(is_table && not_null),
            comment: get(row, 7)?,
            has_default: get::<bool>(row, 5)? || (is_table && domain_default),
            generated: get(row, 6)?,
        });
        place.column_names.insert(get(row, 1)?, name);
    }
    Ok(())
}

fn keys(
    rows: &[Row],
    tables: &mut [Table],
    places: &HashMap<u32, Place>,
) -> Result<(), BackendError> {
    // None if a column is hidden from this user: the key is of no use then.
    let names = |place: &Place, numbers: &[i16]| -> Option<Vec<String>> {
        numbers.iter().map(|number| place.column_names.get(number).cloned()).collect()
    };
    for row in rows {
        let Some(place) = places.get(&get(row, 0)?) else {
            continue;
        };
        let numbers: Vec<i16> = get(row, 3)?;
        let Some(columns) = names(place, &numbers) else {
            continue;
        };
        let name: String = get(row, 1)?;
        match get::<&str>(row, 2)? {
            "p" => tables[place.index].primary_key = Some(Key { name, columns }),
            "u" => tables[place.index].unique_keys.push(Key { name, columns }),
            _ => {
                let numbers: Vec<i16> = get(row, 5)?;
                let Some(target) = places.get(&get(row, 4)?) else {
                    continue;
                };
                let Some(target_columns) = names(target, &numbers) else {
                    continue;
                };
                let target = tables[target.index].name.clone();
                let key = ForeignKey { name, columns, target, target_columns };
                tables[place.index].foreign_keys.push(key);
            }
        }
    }
    Ok(())
}
