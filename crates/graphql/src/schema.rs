//! A GraphQL schema as plain data, built by a source for a role.

use indexmap::IndexMap;

use crate::{Name, scalar::ScalarKind};

/// A reference to a type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TypeRef {
    /// `T`
    Named(Name),
    /// `[T]`
    List(Box<TypeRef>),
    /// `T!`
    NonNull(Box<TypeRef>),
}

impl TypeRef {
    /// `name`
    pub fn named(name: &str) -> Self {
        Self::Named(name.into())
    }

    /// `[self]`
    pub fn list(self) -> Self {
        Self::List(Box::new(self))
    }

    /// `self!`
    pub fn non_null(self) -> Self {
        Self::NonNull(Box::new(self))
    }

    /// `[self!]!`, the shape of every list of rows.
    pub fn rows(self) -> Self {
        self.non_null().list().non_null()
    }

    /// The name inside all wrappers.
    pub fn base(&self) -> &Name {
        match self {
            Self::Named(name) => name,
            Self::List(inner) | Self::NonNull(inner) => inner.base(),
        }
    }

    /// Whether null is refused.
    pub fn is_non_null(&self) -> bool {
        matches!(self, Self::NonNull(_))
    }

    /// The type without its outer `!`.
    pub fn nullable(&self) -> &TypeRef {
        match self {
            Self::NonNull(inner) => inner,
            other => other,
        }
    }
}

impl std::fmt::Display for TypeRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::List(inner) => write!(f, "[{inner}]"),
            Self::NonNull(inner) => write!(f, "{inner}!"),
        }
    }
}

/// A type with its description.
#[derive(Clone, Debug)]
pub struct TypeDef {
    /// Name, unique in the schema.
    pub name: Name,
    /// Description.
    pub description: Option<Name>,
    /// What it is.
    pub kind: TypeKind,
}

/// What a type is.
#[derive(Clone, Debug)]
pub enum TypeKind {
    /// A scalar and how its values are checked.
    Scalar(ScalarKind),
    /// An object.
    Object(IndexMap<Name, Field>),
    /// An enum: values with descriptions.
    Enum(IndexMap<Name, Option<Name>>),
    /// An input object.
    Input(IndexMap<Name, InputField>),
}

/// A field of an object.
#[derive(Clone, Debug)]
pub struct Field {
    /// Description.
    pub description: Option<Name>,
    /// Arguments by name.
    pub args: IndexMap<Name, InputField>,
    /// Type.
    pub ty: TypeRef,
}

impl Field {
    /// A field without arguments.
    pub fn new(ty: TypeRef) -> Self {
        Self { description: None, args: IndexMap::new(), ty }
    }

    /// With an argument more.
    pub fn arg(mut self, name: &str, field: InputField) -> Self {
        self.args.insert(name.into(), field);
        self
    }

    /// With a description.
    pub fn describe(mut self, text: Option<&str>) -> Self {
        self.description = text.map(Into::into);
        self
    }
}

/// An argument, or a field of an input object.
#[derive(Clone, Debug)]
pub struct InputField {
    /// Description.
    pub description: Option<Name>,
    /// Type.
    pub ty: TypeRef,
    /// How scalars are checked here, where that differs from the type's own rule.
    pub check: Option<ScalarKind>,
    /// Its value shapes what is done: a variable here is expanded when the operation is bound.
    pub fixed: bool,
    /// The default value in GraphQL syntax.
    pub default: Option<Name>,
}

impl InputField {
    /// A field without description or default.
    pub fn new(ty: TypeRef) -> Self {
        Self { description: None, ty, check: None, fixed: false, default: None }
    }

    /// With its own check of scalars.
    pub fn check(mut self, kind: ScalarKind) -> Self {
        self.check = Some(kind);
        self
    }

    /// With a value that shapes what is done.
    pub fn fixed(mut self) -> Self {
        self.fixed = true;
        self
    }

    /// With a description.
    pub fn describe(mut self, text: &str) -> Self {
        self.description = Some(text.into());
        self
    }
}

/// A schema.
#[derive(Clone, Debug)]
pub struct Schema {
    /// All types by name, built-in ones and those of introspection included.
    pub types: IndexMap<Name, TypeDef>,
    /// Name of the query root.
    pub query: Name,
    /// Name of the mutation root, if there is one.
    pub mutation: Option<Name>,
    /// Name of the subscription root, if there is one.
    pub subscription: Option<Name>,
}

impl Schema {
    /// A schema with the built-in scalars and the types of introspection, and nothing else.
    pub fn new(query: &str) -> Self {
        let mut schema = Self {
            types: IndexMap::new(),
            query: query.into(),
            mutation: None,
            subscription: None,
        };
        for (name, kind, text) in [
            ("Int", ScalarKind::Int, "A signed 32-bit integer."),
            ("Float", ScalarKind::Float, "A double-precision number (IEEE 754)."),
            ("String", ScalarKind::String, "Text in Unicode."),
            ("Boolean", ScalarKind::Boolean, "`true` or `false`."),
            ("ID", ScalarKind::Id, "An opaque identifier."),
        ] {
            schema.add(name, Some(text), TypeKind::Scalar(kind));
        }
        crate::introspection_types::add(&mut schema);
        schema
    }

    /// Adds a type; a type of that name that is already there is replaced.
    pub fn add(&mut self, name: &str, description: Option<&str>, kind: TypeKind) -> Name {
        let name: Name = name.into();
        self.types.insert(
            name.clone(),
            TypeDef { name: name.clone(), description: description.map(Into::into), kind },
        );
        name
    }

    /// Adds a scalar unless the type is there already.
    pub fn ensure_scalar(&mut self, name: &str, kind: ScalarKind) {
        if !self.types.contains_key(name) {
            self.add(name, None, TypeKind::Scalar(kind));
        }
    }

    /// The type of that name.
    pub fn get(&self, name: &str) -> Option<&TypeDef> {
        self.types.get(name)
    }

    /// The fields of an object type.
    pub fn fields(&self, name: &str) -> Option<&IndexMap<Name, Field>> {
        match &self.types.get(name)?.kind {
            TypeKind::Object(fields) => Some(fields),
            _ => None,
        }
    }
}
