//! The plain evaluator: loops over rows, three-valued logic, nothing clever.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json, json};

use crate::{
    query::{Aggregates, Args, Filter, Item, Op, Order, OrderBy, Query, Root, json_of},
    world::{Value, World},
};

type Row = Vec<Value>;

/// The `data` of an operation's answer.
pub fn evaluate(world: &World, query: &Query) -> Json {
    let mut data = Map::new();
    for (alias, root) in &query.roots {
        let value = match root {
            Root::Select(t, args, selection) => {
                let rows = select(world, *t, all(world, *t), args);
                rows.iter().map(|r| object(world, *t, r, selection)).collect()
            }
            Root::ByPk(t, id, selection) => world.tables[*t]
                .rows
                .iter()
                .find(|r| r[0] == Value::Int(*id))
                .map_or(Json::Null, |r| object(world, *t, r, selection)),
            Root::Aggregate(t, args, aggregates) => {
                let rows = select(world, *t, all(world, *t), args);
                aggregate(world, *t, &rows, aggregates)
            }
        };
        data.insert(alias.clone(), value);
    }
    Json::Object(data)
}

fn all(world: &World, t: usize) -> Vec<&Row> {
    world.tables[t].rows.iter().collect()
}

/// Rows that a relationship leads to.
fn related<'w>(world: &'w World, t: usize, row: &Row, r: usize) -> Vec<&'w Row> {
    let relationship = &world.relationships[t][r];
    let (own, other) = relationship.on;
    world.tables[relationship.target]
        .rows
        .iter()
        .filter(|x| equal(&row[own], &x[other]) == Some(true))
        .collect()
}

fn select<'w>(world: &'w World, t: usize, mut rows: Vec<&'w Row>, args: &Args) -> Vec<&'w Row> {
    if let Some(filter) = &args.filter {
        rows.retain(|r| holds(world, t, r, filter) == Some(true));
    }
    rows.sort_by(|a, b| {
        args.order
            .iter()
            .map(|o| compare_by(world, t, a, b, o))
            .find(|o| *o != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    });
    if !args.distinct.is_empty() {
        let mut seen: Vec<Vec<&Value>> = Vec::new();
        rows.retain(|r| {
            let key: Vec<&Value> = args.distinct.iter().map(|c| &r[*c]).collect();
            let new = !seen.contains(&key);
            if new {
                seen.push(key);
            }
            new
        });
    }
    let offset = args.offset.unwrap_or(0);
    rows.into_iter().skip(offset).take(args.limit.unwrap_or(usize::MAX)).collect()
}

fn object(world: &World, t: usize, row: &Row, selection: &[Item]) -> Json {
    let mut out = Map::new();
    for item in selection {
        let (alias, value) = match item {
            Item::Column(alias, c) => (alias, json_of(&row[*c])),
            Item::Typename(alias) => (alias, json!(world.tables[t].name)),
            Item::One(alias, r, inner) => {
                let target = world.relationships[t][*r].target;
                let one = related(world, t, row, *r).first().copied();
                (alias, one.map_or(Json::Null, |x| object(world, target, x, inner)))
            }
            Item::Many(alias, r, args, inner) => {
                let target = world.relationships[t][*r].target;
                let rows = select(world, target, related(world, t, row, *r), args);
                (alias, rows.iter().map(|x| object(world, target, x, inner)).collect())
            }
            Item::Aggregate(alias, r, args, aggregates) => {
                let target = world.relationships[t][*r].target;
                let rows = select(world, target, related(world, t, row, *r), args);
                (alias, aggregate(world, target, &rows, aggregates))
            }
        };
        out.insert(alias.clone(), value);
    }
    Json::Object(out)
}

fn aggregate(world: &World, t: usize, rows: &[&Row], aggregates: &Aggregates) -> Json {
    let mut fields = Map::new();
    for (alias, columns, distinct) in &aggregates.counts {
        let mut keys: Vec<Vec<&Value>> =
            rows.iter().map(|r| columns.iter().map(|c| &r[*c]).collect()).collect();
        // A single column does not count where it is NULL; a row of several always does.
        if let [_] = columns.as_slice() {
            keys.retain(|k| *k[0] != Value::Null);
        }
        if *distinct {
            let mut seen: Vec<Vec<&Value>> = Vec::new();
            for key in keys {
                if !seen.contains(&key) {
                    seen.push(key);
                }
            }
            keys = seen;
        }
        fields.insert(alias.clone(), json!(keys.len()));
    }
    for (function, columns) in &aggregates.functions {
        let mut members = Map::new();
        for c in columns {
            let values: Vec<&Value> =
                rows.iter().map(|r| &r[*c]).filter(|v| **v != Value::Null).collect();
            let name = world.tables[t].columns[*c].name.clone();
            members.insert(name, function_of(function, &values));
        }
        fields.insert((*function).to_owned(), Json::Object(members));
    }
    let mut out = Map::new();
    out.insert("aggregate".to_owned(), Json::Object(fields));
    if let Some(items) = &aggregates.nodes {
        let nodes = rows.iter().map(|r| object(world, t, r, items)).collect();
        out.insert("nodes".to_owned(), nodes);
    }
    Json::Object(out)
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn function_of(function: &str, values: &[&Value]) -> Json {
    if values.is_empty() {
        return Json::Null;
    }
    let number = |v: &Value| match v {
        Value::Int(i) => *i as f64,
        Value::Float(f) => *f,
        _ => f64::NAN,
    };
    match function {
        "sum" => match values[0] {
            Value::Int(_) => {
                json!(
                    values.iter().map(|v| if let Value::Int(i) = v { *i } else { 0 }).sum::<i64>()
                )
            }
            _ => json!(values.iter().map(|v| number(v)).sum::<f64>()),
        },
        "avg" => json!(values.iter().map(|v| number(v)).sum::<f64>() / values.len() as f64),
        "max" => json_of(values.iter().max_by(|a, b| order(a, b)).unwrap()),
        _ => json_of(values.iter().min_by(|a, b| order(a, b)).unwrap()),
    }
}

/// The order of two values that are not NULL.
fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        _ => panic!("values of different types"),
    }
}

