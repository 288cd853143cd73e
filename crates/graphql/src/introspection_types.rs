//! The types of introspection (GraphQL §4), as any schema contains them.

use indexmap::IndexMap;

use crate::schema::{Field, InputField, Schema, TypeKind, TypeRef};

/// Field names that the query root has beside its own, hidden from introspection.
pub const META_FIELDS: [&str; 2] = ["__schema", "__type"];

fn named(name: &str) -> TypeRef {
    TypeRef::named(name)
}

fn list(name: &str) -> TypeRef {
    named(name).non_null().list()
}

fn object(schema: &mut Schema, name: &str, fields: &[(&str, TypeRef)]) {
    let fields: IndexMap<_, _> = fields
        .iter()
        .map(|(field, ty)| {
            let mut f = Field::new(ty.clone());
            let deprecatable = matches!(
                (name, *field),
                ("__Type", "fields" | "enumValues" | "inputFields")
                    | ("__Field" | "__Directive", "args")
            );
            if deprecatable {
                let mut arg = InputField::new(named("Boolean"));
                arg.default = Some("false".into());
                f = f.arg("includeDeprecated", arg);
            }
            ((*field).into(), f)
        })
        .collect();
    schema.add(name, None, TypeKind::Object(fields));
}

fn enumeration(schema: &mut Schema, name: &str, values: &[&str]) {
    let values = values.iter().map(|v| ((*v).into(), None)).collect();
    schema.add(name, None, TypeKind::Enum(values));
}

/// Adds the types of introspection to a schema.
pub(crate) fn add(schema: &mut Schema) {
    let string = || named("String");
    let boolean = || named("Boolean").non_null();
    object(
        schema,
        "__Schema",
        &[
            ("description", string()),
            ("types", list("__Type").non_null()),
            ("queryType", named("__Type").non_null()),
            ("mutationType", named("__Type")),
            ("subscriptionType", named("__Type")),
            ("directives", list("__Directive").non_null()),
        ],
    );
    object(
        schema,
        "__Type",
        &[
            ("kind", named("__TypeKind").non_null()),
            ("name", string()),
            ("description", string()),
            ("specifiedByURL", string()),
            ("fields", list("__Field")),
            ("interfaces", list("__Type")),
            ("possibleTypes", list("__Type")),
            ("enumValues", list("__EnumValue")),
            ("inputFields", list("__InputValue")),
            ("ofType", named("__Type")),
            ("isOneOf", named("Boolean")),
        ],
    );
    object(
        schema,
        "__Field",
        &[
            ("name", string().non_null()),
            ("description", string()),
            ("args", list("__InputValue").non_null()),
            ("type", named("__Type").non_null()),
            ("isDeprecated", boolean()),
            ("deprecationReason", string()),
        ],
    );
    object(
        schema,
        "__InputValue",
        &[
            ("name", string().non_null()),
            ("description", string()),
            ("type", named("__Type").non_null()),
            ("defaultValue", string()),
            ("isDeprecated", boolean()),
            ("deprecationReason", string()),
        ],
    );
    object(
        schema,
        "__EnumValue",
        &[
            ("name", string().non_null()),
            ("description", string()),
            ("isDeprecated", boolean()),
            ("deprecationReason", string()),
        ],
    );
    object(
        schema,
        "__Directive",
        &[
            ("name", string().non_null()),
            ("description", string()),
            ("isRepeatable", boolean()),
            ("locations", list("__DirectiveLocation").non_null()),
            ("args", list("__InputValue").non_null()),
        ],
    );
    enumeration(
        schema,
        "__TypeKind",
        &["SCALAR", "OBJECT", "INTERFACE", "UNION", "ENUM", "INPUT_OBJECT", "LIST", "NON_NULL"],
    );
    enumeration(
        schema,
        "__DirectiveLocation",
        &[
            "QUERY",
            "MUTATION",
            "SUBSCRIPTION",
            "FIELD",
            "FRAGMENT_DEFINITION",
            "FRAGMENT_SPREAD",
            "INLINE_FRAGMENT",
            "VARIABLE_DEFINITION",
            "SCHEMA",
            "SCALAR",
            "OBJECT",
            "FIELD_DEFINITION",
            "ARGUMENT_DEFINITION",
            "INTERFACE",
            "UNION",
            "ENUM",
            "ENUM_VALUE",
            "INPUT_OBJECT",
            "INPUT_FIELD_DEFINITION",
        ],
    );
}

/// The two fields that the query root of every schema has.
pub fn meta_fields() -> [(&'static str, Field); 2] {
    [
        ("__schema", Field::new(named("__Schema").non_null())),
        (
            "__type",
            Field::new(named("__Type")).arg("name", InputField::new(named("String").non_null())),
        ),
    ]
}
