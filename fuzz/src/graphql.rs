//! GraphQL requests: parsing and binding against a small schema, on a stack as small as the server's
//! threads have.
//!
//! * Limits hold for what is accepted.
//! * The same request is answered in the same way, also with a comment at its end.
//! * What was bound has the schema's fields, and introspection of it is answered.
//! * Errors say where and what.

use std::sync::{LazyLock, Mutex, mpsc};

use artesian_graphql::bind::{BindLimits, BoundField, BoundOperation, bind, complete_variables};
use artesian_graphql::document::{Document, ParseLimits};
use artesian_graphql::introspection::{self, Budget};
use artesian_graphql::introspection_types::meta_fields;
use artesian_graphql::scalar::ScalarKind;
use artesian_graphql::schema::{Field, InputField, Schema, TypeKind, TypeRef};
use artesian_graphql::{Error, Name};
use indexmap::IndexMap;
use serde_json::{Map, Value};

/// Between the document and its variables.
pub const SEPARATOR: &str = "\n---\n";

/// What tokio gives its workers.
const STACK: usize = 2 * 1024 * 1024;

/// A document, and variables after a [`SEPARATOR`].
pub fn run(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else {
        return;
    };
    let (jobs, answers) = &*WORKER.lock().expect("one at a time");
    jobs.send(input.to_owned()).expect("the worker");
    // A panic there ends the process.
    answers.recv().expect("the worker");
}

type Worker = (mpsc::Sender<String>, mpsc::Receiver<()>);

static WORKER: LazyLock<Mutex<Worker>> = LazyLock::new(|| {
    let (jobs, work) = mpsc::channel::<String>();
    let (done, answers) = mpsc::channel();
    let worker = move || {
        let schema = schema();
        for input in work {
            check(&schema, &input);
            let _ = done.send(());
        }
    };
    std::thread::Builder::new().stack_size(STACK).spawn(worker).expect("a thread");
    Mutex::new((jobs, answers))
});

fn check(schema: &Schema, input: &str) {
    let (query, variables) = input.split_once(SEPARATOR).unwrap_or((input, ""));
    let variables: Map<String, Value> = serde_json::from_str(variables).unwrap_or_default();
    let result = answer(schema, query, &variables);
    let shown = |result: &Result<BoundOperation, Error>| format!("{result:?}");
    let again = answer(schema, query, &variables);
    assert_eq!(shown(&result), shown(&again), "the same request");
    match result {
        Ok(operation) => {
            let commented = answer(schema, &format!("{query}\n# comment"), &variables);
            assert_eq!(shown(&again), shown(&commented), "with a comment");
            accepted(schema, &operation);
        }
        Err(error) => {
            assert!(error.path.starts_with('$'), "{error:?}");
            assert!(!error.message.is_empty(), "{error:?}");
        }
    }
}

fn answer(
    schema: &Schema,
    query: &str,
    variables: &Map<String, Value>,
) -> Result<BoundOperation, Error> {
    let document = Document::parse(query, ParseLimits::default())?;
    let operation = document.operation(None)?;
    let variables = complete_variables(operation, variables.clone())?;
    bind(&document, operation, schema, &variables, limits())
}

/// Small, so that they are reached.
fn limits() -> BindLimits {
    BindLimits {
        max_depth: 12,
        max_root_fields: 6,
        max_aliases: 8,
        max_fields: 60,
        max_directives: 3,
        max_values: 100,
    }
}

fn accepted(schema: &Schema, operation: &BoundOperation) {
    assert!(operation.fields.len() <= limits().max_root_fields);
    let mut count = 0;
    let budget = Budget::default();
    for field in &operation.fields {
        walk(schema, field, 1, &mut count);
        if matches!(&*field.name, "__schema" | "__type") {
            // It may be refused for its size, which is a limit like others.
            let _ = introspection::resolve(schema, field, &Map::new(), &budget);
        }
    }
    assert!(count <= limits().max_fields, "{count} fields");
}

fn walk(schema: &Schema, field: &BoundField, depth: usize, count: &mut usize) {
    *count += 1;
    assert!(depth <= limits().max_depth);
    assert!(field.path.starts_with("$.selectionSet."), "{}", field.path);
    assert!(!field.key.is_empty());
    let known = match schema.types.get(&field.parent).map(|ty| &ty.kind) {
        Some(TypeKind::Object(fields)) => fields.contains_key(&field.name),
        _ => false,
    };
    assert!(known || &*field.name == "__typename", "{} of {}", field.name, field.parent);
    let mut keys: Vec<&Name> = field.selection.iter().map(|field| &field.key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), field.selection.len(), "a key twice in {}", field.path);
    for inner in &field.selection {
        walk(schema, inner, depth + 1, count);
    }
}

/// Of the kind that tables make: lists with `where` and `limit`, a row by key, relationships in both
/// directions, an enum, JSON.
fn schema() -> Schema {
    fn named<T: Clone>(items: impl IntoIterator<Item = (&'static str, T)>) -> IndexMap<Name, T> {
        items.into_iter().map(|(name, item)| (name.into(), item)).collect()
    }
    let ty = TypeRef::named;
    let mut schema = Schema::new("query_root");
    schema.ensure_scalar("jsonb", ScalarKind::Json);
    schema.ensure_scalar("bigint", ScalarKind::BigInt);
    let values = ["red", "blue"].map(|value| (value.into(), None)).into_iter().collect();
    schema.add("colour", None, TypeKind::Enum(values));
    let tests = named([
        ("_eq", InputField::new(ty("Int"))),
        ("_in", InputField::new(ty("Int").non_null().list())),
        ("_big", InputField::new(ty("bigint"))),
        ("_json", InputField::new(ty("jsonb"))),
        ("_colour", InputField::new(ty("colour"))),
    ]);
    schema.add("Int_comparison_exp", None, TypeKind::Input(tests));
    for (name, other) in [("author", "article"), ("article", "author")] {
        let condition = format!("{name}_bool_exp");
        let fields = named([
            ("_and", InputField::new(ty(&condition).non_null().list())),
            ("_not", InputField::new(ty(&condition))),
            ("id", InputField::new(ty("Int_comparison_exp"))),
        ]);
        schema.add(&condition, None, TypeKind::Input(fields));
        let fields = named([
            ("id", Field::new(ty("Int").non_null())),
            ("name", Field::new(ty("String"))),
            ("others", rows(other)),
            ("friends", rows(name)),
        ]);
        schema.add(name, Some("A table"), TypeKind::Object(fields));
    }
    let key = InputField::new(ty("Int").non_null());
    let mut roots = named([
        ("author", rows("author")),
        ("article", rows("article")),
        ("author_by_pk", Field::new(ty("author")).arg("id", key)),
    ]);
    schema.add("subscription_root", None, TypeKind::Object(roots.clone()));
    roots.extend(meta_fields().map(|(name, field)| (name.into(), field)));
    schema.add("query_root", None, TypeKind::Object(roots));
    schema.subscription = Some("subscription_root".into());
    schema
}

fn rows(of: &str) -> Field {
    let condition = TypeRef::named(&format!("{of}_bool_exp"));
    let limit = InputField::new(TypeRef::named("Int")).check(ScalarKind::NonNegativeInt);
    Field::new(TypeRef::named(of).rows())
        .arg("where", InputField::new(condition))
        .arg("limit", limit)
}