fn compare_by(world: &World, t: usize, a: &Row, b: &Row, by: &Order) -> Ordering {
    let key = |row: &Row| match &by.by {
        OrderBy::Column(c) => row[*c].clone(),
        OrderBy::Related(r, c) => {
            related(world, t, row, *r).first().map_or(Value::Null, |x| x[*c].clone())
        }
        OrderBy::Count(r) => Value::Int(i64::try_from(related(world, t, row, *r).len()).unwrap()),
        OrderBy::Max(r, c) => related(world, t, row, *r)
            .iter()
            .map(|x| &x[*c])
            .filter(|v| **v != Value::Null)
            .max_by(|a, b| order(a, b))
            .cloned()
            .unwrap_or(Value::Null),
    };
    let (a, b) = (key(a), key(b));
    let nulls_first = by.nulls_first.unwrap_or(by.descending);
    match (a == Value::Null, b == Value::Null) {
        (true, true) => Ordering::Equal,
        (true, false) if nulls_first => Ordering::Less,
        (true, false) => Ordering::Greater,
        (false, true) if nulls_first => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) if by.descending => order(&b, &a),
        (false, false) => order(&a, &b),
    }
}

fn equal(a: &Value, b: &Value) -> Option<bool> {
    (*a != Value::Null && *b != Value::Null).then(|| a == b)
}

/// False if any is, else unknown if any is.
fn conjunction(all: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(true);
    for part in all {
        match part {
            Some(true) => {}
            Some(false) => return Some(false),
            None => result = None,
        }
    }
    result
}

/// Three-valued: `None` is unknown.
fn holds(world: &World, t: usize, row: &Row, filter: &Filter) -> Option<bool> {
    match filter {
        Filter::And(all) => conjunction(all.iter().map(|f| holds(world, t, row, f))),
        Filter::Or(any) => {
            conjunction(any.iter().map(|f| holds(world, t, row, f).map(|b| !b))).map(|b| !b)
        }
        Filter::Not(inner) => holds(world, t, row, inner).map(|b| !b),
        Filter::Compare(c, op, value) => compare(*op, &row[*c], value),
        Filter::In(c, negated, values) => {
            let found = if row[*c] == Value::Null && !values.is_empty() {
                None
            } else {
                Some(values.contains(&row[*c]))
            };
            found.map(|b| b != *negated)
        }
        Filter::IsNull(c, null) => Some((row[*c] == Value::Null) == *null),
        Filter::Like(c, negated, pattern) => match &row[*c] {
            Value::Text(s) => Some(like(s.as_bytes(), pattern.as_bytes()) != *negated),
            _ => None,
        },
        Filter::Related(r, inner) => {
            let target = world.relationships[t][*r].target;
            let any = related(world, t, row, *r)
                .iter()
                .any(|x| holds(world, target, x, inner) == Some(true));
            Some(any)
        }
        Filter::Count(r, inner, op, n) => {
            let target = world.relationships[t][*r].target;
            let count = related(world, t, row, *r)
                .iter()
                .filter(|x| inner.as_ref().is_none_or(|f| holds(world, target, x, f) == Some(true)))
                .count();
            compare(*op, &Value::Int(i64::try_from(count).unwrap()), &Value::Int(*n))
        }
    }
}

fn compare(op: Op, a: &Value, b: &Value) -> Option<bool> {
    if *a == Value::Null || *b == Value::Null {
        return None;
    }
    let o = order(a, b);
    Some(match op {
        Op::Eq => o == Ordering::Equal,
        Op::Neq => o != Ordering::Equal,
        Op::Gt => o == Ordering::Greater,
        Op::Lt => o == Ordering::Less,
        Op::Gte => o != Ordering::Less,
        Op::Lte => o != Ordering::Greater,
    })
}

fn like(text: &[u8], pattern: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'%', rest @ ..] => (0..=text.len()).any(|i| like(&text[i..], rest)),
        [b'_', rest @ ..] => !text.is_empty() && like(&text[1..], rest),
        [c, rest @ ..] => text.first() == Some(c) && like(&text[1..], rest),
    }
}
