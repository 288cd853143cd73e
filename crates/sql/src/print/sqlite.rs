//! SQLite text.
//!
//! What SQLite lacks is either written differently (`DISTINCT ON` by a window function) or called
//! as a function that the SQLite backend registers: `pg_like`, `pg_ilike`, `pg_similar` (text,
//! pattern), `regexp`, `iregexp` (pattern, text), `jsonb_contains`, `jsonb_has_key`,
//! `jsonb_has_any`, `jsonb_has_all` (document, argument), and the aggregates `stddev`, `variance`
//! and their kin.

use super::{direction, join, literal};
use crate::{
    ir::{
        Aggregate, AggregateColumn, AggregateField, AggregatePart, Alias, CallArg, Expr, Form,
        From, Json, Operator, Relation,
    },
    types::quote,
};

pub(super) fn single(root: &Json) -> String {
    format!("SELECT {}", json(root))
}

fn alias(a: Alias) -> String {
    format!("t{a}")
}

fn param(index: usize) -> String {
    format!("?{}", index + 1)
}

fn json(value: &Json) -> String {
    match value {
        Json::Text(text) => literal(text),
        Json::Param(p) => format!("json({})", param(*p)),
        Json::Value(expr, form) => form_value(&expression(expr), *form),
        Json::Object(fields) => object(fields.iter().map(|(k, v)| (k, json(v)))),
        Json::List(relation, row) => {
            let object = object(row.iter().map(|(k, v)| (k, json(v))));
            let rows = select(relation, &format!("{object} AS o"));
            format!("json((SELECT coalesce(json_group_array(json(r.o)), '[]') FROM ({rows}) AS r))")
        }
        Json::One(relation, row) => {
            let mut relation = relation.clone();
            relation.max_rows = Some(1);
            let object = object(row.iter().map(|(k, v)| (k, json(v))));
            format!("json(({}))", select(&relation, &object))
        }
        Json::Aggregates(relation, parts) => aggregates(relation, parts),
    }
}

fn object<'k>(fields: impl Iterator<Item = (&'k String, String)>) -> String {
    let pairs: Vec<String> = fields.map(|(k, v)| format!("{}, {v}", literal(k))).collect();
    format!("json_object({})", pairs.join(", "))
}

fn form_value(text: &str, form: Form) -> String {
    match form {
        Form::Plain => text.to_owned(),
        Form::Text | Form::TextArray => format!("CAST({text} AS TEXT)"),
        Form::Boolean => {
            format!("json(CASE WHEN {text} THEN 'true' WHEN NOT {text} THEN 'false' END)")
        }
        // Text that is no JSON is given as a string, so that one bad row spoils nothing.
        Form::Json => format!(
            "json(CASE WHEN json_valid({text}) OR {text} IS NULL THEN {text} \
             ELSE json_quote({text}) END)"
        ),
        Form::Bytes => format!(
            "CASE typeof({text}) WHEN 'blob' THEN '\\x' || lower(hex({text})) ELSE {text} END"
        ),
    }
}

fn table(from: &From) -> String {
    match from {
        From::Table(name) => format!("{}.{}", quote(&name.schema), quote(&name.name)),
        From::Function(name, args) => call(&name.name, args),
    }
}

fn call(name: &str, args: &[CallArg]) -> String {
    let args = join(args, ", ", |a| match a {
        CallArg::Row(t, _) => alias(*t),
        CallArg::Named(_, e) | CallArg::Positional(e) => expression(e),
    });
    format!("{}({args})", quote(name))
}

