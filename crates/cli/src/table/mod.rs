//! A result as tables for a terminal, with what has changed since the last one marked.
//!
//! [`render`] is a pure function: results in, lines out.

mod layout;

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

/// How a cell differs from the result before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Not at all.
    Same,
    /// It had another value.
    Changed,
    /// Its row was not there.
    New,
}

/// A cell's text with its mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    mark: Mark,
    is_number: bool,
}

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub struct Canvas {
    /// Columns of the terminal.
    pub width: usize,
    /// Lines of the terminal.
    pub height: usize,
    /// Whether marks are colours; otherwise they are left out.
    pub color: bool,
}

/// A root field as a table.
struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// The lines that show `current`'s `data`, what differs from `previous` marked.
pub fn render(previous: Option<&Json>, current: &Json, canvas: Canvas) -> Vec<String> {
    let empty = Map::new();
    let fields = current.as_object().unwrap_or(&empty);
    let tables: Vec<Table> = fields
        .iter()
        .map(|(name, value)| {
            table(name, previous.and_then(|p| p.get(name)), value, previous.is_some())
        })
        .collect();
    layout::lines(&tables, canvas)
}

fn table(name: &str, previous: Option<&Json>, value: &Json, is_update: bool) -> Table {
    let (rows, title) = match value {
        Json::Array(items) => {
            let unit = if items.len() == 1 { "row" } else { "rows" };
            (items.iter().map(flat).collect(), format!("{name} ({} {unit})", items.len()))
        }
        one => (vec![flat(one)], name.to_owned()),
    };
    let before: Vec<Row> = match previous {
        Some(Json::Array(items)) => items.iter().map(flat).collect(),
        Some(one) => vec![flat(one)],
        None => Vec::new(),
    };
    let mut columns: Vec<String> = Vec::new();
    for (column, _) in rows.iter().flatten() {
        if !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    // An object that is null in some rows has its columns from the others.
    let is_object = |column: &str| {
        let prefix = format!("{column}.");
        columns.iter().any(|other| other.starts_with(&prefix))
    };
    let columns: Vec<String> = columns.iter().filter(|c| !is_object(c)).cloned().collect();
    let matched = matching(&before, &rows);
    let rows = rows.iter().zip(matched).map(|(row, old)| {
        let cells = columns.iter().map(|column| {
            let value = get(row, column);
            let mark = match old {
                _ if !is_update => Mark::Same,
                None => Mark::New,
                Some(old) if get(old, column) == value => Mark::Same,
                Some(_) => Mark::Changed,
            };
            let is_number = matches!(value, Some(Json::Number(_)));
            Cell { text: value.map(text).unwrap_or_default(), mark, is_number }
        });
        cells.collect()
    });
    let rows = rows.collect();
    Table { title: clean(&title), columns: columns.iter().map(|c| clean(c)).collect(), rows }
}

/// Columns with values, in the order of the selection.
type Row<'a> = Vec<(String, &'a Json)>;

/// A column's value; `null` stands for all that would be below it.
fn get<'a>(row: &Row<'a>, column: &str) -> Option<&'a Json> {
    let is_above = |name: &str| {
        column.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    row.iter().find(|(name, _)| is_above(name)).map(|(_, value)| *value)
}

/// An object's values; those of objects in it under `outer.inner`.
fn flat(value: &Json) -> Row<'_> {
    fn add<'a>(out: &mut Row<'a>, prefix: &str, value: &'a Json) {
        match value {
            Json::Object(fields) if !fields.is_empty() => {
                for (name, value) in fields {
                    let name =
                        if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                    add(out, &name, value);
                }
            }
            value => {
                let name = if prefix.is_empty() { "value" } else { prefix };
                out.push((name.to_owned(), value));
            }
        }
    }
    let mut out = Vec::new();
    add(&mut out, "", value);
    out
}

/// For each new row the old one that it was: by `id` where that tells rows apart, else by place.
fn matching<'r, 'a>(before: &'r [Row<'a>], rows: &[Row<'_>]) -> Vec<Option<&'r Row<'a>>> {
    let key = |row: &Row<'_>| get(row, "id").map(ToString::to_string);
    let by_key: HashMap<String, &Row<'_>> =
        before.iter().filter_map(|row| Some((key(row)?, row))).collect();
    let has_keys = by_key.len() == before.len() && rows.iter().all(|row| key(row).is_some());
    rows.iter()
        .enumerate()
        .map(|(at, row)| match key(row) {
            Some(key) if has_keys => by_key.get(&key).copied(),
            _ => before.get(at),
        })
        .collect()
}

fn text(value: &Json) -> String {
    match value {
        Json::Null => "·".to_owned(),
        Json::String(text) => clean(text),
        other => clean(&other.to_string()),
    }
}

/// Text that cannot steer the terminal.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push('⏎'),
            c if c.is_control() || is_invisible(c) => out.push('�'),
            c => out.push(c),
        }
    }
    out
}

/// Marks of direction and the like, with which a text could be shown as another.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
