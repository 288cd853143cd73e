//! Answers introspection fields from a schema.

use std::cell::Cell;

use serde_json::{Map, Value as Json, json};

use crate::{
    Error,
    bind::{BoundField, ScalarSource, Value, Variables},
    introspection_types::META_FIELDS,
    schema::{Field, InputField, Schema, TypeDef, TypeKind, TypeRef},
};

/// A directive that executable documents may use.
pub(crate) struct Directive {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) locations: &'static [&'static str],
    /// Names and types, all of them required.
    pub(crate) args: &'static [(&'static str, &'static str)],
}

/// Where `@include` and `@skip` may stand.
const SELECTIONS: &[&str] = &["FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"];

pub(crate) const DIRECTIVES: [Directive; 4] = [
    Directive {
        name: "include",
        description: "whether this query should be included",
        locations: SELECTIONS,
        args: &[("if", "Boolean!")],
    },
    Directive {
        name: "skip",
        description: "whether this query should be skipped",
        locations: SELECTIONS,
        args: &[("if", "Boolean!")],
    },
    Directive {
        name: "live",
        description: "results are pushed whenever they change",
        locations: &["QUERY"],
        // Milliseconds; for services that have to be asked. A database says when it changes.
        args: &[("interval", "Int")],
    },
    Directive {
        name: "cached",
        description: "accepted for compatibility; results are never stale",
        locations: &["QUERY"],
        args: &[("ttl", "Int!"), ("refresh", "Boolean!")],
    },
];

/// Whether a root field is answered by introspection.
pub fn is_meta_field(name: &str) -> bool {
    META_FIELDS.contains(&name)
}

/// Fields that any introspection may give.
const FREE_FIELDS: usize = 50_000;

/// Fields beyond that for each member of the schema. The usual introspection query gives some twenty.
const FIELDS_FOR_A_MEMBER: usize = 32;

/// How much the introspection fields of one operation may give together.
///
/// Types lead to fields, and these to types: an answer can be exponential in the length of its query.
/// One that is much larger than the schema is refused.
pub struct Budget {
    given: Cell<usize>,
    most: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { given: Cell::new(0), most: Cell::new(FREE_FIELDS) }
    }
}

impl Budget {
    fn is_spent(&self) -> bool {
        self.given.get() > self.most.get()
    }

    /// Counts fields. The schema is measured only for answers that are large.
    fn spend(&self, fields: usize, schema: &Schema) {
        self.given.set(self.given.get() + fields);
        if self.is_spent() && self.most.get() == FREE_FIELDS {
            self.most.set(FREE_FIELDS + 1 + FIELDS_FOR_A_MEMBER * members(schema));
        }
    }
}

/// Types, fields, arguments and values of enums.
fn members(schema: &Schema) -> usize {
    let of = |kind: &TypeKind| match kind {
        TypeKind::Object(fields) => fields.values().map(|f| 1 + f.args.len()).sum(),
        TypeKind::Input(fields) => fields.len(),
        TypeKind::Enum(values) => values.len(),
        TypeKind::Scalar(_) => 0,
    };
    schema.types.values().map(|ty| 1 + of(&ty.kind)).sum()
}

/// The value of a `__schema` or `__type` field.
///
/// # Errors
/// The operation's introspection gives more than its budget.
pub fn resolve(
    schema: &Schema,
    field: &BoundField,
    variables: &Variables,
    budget: &Budget,
) -> Result<Json, Error> {
    let walker = Walker { schema, budget };
    let answer = match &*field.name {
        "__schema" => walker.object(&field.selection, |f| walker.schema_field(f)),
        "__type" => {
            let name = match field.arg("name") {
                Some(Value::Scalar(s)) => match &s.source {
                    ScalarSource::Literal(Json::String(name)) => Some(name.as_str()),
                    ScalarSource::Variable(v) => variables.get(&**v).and_then(Json::as_str),
                    ScalarSource::Literal(_) => None,
                },
                _ => None,
            };
            match name.and_then(|n| schema.get(n)) {
                Some(ty) => walker.named_type(ty, &field.selection),
                None => Json::Null,
            }
        }
        _ => Json::Null,
    };
    if budget.is_spent() {
        let message = "the answer to the introspection would be many times larger than the schema";
        return Err(Error::limit(&*field.path, message));
    }
    Ok(answer)
}

struct Walker<'a> {
    schema: &'a Schema,
    budget: &'a Budget,
}

