//! A schema as a sorted list of facts: what digests, differences and comparisons are made of.

use std::{collections::BTreeMap, fmt};

use apollo_compiler::{
    Name, Node, Schema,
    ast::{DirectiveList, FieldDefinition, InputValueDefinition},
    collections::IndexMap,
    schema::{Component, DirectiveDefinition, ExtendedType},
};
use sha2::{Digest as _, Sha256};

/// SHA-256 over everything in a schema that a client can see.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One thing in a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    /// What it is: its kind, its type, its default value.
    pub(crate) is: String,
    /// What is said about it: description, deprecation, the address of a scalar's specification.
    pub(crate) said: String,
}

/// Facts by coordinate: `User`, `User.name`, `User.name(first:)`, `Colour.RED`, `@cached`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts(pub(crate) BTreeMap<String, Fact>);

impl Facts {
    pub(crate) fn of_schema(schema: &Schema) -> Self {
        let mut facts = Self::default();
        let definition = &schema.schema_definition;
        facts.add("schema".into(), String::new(), definition.description.as_ref(), None);
        for (word, root) in [
            ("query", &definition.query),
            ("mutation", &definition.mutation),
            ("subscription", &definition.subscription),
        ] {
            if let Some(root) = root {
                facts.add(format!("schema.{word}"), root.to_string(), None, None);
            }
        }
        for directive in schema.directive_definitions.values() {
            facts.directive(directive);
        }
        for ty in schema.types.values().filter(|ty| !ty.is_built_in()) {
            facts.ty(ty);
        }
        facts
    }

    pub(crate) fn of_type(ty: &ExtendedType) -> Self {
        let mut facts = Self::default();
        facts.ty(ty);
        facts
    }

    pub(crate) fn of_directive(directive: &DirectiveDefinition) -> Self {
        let mut facts = Self::default();
        facts.directive(directive);
        facts
    }

    pub(crate) fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        for (at, fact) in &self.0 {
            for text in [at, &fact.is, &fact.said] {
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            }
        }
        Digest(hash.finalize().into())
    }

    /// The first coordinate where two differ in what they are, whatever is said about it.
    pub(crate) fn first_difference<'a>(
        &'a self,
        other: &'a Self,
    ) -> Option<(&'a str, Option<&'a Fact>, Option<&'a Fact>)> {
        let differs = |at: &'a String| {
            let (mine, theirs) = (self.0.get(at), other.0.get(at));
            let is_same = mine.map(|f| &f.is) == theirs.map(|f| &f.is);
            (!is_same).then_some((at.as_str(), mine, theirs))
        };
        self.0.keys().chain(other.0.keys()).find_map(differs)
    }

    fn add(
        &mut self,
        at: String,
        is: String,
        description: Option<&Node<str>>,
        directives: Option<&DirectiveList>,
    ) {
        let mut said = description.map(|text| text.to_string()).unwrap_or_default();
        for directive in directives.into_iter().flat_map(|list| &list.0) {
            said.push('\0');
            match &*directive.to_string() {
                // Introspection writes out what an SDL file may leave out.
                "@deprecated" => said.push_str("@deprecated(reason: \"No longer supported\")"),
                text => said.push_str(text),
            }
        }
        self.0.insert(at, Fact { is, said });
    }

    fn ty(&mut self, ty: &ExtendedType) {
        let name = ty.name();
        let kind = match ty {
            ExtendedType::Scalar(_) => "scalar",
            ExtendedType::Object(_) => "object type",
            ExtendedType::Interface(_) => "interface",
            ExtendedType::Union(_) => "union",
            ExtendedType::Enum(_) => "enum",
            ExtendedType::InputObject(_) if ty.directives().has("oneOf") => {
                "input object with @oneOf"
            }
            ExtendedType::InputObject(_) => "input object",
        };
        let applied = ty.directives().iter().filter(|d| d.name != "oneOf").map(|d| d.node.clone());
        let applied = DirectiveList(applied.collect());
        self.add(name.to_string(), kind.to_owned(), ty.description(), Some(&applied));
        match ty {
            ExtendedType::Scalar(_) => {}
            ExtendedType::Object(ty) => {
                self.fields(name, &ty.fields);
                self.names(name, "implements ", ty.implements_interfaces.iter());
            }
            ExtendedType::Interface(ty) => {
                self.fields(name, &ty.fields);
                self.names(name, "implements ", ty.implements_interfaces.iter());
            }
            ExtendedType::Union(ty) => self.names(name, "= ", ty.members.iter()),
            ExtendedType::Enum(ty) => {
                for value in ty.values.values() {
                    let at = format!("{name}.{}", value.value);
                    let description = value.description.as_ref();
                    self.add(at, "value".into(), description, Some(&value.directives));
                }
            }
            ExtendedType::InputObject(ty) => {
                for field in ty.fields.values() {
                    self.input(format!("{name}.{}", field.name), field);
                }
            }
        }
    }

    fn names<'a>(
        &mut self,
        of: &Name,
        how: &str,
        names: impl Iterator<Item = &'a apollo_compiler::schema::ComponentName>,
    ) {
        for name in names {
            self.add(format!("{of} {how}{}", name.name), "so".into(), None, None);
        }
    }

    fn fields(&mut self, of: &Name, fields: &IndexMap<Name, Component<FieldDefinition>>) {
        for field in fields.values() {
            let at = format!("{of}.{}", field.name);
            self.arguments(&at, &field.arguments);
            let description = field.description.as_ref();
            self.add(at, field.ty.to_string(), description, Some(&field.directives));
        }
    }

    fn arguments(&mut self, of: &str, arguments: &[Node<InputValueDefinition>]) {
        for argument in arguments {
            self.input(format!("{of}({}:)", argument.name), argument);
        }
    }

    fn input(&mut self, at: String, input: &InputValueDefinition) {
        let is = match &input.default_value {
            Some(default) => format!("{} = {}", input.ty, default.serialize().no_indent()),
            None => input.ty.to_string(),
        };
        self.add(at, is, input.description.as_ref(), Some(&input.directives));
    }

    fn directive(&mut self, directive: &DirectiveDefinition) {
        let at = format!("@{}", directive.name);
        let mut locations: Vec<_> = directive.locations.iter().map(ToString::to_string).collect();
        locations.sort_unstable();
        let repeatable = if directive.repeatable { "repeatable " } else { "" };
        self.arguments(&at, &directive.arguments);
        let is = format!("{repeatable}on {}", locations.join(" | "));
        self.add(at, is, directive.description.as_ref(), None);
    }
}
