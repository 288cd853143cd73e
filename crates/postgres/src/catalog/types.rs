//! Types: from rows of `pg_type` to [`ColumnType`].

use std::collections::HashMap;

use artesian_database::BackendError;
use artesian_sql::catalog::{ColumnType, QualifiedName, TypeKind};
use tokio_postgres::Row;

use super::{get, quote};

/// Types in types in types are a cycle; real ones end long before.
const DEEPEST: usize = 32;

/// All types of a database by their object id.
pub(super) struct Types {
    rows: HashMap<u32, TypeRow>,
}

struct TypeRow {
    schema: String,
    name: String,
    kind: String,
    element: u32,
    array: u32,
    base: u32,
    not_null: bool,
    has_default: bool,
    delimiter: String,
    of_relation: bool,
    labels: Option<Vec<String>>,
}

impl Types {
    pub(super) fn new(rows: &[Row]) -> Result<Self, BackendError> {
        let mut types = HashMap::with_capacity(rows.len());
        for row in rows {
            let ty = TypeRow {
                schema: get(row, 1)?,
                name: get(row, 2)?,
                kind: get(row, 3)?,
                element: get(row, 4)?,
                array: get(row, 5)?,
                base: get(row, 6)?,
                not_null: get(row, 7)?,
                has_default: get(row, 8)?,
                delimiter: get(row, 9)?,
                of_relation: get(row, 10)?,
                labels: get(row, 11)?,
            };
            types.insert(get(row, 0)?, ty);
        }
        Ok(Self { rows: types })
    }

    /// The type of that id.
    pub(super) fn column_type(&self, id: u32) -> ColumnType {
        self.at_depth(id, 0)
    }

    fn at_depth(&self, id: u32, depth: usize) -> ColumnType {
        let Some(row) = self.rows.get(&id).filter(|_| depth < DEEPEST) else {
            // Dropped meanwhile, or a cycle: the server would not have it either.
            return ColumnType::base("unknown");
        };
        let is_array = self.rows.get(&row.element).is_some_and(|element| element.array == id);
        let kind = match row.kind.as_str() {
            "e" => TypeKind::Enum(row.labels.clone().unwrap_or_default()),
            "d" => TypeKind::Domain(Box::new(self.at_depth(row.base, depth + 1))),
            "c" => TypeKind::Composite,
            "r" | "m" => TypeKind::Range,
            // Rows without a declared type.
            "p" if row.name == "record" => TypeKind::Composite,
            _ if is_array => TypeKind::Array(Box::new(self.at_depth(row.element, depth + 1))),
            _ => TypeKind::Base,
        };
        ColumnType { name: row.name.clone(), schema: row.schema.clone(), kind }
    }

    /// The table, view or the like whose row type it is.
    pub(super) fn relation(&self, id: u32) -> Option<QualifiedName> {
        let row = self.rows.get(&id).filter(|row| row.of_relation)?;
        Some(QualifiedName::new(&row.schema, &row.name))
    }

    /// Whether it stands for many types (`anyelement`), or for none that a query could name
    /// (`internal`). `void` and `record` do not.
    pub(super) fn is_pseudo(&self, id: u32) -> bool {
        self.rows
            .get(&id)
            .is_none_or(|row| row.kind == "p" && row.name != "void" && row.name != "record")
    }

    /// What a domain says of NULL and of a default, over all the domains below it.
    pub(super) fn domain_rules(&self, mut id: u32) -> (bool, bool) {
        let (mut not_null, mut has_default) = (false, false);
        for _ in 0..DEEPEST {
            match self.rows.get(&id) {
                Some(row) if row.kind == "d" => {
                    not_null |= row.not_null;
                    has_default |= row.has_default;
                    id = row.base;
                }
                _ => break,
            }
        }
        (not_null, has_default)
    }

    /// The types whose arrays are not separated by commas, by quoted name.
    pub(super) fn delimiters(&self) -> HashMap<String, char> {
        let unusual = self.rows.values().filter(|row| row.delimiter != ",");
        unusual
            .filter_map(|row| {
                let name = format!("{}.{}", quote(&row.schema), quote(&row.name));
                Some((name, row.delimiter.chars().next()?))
            })
            .collect()
    }
}
