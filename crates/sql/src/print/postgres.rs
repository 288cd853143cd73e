//! PostgreSQL text.

use super::{direction, join, literal};
use crate::{
    ir::{
        Aggregate, AggregateColumn, AggregateField, AggregatePart, Alias, CallArg, Expr, Form,
        From, Json, Operator, ParamIndex, Relation,
    },
    statement::ParamType,
    types::quote,
};

/// Longest name PostgreSQL keeps (`NAMEDATALEN` - 1); a longer output column would be cut.
const MAX_NAME_BYTES: usize = 63;

/// Most arguments of a function are 100; pairs of key and value go into chunks of this.
const PAIRS_PER_CALL: usize = 40;

pub(super) fn single(root: &Json, params: &[ParamType]) -> String {
    let printer = Printer { params, batch: false };
    format!("SELECT ({})::text", printer.json(root))
}

pub(super) fn batch(root: &Json, params: &[ParamType]) -> String {
    let printer = Printer { params, batch: true };
    let n = params.len();
    let arrays = join(params.iter().enumerate(), ", ", |(i, p)| {
        format!("${}::{}[]", i + 1, p.batch_element)
    });
    let names = join(0..n, ", ", |i| format!("p{i}"));
    // The count guards against arrays of unequal length, which unnest would fill with NULLs.
    format!(
        "SELECT v.i::int4, ({})::text FROM ROWS FROM (unnest({arrays})) WITH ORDINALITY \
         AS v({names}, i) WHERE v.i <= ${}::int4",
        printer.json(root),
        n + 1
    )
}

struct Printer<'a> {
    params: &'a [ParamType],
    batch: bool,
}

fn alias(a: Alias) -> String {
    format!("t{a}")
}