fn select(relation: &Relation, columns: &str) -> String {
    let t = alias(relation.alias);
    let mut sql = format!("SELECT {columns} FROM ");
    let filter = (relation.filter != Expr::Bool(true)).then(|| expression(&relation.filter));
    let order =
        join(&relation.order_by, ", ", |o| format!("{}{}", expression(&o.by), direction(o, true)));
    let order = if order.is_empty() { String::new() } else { format!(" ORDER BY {order}") };
    if relation.distinct_on.is_empty() {
        sql.push_str(&format!("{} AS {t}", table(&relation.from)));
        if let Some(filter) = filter {
            sql.push_str(&format!(" WHERE {filter}"));
        }
    } else {
        // DISTINCT ON: the first row of each partition.
        let on = join(&relation.distinct_on, ", ", expression);
        let filter = filter.map(|f| format!(" WHERE {f}")).unwrap_or_default();
        sql.push_str(&format!(
            "(SELECT {t}.*, row_number() OVER (PARTITION BY {on}{order}) AS \"row of distinct\" \
             FROM {} AS {t}{filter}) AS {t} WHERE {t}.\"row of distinct\" = 1",
            table(&relation.from)
        ));
    }
    sql.push_str(&order);
    let limit = match (relation.limit, relation.max_rows) {
        (Some(p), Some(max)) => Some(format!("min({}, {max})", param(p))),
        (Some(p), None) => Some(param(p)),
        (None, Some(max)) => Some(max.to_string()),
        (None, None) => relation.offset.map(|_| "-1".to_owned()),
    };
    if let Some(limit) = limit {
        sql.push_str(&format!(" LIMIT {limit}"));
    }
    if let Some(p) = relation.offset {
        sql.push_str(&format!(" OFFSET {}", param(p)));
    }
    sql
}

fn aggregates(relation: &Relation, parts: &[(String, AggregatePart)]) -> String {
    let t = alias(relation.alias);
    let mut columns: Vec<String> = vec![format!("{t}.*")];
    let mut members: Vec<(&String, String)> = Vec::new();
    for (key, part) in parts {
        let value = match part {
            AggregatePart::Text(text) => literal(text),
            AggregatePart::Nodes { row, max_rows: Some(max) } => {
                let mut limited = relation.clone();
                limited.max_rows = Some(limited.max_rows.map_or(*max, |m| m.min(*max)));
                json(&Json::List(Box::new(limited), row.clone()))
            }
            AggregatePart::Nodes { row, max_rows: None } => {
                let name = format!("\"nodes {}\"", columns.len());
                let object = object(row.iter().map(|(k, v)| (k, json(v))));
                columns.push(format!("{object} AS {name}"));
                format!("json(coalesce(json_group_array(json({t}.{name})), '[]'))")
            }
            AggregatePart::Fields(fields) => {
                object(fields.iter().map(|(k, f)| (k, aggregate_field(f))))
            }
        };
        members.push((key, value));
    }
    let object = object(members.into_iter());
    let rows = select(relation, &columns.join(", "));
    format!("json((SELECT {object} FROM ({rows}) AS {t}))")
}

fn aggregate_field(field: &AggregateField) -> String {
    match field {
        AggregateField::Text(text) => literal(text),
        AggregateField::One(a) => aggregate(a),
        AggregateField::Group(columns) => object(columns.iter().map(|(key, column)| {
            let value = match column {
                AggregateColumn::Text(text) => literal(text),
                AggregateColumn::Value(a, form) => form_value(&aggregate(a), *form),
            };
            (key, value)
        })),
    }
}

fn aggregate(a: &Aggregate) -> String {
    if a.args.is_empty() {
        return format!("{}(*)", a.function);
    }
    let distinct = if a.distinct { "DISTINCT " } else { "" };
    let args = join(&a.args, ", ", expression);
    match (a.function.as_str(), a.args.len()) {
        // A row of columns is never NULL, so all rows count.
        ("count", 2..) if !a.distinct => "count(*)".to_owned(),
        ("count", 2..) => format!("count(DISTINCT json_array({args}))"),
        // Truth values are 0 and 1.
        ("bool_and", _) => format!("min({distinct}{args})"),
        ("bool_or", _) => format!("max({distinct}{args})"),
        (function, _) => {
            let function = function.strip_suffix(" uuid").unwrap_or(function);
            format!("{function}({distinct}{args})")
        }
    }
}

