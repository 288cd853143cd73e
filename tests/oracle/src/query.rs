//! Random operations, as a tree and as GraphQL text.

use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use crate::{
    random::Random,
    world::{Type, Value, World, random_value},
};

/// A root field.
#[derive(Clone, Debug)]
pub enum Root {
    /// A list.
    Select(usize, Args, Vec<Item>),
    /// One row by its key.
    ByPk(usize, i64, Vec<Item>),
    /// Aggregates.
    Aggregate(usize, Args, Aggregates),
}

/// An operation.
#[derive(Clone, Debug)]
pub struct Query {
    /// Root fields by alias.
    pub roots: Vec<(String, Root)>,
    /// GraphQL text without the keyword in front.
    pub text: String,
    /// Declarations of variables, `$v0: Int, …`.
    pub declarations: String,
    /// Their values.
    pub variables: Map<String, Json>,
}

/// A member of a row's selection, with its alias.
#[derive(Clone, Debug)]
pub enum Item {
    /// A column.
    Column(String, usize),
    /// `__typename`
    Typename(String),
    /// A related row.
    One(String, usize, Vec<Item>),
    /// Related rows.
    Many(String, usize, Args, Vec<Item>),
    /// Aggregates over related rows.
    Aggregate(String, usize, Args, Aggregates),
}

/// Arguments of a list.
#[derive(Clone, Debug, Default)]
pub struct Args {
    /// `where`
    pub filter: Option<Filter>,
    /// `order_by`; always total, since the key comes last.
    pub order: Vec<Order>,
    /// `limit`
    pub limit: Option<usize>,
    /// `offset`
    pub offset: Option<usize>,
    /// `distinct_on`
    pub distinct: Vec<usize>,
}

/// An ordering key.
#[derive(Clone, Debug)]
pub struct Order {
    /// What by.
    pub by: OrderBy,
    /// Descending.
    pub descending: bool,
    /// `_nulls_first` or `_nulls_last`.
    pub nulls_first: Option<bool>,
}

/// What rows are ordered by.
#[derive(Clone, Debug)]
pub enum OrderBy {
    /// A column.
    Column(usize),
    /// A column of the row that an object relationship leads to.
    Related(usize, usize),
    /// The number of related rows.
    Count(usize),
    /// The greatest value of a column of related rows.
    Max(usize, usize),
}