impl Walker<'_> {
    /// Once there is too much, nothing but nulls, so that it is over soon.
    fn object(&self, selection: &[BoundField], mut get: impl FnMut(&BoundField) -> Json) -> Json {
        self.budget.spend(selection.len(), self.schema);
        if self.budget.is_spent() {
            return Json::Null;
        }
        let mut out = Map::with_capacity(selection.len());
        for field in selection {
            let value = if &*field.name == "__typename" {
                Json::String(field.parent.to_string())
            } else {
                get(field)
            };
            out.insert(field.key.to_string(), value);
        }
        Json::Object(out)
    }

    fn schema_field(&self, field: &BoundField) -> Json {
        let root = |name: Option<&crate::Name>| match name.and_then(|n| self.schema.get(n)) {
            Some(ty) => self.named_type(ty, &field.selection),
            None => Json::Null,
        };
        match &*field.name {
            "types" => {
                self.schema.types.values().map(|ty| self.named_type(ty, &field.selection)).collect()
            }
            "queryType" => root(Some(&self.schema.query)),
            "mutationType" => root(self.schema.mutation.as_ref()),
            "subscriptionType" => root(self.schema.subscription.as_ref()),
            "directives" => DIRECTIVES
                .iter()
                .map(|Directive { name, description, locations, args }| {
                    self.object(&field.selection, |f| match &*f.name {
                        "name" => json!(name),
                        "description" => json!(description),
                        "isRepeatable" => json!(false),
                        "locations" => json!(locations),
                        "args" => args
                            .iter()
                            .map(|(name, ty)| {
                                let ty = TypeRef::named(ty.trim_end_matches('!')).non_null();
                                self.input_value(name, &InputField::new(ty), &f.selection)
                            })
                            .collect(),
                        _ => Json::Null,
                    })
                })
                .collect(),
            _ => Json::Null,
        }
    }

    fn named_type(&self, ty: &TypeDef, selection: &[BoundField]) -> Json {
        self.object(selection, |field| match (&*field.name, &ty.kind) {
            ("kind", kind) => json!(match kind {
                TypeKind::Scalar(_) => "SCALAR",
                TypeKind::Object(_) => "OBJECT",
                TypeKind::Enum(_) => "ENUM",
                TypeKind::Input(_) => "INPUT_OBJECT",
            }),
            ("name", _) => json!(&*ty.name),
            ("description", _) => json!(ty.description.as_deref()),
            ("fields", TypeKind::Object(fields)) => fields
                .iter()
                .filter(|(name, _)| !name.starts_with("__"))
                .map(|(name, f)| self.field(name, f, &field.selection))
                .collect(),
            ("interfaces", TypeKind::Object(_)) => json!([]),
            ("enumValues", TypeKind::Enum(values)) => values
                .iter()
                .map(|(name, description)| {
                    self.object(&field.selection, |f| match &*f.name {
                        "name" => json!(&**name),
                        "description" => json!(description.as_deref()),
                        "isDeprecated" => json!(false),
                        _ => Json::Null,
                    })
                })
                .collect(),
            ("inputFields", TypeKind::Input(fields)) => {
                fields.iter().map(|(name, f)| self.input_value(name, f, &field.selection)).collect()
            }
            ("isOneOf", TypeKind::Input(_)) => json!(false),
            _ => Json::Null,
        })
    }

    fn type_ref(&self, ty: &TypeRef, selection: &[BoundField]) -> Json {
        let (kind, inner) = match ty {
            TypeRef::Named(name) => {
                return match self.schema.get(name) {
                    Some(ty) => self.named_type(ty, selection),
                    None => Json::Null,
                };
            }
            TypeRef::List(inner) => ("LIST", inner),
            TypeRef::NonNull(inner) => ("NON_NULL", inner),
        };
        self.object(selection, |field| match &*field.name {
            "kind" => json!(kind),
            "ofType" => self.type_ref(inner, &field.selection),
            _ => Json::Null,
        })
    }

    fn field(&self, name: &str, field: &Field, selection: &[BoundField]) -> Json {
        self.object(selection, |f| match &*f.name {
            "name" => json!(name),
            "description" => json!(field.description.as_deref()),
            "args" => field
                .args
                .iter()
                .map(|(name, arg)| self.input_value(name, arg, &f.selection))
                .collect(),
            "type" => self.type_ref(&field.ty, &f.selection),
            "isDeprecated" => json!(false),
            _ => Json::Null,
        })
    }

    fn input_value(&self, name: &str, input: &InputField, selection: &[BoundField]) -> Json {
        self.object(selection, |f| match &*f.name {
            "name" => json!(name),
            "description" => json!(input.description.as_deref()),
            "type" => self.type_ref(&input.ty, &f.selection),
            "defaultValue" => json!(input.default.as_deref()),
            "isDeprecated" => json!(false),
            _ => Json::Null,
        })
    }
}
