//! A random catalog with random rows.

use std::fmt::Write;

use crate::random::Random;

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL
    Null,
    /// An integer.
    Int(i64),
    /// Lower-case ASCII text, so that every collation agrees.
    Text(String),
    /// A truth value.
    Bool(bool),
    /// A multiple of 0.25, exact in binary.
    Float(f64),
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `integer`
    Int,
    /// `text`
    Text,
    /// `boolean`
    Bool,
    /// `double precision`
    Float,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// The table it refers to, by index.
    pub references: Option<usize>,
}

/// A table with its rows. Column 0 is the primary key `id`.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<Vec<Value>>,
}

/// A relationship as the server names it.
#[derive(Clone, Debug)]
pub struct Relationship {
    /// Its name.
    pub name: String,
    /// To many rows.
    pub many: bool,
    /// The other table.
    pub target: usize,
    /// Own column, other column.
    pub on: (usize, usize),
}

/// Tables and relationships.
#[derive(Clone, Debug)]
pub struct World {
    /// The tables.
    pub tables: Vec<Table>,
    /// Relationships by table.
    pub relationships: Vec<Vec<Relationship>>,
}

const WORDS: [&str; 12] = [
    "ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan",
    "willow",
];

const TABLES: [&str; 5] = ["gardens", "trees", "birds", "nests", "people"];

impl World {
    /// A random world of two to five tables.
    pub fn random(random: &mut Random) -> Self {
        let count = 2 + random.below(4);
        let mut tables: Vec<Table> = Vec::new();
        for (i, name) in TABLES.iter().take(count).enumerate() {
            let mut columns = vec![Column { name: "id".into(), ty: Type::Int, references: None }];
            for c in 0..2 + random.below(4) {
                let ty =
                    *random.pick(&[Type::Int, Type::Text, Type::Bool, Type::Float, Type::Text]);
                columns.push(Column { name: format!("c{c}"), ty, references: None });
            }
            let references = if i == 0 { random.below(2) } else { 1 + random.below(2) };
            for r in 0..references {
                let target = random.below(i + 1);
                columns.push(Column {
                    name: format!("r{r}_id"),
                    ty: Type::Int,
                    references: Some(target),
                });
            }
            tables.push(Table { name: (*name).to_owned(), columns, rows: Vec::new() });
        }
        let mut world = Self { relationships: vec![Vec::new(); tables.len()], tables };
        for t in 0..world.tables.len() {
            for id in 0..random.below(14) {
                let row = world.random_row(random, t, i64::try_from(id).unwrap() + 1);
                world.tables[t].rows.push(row);
            }
        }
        world
    }

    /// A row whose references lead to rows that exist.
    pub fn random_row(&self, random: &mut Random, table: usize, id: i64) -> Vec<Value> {
        let mut row = vec![Value::Int(id)];
        for column in &self.tables[table].columns[1..] {
            row.push(self.random_cell(random, column));
        }
        row
    }

    /// A value for a column.
    pub fn random_cell(&self, random: &mut Random, column: &Column) -> Value {
        if let Some(target) = column.references {
            let rows = &self.tables[target].rows;
            return if rows.is_empty() || random.one_in(5) {
                Value::Null
            } else {
                random.pick(rows)[0].clone()
            };
        }
        if random.one_in(5) { Value::Null } else { random_value(random, column.ty) }
    }

    /// `CREATE TABLE` and `INSERT` statements.
    pub fn sql(&self) -> String {
        let mut out = String::new();
        for table in &self.tables {
            let columns: Vec<String> = table
                .columns
                .iter()
                .map(|c| {
                    let ty = match c.ty {
                        Type::Int => "integer",
                        Type::Text => "text",
                        Type::Bool => "boolean",
                        Type::Float => "double precision",
                    };
                    let extra = match (c.name.as_str(), c.references) {
                        ("id", _) => " NOT NULL PRIMARY KEY".to_owned(),
                        (_, Some(t)) => format!(" REFERENCES {}(id)", self.tables[t].name),
                        _ => String::new(),
                    };
                    format!("{} {ty}{extra}", c.name)
                })
                .collect();
            let _ = writeln!(out, "CREATE TABLE {} ({});", table.name, columns.join(", "));
        }
        for table in &self.tables {
            for row in &table.rows {
                let _ = writeln!(out, "{};", insert(table, row));
            }
        }
        out
    }
}

/// An `INSERT` statement.
pub fn insert(table: &Table, row: &[Value]) -> String {
    let values: Vec<String> = row.iter().map(literal).collect();
    format!("INSERT INTO {} VALUES ({})", table.name, values.join(", "))
}

/// A value as an SQL literal.
pub fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Int(i) => i.to_string(),
        Value::Text(s) => format!("'{s}'"),
        Value::Bool(b) => b.to_string(),
        Value::Float(f) => format!("{f:?}"),
    }
}

/// A value that is not NULL, from a small set so that rows meet.
pub fn random_value(random: &mut Random, ty: Type) -> Value {
    match ty {
        Type::Int => Value::Int(i64::try_from(random.below(9)).unwrap() - 2),
        Type::Text => Value::Text((*random.pick(&WORDS)).to_owned()),
        Type::Bool => Value::Bool(random.one_in(2)),
        Type::Float => {
            Value::Float(f64::from(u8::try_from(random.below(20)).unwrap()) * 0.25 - 1.5)
        }
    }
}