/// A condition.
#[derive(Clone, Debug)]
pub enum Filter {
    /// All hold.
    And(Vec<Filter>),
    /// One holds.
    Or(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// A comparison.
    Compare(usize, Op, Value),
    /// `_in` or `_nin`.
    In(usize, bool, Vec<Value>),
    /// `_is_null`
    IsNull(usize, bool),
    /// `_like` with a pattern.
    Like(usize, bool, String),
    /// A related row for which it holds.
    Related(usize, Box<Filter>),
    /// The number of related rows for which it holds.
    Count(usize, Option<Box<Filter>>, Op, i64),
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the dialect")]
pub enum Op {
    Eq,
    Neq,
    Gt,
    Lt,
    Gte,
    Lte,
}

const OPS: [(Op, &str); 6] = [
    (Op::Eq, "_eq"),
    (Op::Neq, "_neq"),
    (Op::Gt, "_gt"),
    (Op::Lt, "_lt"),
    (Op::Gte, "_gte"),
    (Op::Lte, "_lte"),
];

/// `aggregate { … } nodes { … }`
#[derive(Clone, Debug)]
pub struct Aggregates {
    /// `count` with columns and distinct.
    pub counts: Vec<(String, Vec<usize>, bool)>,
    /// Functions over columns.
    pub functions: Vec<(&'static str, Vec<usize>)>,
    /// Rows.
    pub nodes: Option<Vec<Item>>,
}

struct Writer<'a> {
    world: &'a World,
    random: &'a mut Random,
    declarations: Vec<String>,
    variables: Map<String, Json>,
    aliases: usize,
}

impl Query {
    /// A random operation of one to three root fields, or exactly one.
    pub fn random(world: &World, random: &mut Random, single: bool) -> Self {
        let mut writer =
            Writer { world, random, declarations: Vec::new(), variables: Map::new(), aliases: 0 };
        let count = if single { 1 } else { 1 + writer.random.below(3) };
        let mut roots = Vec::new();
        let mut text = String::from("{ ");
        for i in 0..count {
            let alias = format!("root{i}");
            let (root, field) = writer.root();
            let _ = write!(text, "{alias}: {field} ");
            roots.push((alias, root));
        }
        text.push('}');
        Self {
            roots,
            text,
            declarations: writer.declarations.join(", "),
            variables: writer.variables,
        }
    }

    /// The document with a keyword.
    pub fn document(&self, keyword: &str) -> String {
        if self.declarations.is_empty() {
            format!("{keyword} {}", self.text)
        } else {
            format!("{keyword} ({}) {}", self.declarations, self.text)
        }
    }
}

impl Writer<'_> {
    fn root(&mut self) -> (Root, String) {
        let t = self.random.below(self.world.tables.len());
        let name = self.world.tables[t].name.clone();
        match self.random.below(4) {
            0 => {
                let id = i64::try_from(self.random.below(12)).unwrap();
                let (items, selection) = self.items(t, 2);
                let id_text = self.value(&Value::Int(id), Type::Int, true);
                (Root::ByPk(t, id, items), format!("{name}_by_pk(id: {id_text}) {selection}"))
            }
            1 => {
                let (args, text) = self.args(t, 2);
                let (aggregates, selection) = self.aggregates(t, 1);
                (
                    Root::Aggregate(t, args, aggregates),
                    format!("{name}_aggregate{text} {selection}"),
                )
            }
            _ => {
                let (args, text) = self.args(t, 2);
                let (items, selection) = self.items(t, 3);
                (Root::Select(t, args, items), format!("{name}{text} {selection}"))
            }
        }
    }

    fn alias(&mut self, prefix: &str) -> String {
        self.aliases += 1;
        format!("{prefix}{}", self.aliases)
    }

    fn items(&mut self, t: usize, depth: usize) -> (Vec<Item>, String) {
        let world = self.world;
        let table = &world.tables[t];
        let mut items = Vec::new();
        let mut text = String::from("{ ");
        for _ in 0..1 + self.random.below(3) {
            let c = self.random.below(table.columns.len());
            let alias = self.alias("f");
            let _ = write!(text, "{alias}: {} ", table.columns[c].name);
            items.push(Item::Column(alias, c));
        }
        if self.random.one_in(6) {
            let alias = self.alias("t");
            let _ = write!(text, "{alias}: __typename ");
            items.push(Item::Typename(alias));
        }
        let relationships = &world.relationships[t];
        if depth > 0 && !relationships.is_empty() {
            for _ in 0..self.random.below(3) {
                let r = self.random.below(relationships.len());
                let relationship = &relationships[r];
                let (name, target) = (relationship.name.clone(), relationship.target);
                let alias = self.alias("n");
                if !relationship.many {
                    let (inner, selection) = self.items(target, depth - 1);
                    let _ = write!(text, "{alias}: {name} {selection} ");
                    items.push(Item::One(alias, r, inner));
                } else if self.random.one_in(3) {
                    let (args, args_text) = self.args(target, 1);
                    let (aggregates, selection) = self.aggregates(target, depth - 1);
                    let _ = write!(text, "{alias}: {name}_aggregate{args_text} {selection} ");
                    items.push(Item::Aggregate(alias, r, args, aggregates));
                } else {
                    let (args, args_text) = self.args(target, 1);
                    let (inner, selection) = self.items(target, depth - 1);
                    let _ = write!(text, "{alias}: {name}{args_text} {selection} ");
                    items.push(Item::Many(alias, r, args, inner));
                }
            }
        }
        text.push('}');
        (items, text)
    }

    fn aggregates(&mut self, t: usize, depth: usize) -> (Aggregates, String) {
        let table = &self.world.tables[t];
        let mut text = String::from("{ aggregate { ");
        let mut counts = vec![("count".to_owned(), Vec::new(), false)];
        text.push_str("count ");
        if self.random.one_in(2) {
            let alias = self.alias("count");
            let mut columns = vec![self.random.below(table.columns.len())];
            let distinct = self.random.one_in(2);
            // Several columns count as a row.
            if distinct && self.random.one_in(3) {
                columns.push(self.random.below(table.columns.len()));
                columns.dedup();
            }
            let names: Vec<_> = columns.iter().map(|c| table.columns[*c].name.as_str()).collect();
            let _ = write!(
                text,
                "{alias}: count(columns: [{}], distinct: {distinct}) ",
                names.join(", ")
            );
            counts.push((alias, columns, distinct));
        }
        let mut functions = Vec::new();
        for function in ["sum", "avg", "max", "min"] {
            if !self.random.one_in(3) {
                continue;
            }
            let numeric = matches!(function, "sum" | "avg");
            let columns: Vec<usize> = (0..table.columns.len())
                .filter(|c| match table.columns[*c].ty {
                    Type::Int | Type::Float => true,
                    Type::Text => !numeric,
                    Type::Bool => false,
                })
                .filter(|_| self.random.one_in(2))
                .collect();
            if columns.is_empty() {
                continue;
            }
            let names: Vec<_> = columns.iter().map(|c| table.columns[*c].name.as_str()).collect();
            let _ = write!(text, "{function} {{ {} }} ", names.join(" "));
            functions.push((function, columns));
        }
        text.push_str("} ");
        let nodes = if self.random.one_in(2) {
            let (items, selection) = self.items(t, depth.saturating_sub(1));
            let _ = write!(text, "nodes {selection} ");
            Some(items)
        } else {
            None
        };
        text.push('}');
        (Aggregates { counts, functions, nodes }, text)
    }

    fn args(&mut self, t: usize, depth: usize) -> (Args, String) {
        let table = &self.world.tables[t];
        let mut args = Args::default();
        let mut parts = Vec::new();
        if self.random.one_in(2) {
            let (filter, text) = self.filter(t, depth);
            parts.push(format!("where: {{{text}}}"));
            args.filter = Some(filter);
        }
        let mut orders = Vec::new();
        if self.random.one_in(6) {
            let c = self.random.below(table.columns.len());
            args.distinct.push(c);
            parts.push(format!("distinct_on: [{}]", table.columns[c].name));
            if self.random.one_in(3) {
                // Without an order of its own the list is sorted by the column, then by key.
                let ascending =
                    |c| Order { by: OrderBy::Column(c), descending: false, nulls_first: None };
                args.order = vec![ascending(c), ascending(0)];
                return (args, format!("({})", parts.join(", ")));
            }
            self.order(OrderBy::Column(c), t, &mut args, &mut orders);
        }
        if args.distinct.is_empty() && self.random.one_in(5) {
            // By key alone.
            args.order =
                vec![Order { by: OrderBy::Column(0), descending: false, nulls_first: None }];
            let text =
                if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) };
            return (args, text);
        }
        if self.random.one_in(2) {
            let relationships = &self.world.relationships[t];
            let by = match self.random.below(4) {
                0 if !relationships.is_empty() => {
                    let r = self.random.below(relationships.len());
                    let columns = &self.world.tables[relationships[r].target].columns;
                    let c = self.random.below(columns.len());
                    match (relationships[r].many, columns[c].ty) {
                        (false, _) => OrderBy::Related(r, c),
                        (true, Type::Bool) => OrderBy::Count(r),
                        (true, _) if self.random.one_in(2) => OrderBy::Count(r),
                        (true, _) => OrderBy::Max(r, c),
                    }
                }
                _ => OrderBy::Column(self.random.below(table.columns.len())),
            };
            self.order(by, t, &mut args, &mut orders);
        }
        self.order(OrderBy::Column(0), t, &mut args, &mut orders);
        parts.push(format!("order_by: [{}]", orders.join(", ")));
        if self.random.one_in(3) {
            let n = self.random.below(6);
            args.limit = Some(n);
            let n = self.value(&Value::Int(i64::try_from(n).unwrap()), Type::Int, false);
            parts.push(format!("limit: {n}"));
        }
        if self.random.one_in(4) {
            let n = self.random.below(4);
            args.offset = Some(n);
            parts.push(format!("offset: {n}"));
        }
        (args, format!("({})", parts.join(", ")))
    }

    fn order(&mut self, by: OrderBy, t: usize, args: &mut Args, texts: &mut Vec<String>) {
        let (word, descending, nulls_first) = *self.random.pick(&[
            ("asc", false, None),
            ("desc", true, None),
            ("asc_nulls_first", false, Some(true)),
            ("asc_nulls_last", false, Some(false)),
            ("desc_nulls_first", true, Some(true)),
            ("desc_nulls_last", true, Some(false)),
        ]);
        let column = |t: usize, c: usize| &self.world.tables[t].columns[c].name;
        let relationships = &self.world.relationships[t];
        texts.push(match &by {
            OrderBy::Column(c) => format!("{{{}: {word}}}", column(t, *c)),
            OrderBy::Related(r, c) => {
                let r = &relationships[*r];
                format!("{{{}: {{{}: {word}}}}}", r.name, column(r.target, *c))
            }
            OrderBy::Count(r) => {
                format!("{{{}_aggregate: {{count: {word}}}}}", relationships[*r].name)
            }
            OrderBy::Max(r, c) => {
                let r = &relationships[*r];
                format!("{{{}_aggregate: {{max: {{{}: {word}}}}}}}", r.name, column(r.target, *c))
            }
        });
        args.order.push(Order { by, descending, nulls_first });
    }

    /// A condition and the fields of its object.
    fn filter(&mut self, t: usize, depth: usize) -> (Filter, String) {
        let table = &self.world.tables[t];
        let relationships = &self.world.relationships[t];
        match self.random.below(if depth > 0 { 10 } else { 5 }) {
            5 | 6 => {
                let parts: Vec<_> =
                    (0..self.random.below(4)).map(|_| self.filter(t, depth - 1)).collect();
                let and = self.random.one_in(2);
                let texts: Vec<_> = parts.iter().map(|(_, text)| format!("{{{text}}}")).collect();
                let filters = parts.into_iter().map(|(f, _)| f).collect();
                let word = if and { "_and" } else { "_or" };
                let text = format!("{word}: [{}]", texts.join(", "));
                (if and { Filter::And(filters) } else { Filter::Or(filters) }, text)
            }
            7 => {
                let (inner, text) = self.filter(t, depth - 1);
                (Filter::Not(Box::new(inner)), format!("_not: {{{text}}}"))
            }
            8 | 9 if !relationships.is_empty() => {
                let r = self.random.below(relationships.len());
                let relationship = &relationships[r];
                if relationship.many && self.random.one_in(2) {
                    let (op, word) = *self.random.pick(&OPS);
                    let n = i64::try_from(self.random.below(4)).unwrap();
                    let n_text = self.value(&Value::Int(n), Type::Int, false);
                    let inner =
                        self.random.one_in(2).then(|| self.filter(relationship.target, depth - 1));
                    let filter_text = inner
                        .as_ref()
                        .map(|(_, text)| format!("filter: {{{text}}}, "))
                        .unwrap_or_default();
                    let text = format!(
                        "{}_aggregate: {{count: {{{filter_text}predicate: {{{word}: {n_text}}}}}}}",
                        relationship.name
                    );
                    return (Filter::Count(r, inner.map(|(f, _)| Box::new(f)), op, n), text);
                }
                let (inner, text) = self.filter(relationship.target, depth - 1);
                let text = format!("{}: {{{text}}}", relationship.name);
                (Filter::Related(r, Box::new(inner)), text)
            }
            _ => {
                let c = self.random.below(table.columns.len());
                let column = &table.columns[c];
                let (filter, text) = match self.random.below(5) {
                    0 => {
                        let null = self.random.one_in(2);
                        let text = self.value(&Value::Bool(null), Type::Bool, false);
                        (Filter::IsNull(c, null), format!("_is_null: {text}"))
                    }
                    1 => {
                        let values: Vec<_> = (0..self.random.below(4))
                            .map(|_| random_value(self.random, column.ty))
                            .collect();
                        let negated = self.random.one_in(3);
                        let texts: Vec<_> = values.iter().map(|v| json_of(v).to_string()).collect();
                        let word = if negated { "_nin" } else { "_in" };
                        let text = if self.random.one_in(3) {
                            let list = values.iter().map(json_of).collect();
                            self.variable(
                                Json::Array(list),
                                &format!("[{}!]", type_name(column.ty)),
                            )
                        } else {
                            format!("[{}]", texts.join(", "))
                        };
                        (Filter::In(c, negated, values), format!("{word}: {text}"))
                    }
                    2 if column.ty == Type::Text => {
                        let pattern =
                            *self.random.pick(&["%a%", "_a%", "%r", "oak", "%", "e__", "f_r"]);
                        let negated = self.random.one_in(3);
                        let word = if negated { "_nlike" } else { "_like" };
                        let text = format!("{word}: \"{pattern}\"");
                        (Filter::Like(c, negated, pattern.to_owned()), text)
                    }
                    _ => {
                        let (op, word) = *self.random.pick(&OPS);
                        let value = random_value(self.random, column.ty);
                        let text = self.value(&value, column.ty, false);
                        (Filter::Compare(c, op, value), format!("{word}: {text}"))
                    }
                };
                (filter, format!("{}: {{{text}}}", column.name))
            }
        }
    }

    /// A value, at times as a variable.
    fn value(&mut self, value: &Value, ty: Type, non_null: bool) -> String {
        let json = json_of(value);
        if !self.random.one_in(3) {
            return json.to_string();
        }
        let bang = if non_null || self.random.one_in(2) { "!" } else { "" };
        self.variable(json, &format!("{}{bang}", type_name(ty)))
    }

    fn variable(&mut self, json: Json, ty: &str) -> String {
        let name = format!("v{}", self.variables.len());
        self.declarations.push(format!("${name}: {ty}"));
        self.variables.insert(name.clone(), json);
        format!("${name}")
    }
}

fn type_name(ty: Type) -> &'static str {
    match ty {
        Type::Int => "Int",
        Type::Text => "String",
        Type::Bool => "Boolean",
        Type::Float => "float8",
    }
}

/// A value as JSON.
pub fn json_of(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int(i) => json!(i),
        Value::Text(s) => json!(s),
        Value::Bool(b) => json!(b),
        Value::Float(f) => json!(f),
    }
}
