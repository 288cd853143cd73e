//! Relationships: from metadata, or from foreign keys where there is none.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::{
    Cardinality, Model, Relationship, TableIndex,
    naming::{is_valid_name, plural, singular},
};
use crate::{
    catalog::{ForeignKey, QualifiedName, Table},
    metadata::{NameRef, RelationshipMetadata, TableMetadata},
};

impl Model {
    /// A foreign key gives an object relationship to the referenced row and, in the other
    /// direction, an array relationship to the referencing rows (an object relationship if the
    /// referencing columns are unique).
    pub(super) fn relationships_of_foreign_keys(&mut self) {
        let mut found: Vec<(TableIndex, Relationship)> = Vec::new();
        for (source, table) in self.tables.iter().enumerate() {
            for key in &table.table.foreign_keys {
                let Some(target) = self.index(&key.target) else { continue };
                found.push((source, self.forward(source, target, key)));
            }
        }
        for (source, table) in self.tables.iter().enumerate() {
            for key in &table.table.foreign_keys {
                let Some(target) = self.index(&key.target) else { continue };
                found.push((target, self.backward(source, key)));
            }
        }
        for (owner, mut relationship) in found {
            let table = &self.tables[owner];
            let mut taken: HashSet<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
            taken.extend(table.relationships.iter().map(|r| r.name.as_str()));
            if taken.contains(relationship.name.as_str()) {
                let columns: Vec<&str> = match relationship.cardinality {
                    Cardinality::One => relationship.mapping.iter().map(|m| &*m.0).collect(),
                    Cardinality::Many => relationship.mapping.iter().map(|m| &*m.1).collect(),
                };
                relationship.name = format!("{}_by_{}", relationship.name, columns.join("_"));
            }
            if taken.contains(relationship.name.as_str()) || !is_valid_name(&relationship.name) {
                continue;
            }
            self.tables[owner].relationships.push(relationship);
        }
    }

    fn forward(&self, source: TableIndex, target: TableIndex, key: &ForeignKey) -> Relationship {
        let from = &self.tables[source];
        // courier_id → courier; else the singular of the other table.
        let name = match key.columns.as_slice() {
            [column] => {
                column.strip_suffix("_id").or_else(|| column.strip_suffix("Id")).map(str::to_owned)
            }
            _ => None,
        }
        .filter(|n| is_valid_name(n))
        .unwrap_or_else(|| singular(&self.tables[target].name));
        Relationship {
            name,
            cardinality: Cardinality::One,
            target,
            mapping: pairs(&key.columns, &key.target_columns),
            nullable: columns_nullable(&from.table, &key.columns),
            description: None,
        }
    }

    fn backward(&self, source: TableIndex, key: &ForeignKey) -> Relationship {
        let other = &self.tables[source];
        let unique = is_unique(&other.table, &key.columns);
        Relationship {
            name: if unique { singular(&other.name) } else { plural(&other.name) },
            cardinality: if unique { Cardinality::One } else { Cardinality::Many },
            target: source,
            mapping: pairs(&key.target_columns, &key.columns),
            nullable: true,
            description: None,
        }
    }

    /// The relationships that metadata gives a table.
    pub(super) fn relationships_of_metadata(
        &mut self,
        name: &QualifiedName,
        meta: &TableMetadata,
        default_schema: &str,
    ) {
        let Some(index) = self.index(name) else { return };
        let all = meta
            .object_relationships
            .iter()
            .map(|r| (r, Cardinality::One))
            .chain(meta.array_relationships.iter().map(|r| (r, Cardinality::Many)));
        for (relationship, cardinality) in all {
            match self.relationship(index, relationship, cardinality, default_schema) {
                Ok(r) => self.tables[index].relationships.push(r),
                Err(why) => self.warnings.push(format!(
                    "relationship {} of {name} is left out: {why}",
                    relationship.name
                )),
            }
        }
    }

    fn relationship(
        &self,
        source: TableIndex,
        meta: &RelationshipMetadata,
        cardinality: Cardinality,
        default_schema: &str,
    ) -> Result<Relationship, String> {
        if !is_valid_name(&meta.name) {
            return Err("its name is not a valid GraphQL name".to_owned());
        }
        let table = &self.tables[source].table;
        let (target, mapping, nullable) = if let Some(manual) = &meta.using.manual_configuration {
            let target = manual.remote_table.qualify(default_schema);
            let mapping: Vec<_> =
                manual.column_mapping.iter().map(|(a, b)| (a.clone(), b.clone())).collect();
            (target, mapping, true)
        } else {
            let on = meta
                .using
                .foreign_key_constraint_on
                .as_ref()
                .ok_or("it names neither a foreign key nor a manual configuration")?;
            match on {
                Json::Object(o) => {
                    let target: NameRef = o
                        .get("table")
                        .cloned()
                        .and_then(|t| serde_json::from_value(t).ok())
                        .ok_or("it does not name the other table")?;
                    let target = target.qualify(default_schema);
                    let columns = names(o.get("columns").or_else(|| o.get("column")))?;
                    let other = self
                        .index(&target)
                        .map(|i| &self.tables[i].table)
                        .ok_or_else(|| format!("{target} is not tracked"))?;
                    let key = other
                        .foreign_keys
                        .iter()
                        .find(|k| k.target == table.name && same_columns(&k.columns, &columns))
                        .ok_or_else(|| {
                            format!(
                                "{target} has no foreign key on ({}) to {}",
                                columns.join(", "),
                                table.name
                            )
                        })?;
                    (target, pairs(&key.target_columns, &key.columns), true)
                }
                on => {
                    let columns = names(Some(on))?;
                    let key = table
                        .foreign_keys
                        .iter()
                        .find(|k| same_columns(&k.columns, &columns))
                        .ok_or_else(|| {
                            format!("there is no foreign key on ({})", columns.join(", "))
                        })?;
                    let nullable = columns_nullable(table, &key.columns);
                    (key.target.clone(), pairs(&key.columns, &key.target_columns), nullable)
                }
            }
        };
        let target_index = self.index(&target).ok_or_else(|| format!("{target} is not tracked"))?;
        let other = &self.tables[target_index].table;
        for (own, remote) in &mapping {
            if table.column(own).is_none() {
                return Err(format!("there is no column {own}"));
            }
            if other.column(remote).is_none() {
                return Err(format!("{target} has no column {remote}"));
            }
        }
        Ok(Relationship {
            name: meta.name.clone(),
            cardinality,
            target: target_index,
            mapping,
            nullable,
            description: meta.comment.clone().filter(|c| !c.is_empty()),
        })
    }
}

fn names(json: Option<&Json>) -> Result<Vec<String>, String> {
    match json {
        Some(Json::String(s)) => Ok(vec![s.clone()]),
        Some(Json::Array(items)) => items
            .iter()
            .map(|v| v.as_str().map(str::to_owned).ok_or("expected column names".to_owned()))
            .collect(),
        _ => Err("expected a column or a list of columns".to_owned()),
    }
}

fn pairs(a: &[String], b: &[String]) -> Vec<(String, String)> {
    a.iter().cloned().zip(b.iter().cloned()).collect()
}

fn same_columns(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().all(|c| b.contains(c))
}

fn columns_nullable(table: &Table, columns: &[String]) -> bool {
    columns.iter().any(|c| table.column(c).is_none_or(|c| c.nullable))
}

fn is_unique(table: &Table, columns: &[String]) -> bool {
    table.primary_key.iter().chain(&table.unique_keys).any(|k| same_columns(&k.columns, columns))
}
