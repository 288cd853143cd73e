//! A schema in the schema definition language.

use std::fmt::Write;

use indexmap::IndexMap;

use crate::{
    Name,
    introspection::{DIRECTIVES, Directive},
    schema::{InputField, Schema, TypeDef, TypeKind},
};

const BUILT_IN: [&str; 5] = ["Int", "Float", "String", "Boolean", "ID"];

/// Prints a schema, types sorted by name; built-in types are left out.
pub fn print(schema: &Schema) -> String {
    let mut out = String::new();
    out.push_str("schema {\n");
    for (word, root) in [
        ("query", Some(&schema.query)),
        ("mutation", schema.mutation.as_ref()),
        ("subscription", schema.subscription.as_ref()),
    ] {
        if let Some(root) = root {
            let _ = writeln!(out, "  {word}: {root}");
        }
    }
    out.push_str("}\n");
    for Directive { name, description, locations, args } in DIRECTIVES {
        if matches!(name, "include" | "skip") {
            continue;
        }
        describe(&mut out, "\n", Some(description), "");
        let _ = write!(out, "directive @{name}");
        if !args.is_empty() {
            let args: Vec<_> = args.iter().map(|(n, t)| format!("{n}: {t}")).collect();
            let _ = write!(out, "({})", args.join(", "));
        }
        let _ = writeln!(out, " on {}", locations.join(" | "));
    }
    let mut types: Vec<&TypeDef> = schema
        .types
        .values()
        .filter(|t| !t.name.starts_with("__") && !BUILT_IN.contains(&&*t.name))
        .collect();
    types.sort_by(|a, b| a.name.cmp(&b.name));
    for ty in types {
        describe(&mut out, "\n", ty.description.as_deref(), "");
        match &ty.kind {
            TypeKind::Scalar(_) => {
                let _ = writeln!(out, "scalar {}", ty.name);
            }
            TypeKind::Enum(values) => {
                let _ = writeln!(out, "enum {} {{", ty.name);
                for (value, description) in values {
                    describe(&mut out, "", description.as_deref(), "  ");
                    let _ = writeln!(out, "  {value}");
                }
                out.push_str("}\n");
            }
            TypeKind::Object(fields) => {
                let _ = writeln!(out, "type {} {{", ty.name);
                for (name, field) in fields.iter().filter(|(n, _)| !n.starts_with("__")) {
                    describe(&mut out, "", field.description.as_deref(), "  ");
                    let _ = write!(out, "  {name}");
                    arguments(&mut out, &field.args);
                    let _ = writeln!(out, ": {}", field.ty);
                }
                out.push_str("}\n");
            }
            TypeKind::Input(fields) => {
                let _ = writeln!(out, "input {} {{", ty.name);
                for (name, field) in fields {
                    describe(&mut out, "", field.description.as_deref(), "  ");
                    let _ = writeln!(out, "  {}", input(name, field));
                }
                out.push_str("}\n");
            }
        }
    }
    out
}

fn arguments(out: &mut String, args: &IndexMap<Name, InputField>) {
    if args.is_empty() {
        return;
    }
    if args.values().all(|a| a.description.is_none()) {
        let args: Vec<_> = args.iter().map(|(n, a)| input(n, a)).collect();
        let _ = write!(out, "({})", args.join(", "));
        return;
    }
    out.push_str("(\n");
    for (name, arg) in args {
        describe(out, "", arg.description.as_deref(), "    ");
        let _ = writeln!(out, "    {}", input(name, arg));
    }
    out.push_str("  )");
}

fn input(name: &str, field: &InputField) -> String {
    match &field.default {
        Some(default) => format!("{name}: {} = {default}", field.ty),
        None => format!("{name}: {}", field.ty),
    }
}

/// A description as a string, quoted so that any text is legal in it.
fn describe(out: &mut String, before: &str, text: Option<&str>, indent: &str) {
    out.push_str(before);
    if let Some(text) = text {
        let quoted = serde_json::to_string(text).unwrap_or_default();
        let _ = writeln!(out, "{indent}{quoted}");
    }
}