fn expression(expr: &Expr) -> String {
    match expr {
        Expr::Column(t, name) => format!("{}.{}", alias(*t), quote(name)),
        Expr::Param(p) => param(*p),
        Expr::Bool(b) => if *b { "1" } else { "0" }.to_owned(),
        Expr::And(all) if all.is_empty() => "1".to_owned(),
        Expr::Or(any) if any.is_empty() => "0".to_owned(),
        Expr::And(all) => format!("({})", join(all, " AND ", expression)),
        Expr::Or(any) => format!("({})", join(any, " OR ", expression)),
        Expr::Not(e) => format!("(NOT {})", expression(e)),
        Expr::IsNull(e, true) => format!("({} IS NULL)", expression(e)),
        Expr::IsNull(e, false) => format!("({} IS NOT NULL)", expression(e)),
        Expr::IsNullParam(e, p) => format!("(({} IS NULL) = {})", expression(e), param(*p)),
        Expr::Binary(op, l, r) => binary(*op, &expression(l), &expression(r)),
        // The list is a JSON array.
        Expr::In { value, list, negated, .. } => format!(
            "({} {}IN (SELECT value FROM json_each({})))",
            expression(value),
            if *negated { "NOT " } else { "" },
            param(*list)
        ),
        Expr::Exists(relation) => format!("EXISTS ({})", select(relation, "1")),
        Expr::First(relation, e) => {
            let mut relation = relation.clone();
            relation.max_rows = Some(1);
            format!("({})", select(&relation, &expression(e)))
        }
        Expr::Aggregate(relation, a) => {
            if relation.limit.is_none() && relation.max_rows.is_none() {
                format!("({})", select(relation, &aggregate(a)))
            } else {
                let t = alias(relation.alias);
                let rows = select(relation, &format!("{t}.*"));
                format!("(SELECT {} FROM ({rows}) AS {t})", aggregate(a))
            }
        }
        Expr::Cast(e, ty) => format!("CAST({} AS {ty})", expression(e)),
        Expr::Call(name, args) => call(&name.name, args),
    }
}

fn binary(op: Operator, l: &str, r: &str) -> String {
    let function = |name: &str, negated: bool| {
        format!("({}{name}({l}, {r}))", if negated { "NOT " } else { "" })
    };
    match op {
        Operator::Eq => format!("({l} = {r})"),
        Operator::Neq => format!("({l} <> {r})"),
        Operator::Gt => format!("({l} > {r})"),
        Operator::Lt => format!("({l} < {r})"),
        Operator::Gte => format!("({l} >= {r})"),
        Operator::Lte => format!("({l} <= {r})"),
        Operator::Like => function("pg_like", false),
        Operator::Nlike => function("pg_like", true),
        Operator::Ilike => function("pg_ilike", false),
        Operator::Nilike => function("pg_ilike", true),
        Operator::Similar => function("pg_similar", false),
        Operator::Nsimilar => function("pg_similar", true),
        Operator::Regex => format!("(regexp({r}, {l}))"),
        Operator::Nregex => format!("(NOT regexp({r}, {l}))"),
        Operator::Iregex => format!("(iregexp({r}, {l}))"),
        Operator::Niregex => format!("(NOT iregexp({r}, {l}))"),
        Operator::Contains => function("jsonb_contains", false),
        Operator::ContainedIn => format!("(jsonb_contains({r}, {l}))"),
        Operator::HasKey => function("jsonb_has_key", false),
        Operator::HasKeysAny => function("jsonb_has_any", false),
        Operator::HasKeysAll => function("jsonb_has_all", false),
        Operator::JsonStep => format!("({l} -> {r})"),
        // The schema offers these for ltree only, which SQLite does not have.
        Operator::Ancestor
        | Operator::AncestorAny
        | Operator::Descendant
        | Operator::DescendantAny
        | Operator::Matches
        | Operator::MatchesAny
        | Operator::MatchesFulltext => "0".to_owned(),
    }
}