impl Printer<'_> {
    fn param(&self, index: ParamIndex) -> String {
        let ty = &self.params[index];
        if !self.batch {
            format!("${}::{}", index + 1, ty.name)
        } else if ty.batch_element == ty.name {
            format!("v.p{index}")
        } else {
            format!("v.p{index}::{}", ty.name)
        }
    }

    fn json(&self, json: &Json) -> String {
        match json {
            Json::Text(text) => format!("{}::text", literal(text)),
            Json::Param(p) => self.param(*p),
            Json::Value(expr, form) => self.value(expr, *form),
            Json::Object(fields) => self.object(fields.iter().map(|(k, v)| (k, self.json(v)))),
            Json::List(relation, row) => {
                if row.iter().any(|(k, _)| k.len() > MAX_NAME_BYTES) {
                    let object = self.object(row.iter().map(|(k, v)| (k, self.json(v))));
                    let rows = self.select(relation, &format!("{object} AS o"));
                    return format!("(SELECT coalesce(json_agg(r.o), '[]') FROM ({rows}) AS r)");
                }
                let rows = self.select(relation, &self.row_columns(row));
                format!("(SELECT coalesce(json_agg(r), '[]') FROM ({rows}) AS r)")
            }
            Json::One(relation, row) => {
                let mut relation = relation.clone();
                relation.max_rows = Some(1);
                if row.iter().any(|(k, _)| k.len() > MAX_NAME_BYTES) {
                    let object = self.object(row.iter().map(|(k, v)| (k, self.json(v))));
                    return format!("({})", self.select(&relation, &object));
                }
                let rows = self.select(&relation, &self.row_columns(row));
                format!("(SELECT row_to_json(r) FROM ({rows}) AS r)")
            }
            Json::Aggregates(relation, parts) => self.aggregates(relation, parts),
        }
    }

    fn row_columns(&self, row: &[(String, Json)]) -> String {
        join(row, ", ", |(key, value)| format!("{} AS {}", self.json(value), quote(key)))
    }

    /// A JSON object of fixed keys.
    fn object<'k>(&self, fields: impl Iterator<Item = (&'k String, String)>) -> String {
        let pairs: Vec<String> =
            fields.map(|(key, value)| format!("{}, {value}", literal(key))).collect();
        if pairs.len() <= PAIRS_PER_CALL {
            return format!("json_build_object({})", pairs.join(", "));
        }
        // Several objects are joined as text: '{a' || ', ' || 'b' || ', ' || 'c}'.
        let chunks: Vec<String> = pairs
            .chunks(PAIRS_PER_CALL)
            .map(|c| format!("left(substr(json_build_object({})::text, 2), -1)", c.join(", ")))
            .collect();
        let bodies = chunks.join(" || ', ' || ");
        format!("('{{' || {bodies} || '}}')::json")
    }

    fn value(&self, expr: &Expr, form: Form) -> String {
        let text = self.expr(expr);
        match form {
            Form::Text => format!("({text})::text"),
            Form::TextArray => format!("({text})::text[]"),
            Form::Plain | Form::Boolean | Form::Json | Form::Bytes => text,
        }
    }

    /// `SELECT columns FROM … WHERE … ORDER BY … LIMIT …`
    fn select(&self, relation: &Relation, columns: &str) -> String {
        let mut sql = String::from("SELECT ");
        if !relation.distinct_on.is_empty() {
            let on = join(&relation.distinct_on, ", ", |e| self.expr(e));
            sql.push_str(&format!("DISTINCT ON ({on}) "));
        }
        sql.push_str(columns);
        sql.push_str(&format!(" FROM {} AS {}", self.from(&relation.from), alias(relation.alias)));
        if relation.filter != Expr::Bool(true) {
            sql.push_str(&format!(" WHERE {}", self.expr(&relation.filter)));
        }
        if !relation.order_by.is_empty() {
            let keys = join(&relation.order_by, ", ", |o| {
                format!("{}{}", self.expr(&o.by), direction(o, false))
            });
            sql.push_str(&format!(" ORDER BY {keys}"));
        }
        match (relation.limit, relation.max_rows) {
            (Some(p), Some(max)) => {
                sql.push_str(&format!(" LIMIT least({}, {max})", self.param(p)));
            }
            (Some(p), None) => sql.push_str(&format!(" LIMIT {}", self.param(p))),
            (None, Some(max)) => sql.push_str(&format!(" LIMIT {max}")),
            (None, None) => {}
        }
        if let Some(p) = relation.offset {
            sql.push_str(&format!(" OFFSET {}", self.param(p)));
        }
        sql
    }

    fn from(&self, from: &From) -> String {
        match from {
            From::Table(name) => format!("{}.{}", quote(&name.schema), quote(&name.name)),
            From::Function(name, args) => self.call(name, args),
        }
    }

    fn call(&self, name: &crate::QualifiedName, args: &[CallArg]) -> String {
        let args = join(args, ", ", |a| match a {
            CallArg::Row(t, None) => alias(*t),
            CallArg::Row(t, Some(name)) => format!("{} => {}", quote(name), alias(*t)),
            CallArg::Named(name, e) => format!("{} => {}", quote(name), self.expr(e)),
            CallArg::Positional(e) => self.expr(e),
        });
        format!("{}.{}({args})", quote(&name.schema), quote(&name.name))
    }

    fn aggregates(&self, relation: &Relation, parts: &[(String, AggregatePart)]) -> String {
        // The rows are made once, with one extra column for each set of nodes; aggregates then run
        // over them. A limit on nodes that does not hold for the aggregates needs rows of its own.
        let mut columns: Vec<String> = Vec::new();
        let mut members: Vec<(&String, String)> = Vec::new();
        for (key, part) in parts {
            let value = match part {
                AggregatePart::Text(text) => format!("{}::text", literal(text)),
                AggregatePart::Nodes { row, max_rows: Some(max) } => {
                    let mut limited = relation.clone();
                    limited.max_rows = Some(limited.max_rows.map_or(*max, |m| m.min(*max)));
                    self.json(&Json::List(Box::new(limited), row.clone()))
                }
                AggregatePart::Nodes { row, max_rows: None } => {
                    let object = if row.iter().any(|(k, _)| k.len() > MAX_NAME_BYTES) {
                        self.object(row.iter().map(|(k, v)| (k, self.json(v))))
                    } else {
                        format!(
                            "(SELECT row_to_json(n) FROM (SELECT {}) AS n)",
                            self.row_columns(row)
                        )
                    };
                    let name = format!("\"nodes {}\"", columns.len());
                    columns.push(format!("{object} AS {name}"));
                    format!("coalesce(json_agg({}.{name}), '[]')", alias(relation.alias))
                }
                AggregatePart::Fields(fields) => {
                    self.object(fields.iter().map(|(k, f)| (k, self.aggregate_field(f))))
                }
            };
            members.push((key, value));
        }
        let object = self.object(members.into_iter());
        columns.insert(0, format!("{}.*", alias(relation.alias)));
        let rows = self.select(relation, &columns.join(", "));
        format!("(SELECT {object} FROM ({rows}) AS {})", alias(relation.alias))
    }

    fn aggregate_field(&self, field: &AggregateField) -> String {
        match field {
            AggregateField::Text(text) => format!("{}::text", literal(text)),
            AggregateField::One(a) => self.aggregate(a),
            AggregateField::Group(columns) => self.object(columns.iter().map(|(key, column)| {
                let value = match column {
                    AggregateColumn::Text(text) => format!("{}::text", literal(text)),
                    AggregateColumn::Value(a, Form::Text) => {
                        format!("({})::text", self.aggregate(a))
                    }
                    AggregateColumn::Value(a, _) => self.aggregate(a),
                };
                (key, value)
            })),
        }
    }

    fn aggregate(&self, a: &Aggregate) -> String {
        if a.args.is_empty() {
            return format!("{}(*)", a.function);
        }
        let distinct = if a.distinct { "DISTINCT " } else { "" };
        let args = join(&a.args, ", ", |e| self.expr(e));
        match (a.function.as_str(), a.args.len()) {
            // count takes one argument: several columns count as a row.
            ("count", 2..) => format!("count({distinct}({args}))"),
            // uuid has no min and max before PostgreSQL 18, but its text sorts alike.
            ("min uuid" | "max uuid", _) => {
                format!("{}(({args})::text)::uuid", &a.function[..3])
            }
            (function, _) => format!("{function}({distinct}{args})"),
        }
    }

    fn expr(&self, expr: &Expr) -> String {
        match expr {
            Expr::Column(t, name) => format!("{}.{}", alias(*t), quote(name)),
            Expr::Param(p) => self.param(*p),
            Expr::Bool(b) => b.to_string(),
            Expr::And(all) if all.is_empty() => "true".to_owned(),
            Expr::Or(any) if any.is_empty() => "false".to_owned(),
            Expr::And(all) => format!("({})", join(all, " AND ", |e| self.expr(e))),
            Expr::Or(any) => format!("({})", join(any, " OR ", |e| self.expr(e))),
            Expr::Not(e) => format!("(NOT {})", self.expr(e)),
            Expr::IsNull(e, true) => format!("({} IS NULL)", self.expr(e)),
            Expr::IsNull(e, false) => format!("({} IS NOT NULL)", self.expr(e)),
            Expr::IsNullParam(e, p) => {
                format!("(({} IS NULL) = {})", self.expr(e), self.param(*p))
            }
            Expr::Binary(op, l, r) => {
                format!("({} {} {})", self.expr(l), operator(*op), self.expr(r))
            }
            Expr::In { value, list, negated, cast } => {
                let (op, quantifier) = if *negated { ("<>", "ALL") } else { ("=", "ANY") };
                let list = match cast {
                    Some(ty) => format!("SELECT e::{ty} FROM unnest({}) AS e", self.param(*list)),
                    None => self.param(*list),
                };
                format!("({} {op} {quantifier} ({list}))", self.expr(value))
            }
            Expr::Exists(relation) => format!("EXISTS ({})", self.select(relation, "1")),
            Expr::First(relation, e) => {
                let mut relation = relation.clone();
                relation.max_rows = Some(1);
                format!("({})", self.select(&relation, &self.expr(e)))
            }
            Expr::Aggregate(relation, a) => {
                if relation.limit.is_none() && relation.max_rows.is_none() {
                    format!("({})", self.select(relation, &self.aggregate(a)))
                } else {
                    let t = alias(relation.alias);
                    let rows = self.select(relation, &format!("{t}.*"));
                    format!("(SELECT {} FROM ({rows}) AS {t})", self.aggregate(a))
                }
            }
            Expr::Cast(e, ty) => format!("({})::{ty}", self.expr(e)),
            Expr::Call(name, args) => self.call(name, args),
        }
    }
}

fn operator(op: Operator) -> &'static str {
    match op {
        Operator::Eq => "=",
        Operator::Neq => "<>",
        Operator::Gt => ">",
        Operator::Lt => "<",
        Operator::Gte => ">=",
        Operator::Lte => "<=",
        Operator::Like => "LIKE",
        Operator::Nlike => "NOT LIKE",
        Operator::Ilike => "ILIKE",
        Operator::Nilike => "NOT ILIKE",
        Operator::Similar => "SIMILAR TO",
        Operator::Nsimilar => "NOT SIMILAR TO",
        Operator::Regex | Operator::Matches => "~",
        Operator::Iregex => "~*",
        Operator::Nregex => "!~",
        Operator::Niregex => "!~*",
        Operator::Contains | Operator::Ancestor | Operator::AncestorAny => "@>",
        Operator::ContainedIn | Operator::Descendant | Operator::DescendantAny => "<@",
        Operator::HasKey | Operator::MatchesAny => "?",
        Operator::HasKeysAny => "?|",
        Operator::HasKeysAll => "?&",
        Operator::MatchesFulltext => "@",
        Operator::JsonStep => "#>",
    }
}
