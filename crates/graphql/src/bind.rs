//! Binding: an operation is walked along a schema and becomes a tree without fragments, directives
//! or untyped values.
//!
//! What is left symbolic are variables in the place of scalars, so that one bound operation (and
//! the plan made of it) serves every value of them. Variables that shape the tree (a whole `where`
//! object, an enum, the condition of `@include`) are expanded, and named in [`Shape`].

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use apollo_compiler::ast;
use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::{
    Error, Name,
    document::{Document, OperationType},
    scalar::ScalarKind,
    schema::{Field, Schema, TypeKind, TypeRef},
};

mod input;
mod variables;

/// Values of variables as the request carries them.
pub type Variables = serde_json::Map<String, Json>;

/// Limits on an operation.
#[derive(Clone, Copy, Debug)]
pub struct BindLimits {
    /// Deepest nesting of fields, and of input values.
    pub max_depth: usize,
    /// Most root fields.
    pub max_root_fields: usize,
    /// Most aliases.
    pub max_aliases: usize,
    /// Most fields after fragments are expanded.
    pub max_fields: usize,
    /// Most directives on one field, fragment or operation.
    pub max_directives: usize,
    /// Most that variables may amount to which are copied into the operation (whole objects, not
    /// scalars), each as often as it is used. One value counts one, and one more for every
    /// [`VALUE_BYTES`] bytes of its text.
    pub max_values: usize,
}

/// Bytes of text that count as much as one value, see [`BindLimits::max_values`].
pub const VALUE_BYTES: usize = 32;

/// The longest path of a field, for each level that may be. Fields keep their paths, and a path
/// consists of names that the client chose: without this, a fragment's long name would be copied once
/// for each of its fields.
const PATH_BYTES_A_LEVEL: usize = 64;

impl Default for BindLimits {
    fn default() -> Self {
        Self {
            max_depth: 50,
            max_root_fields: 200,
            max_aliases: 200,
            max_fields: 20_000,
            max_directives: 20,
            max_values: 100_000,
        }
    }
}

/// An operation whose every part is known to the schema.
#[derive(Clone, Debug)]
pub struct BoundOperation {
    /// Query, mutation or subscription.
    pub kind: OperationType,
    /// Its name in the document.
    pub name: Option<Name>,
    /// It carries `@live`.
    pub live: bool,
    /// The root type's name.
    pub root: Name,
    /// The root fields.
    pub fields: Vec<BoundField>,
    /// What of the variables this tree depends on.
    pub shape: Shape,
}

/// A field with its arguments and selection.
#[derive(Clone, Debug)]
pub struct BoundField {
    /// The key in the response: alias or name.
    pub key: Name,
    /// The field's name, `__typename` included.
    pub name: Name,
    /// The name of the type it is a field of.
    pub parent: Name,
    /// Its type.
    pub ty: TypeRef,
    /// Arguments that were given, in the order given.
    pub args: Vec<(Name, Value)>,
    /// Its selection; empty for leaves.
    pub selection: Vec<BoundField>,
    /// Where it stands, `$.selectionSet.author`.
    pub path: Arc<str>,
}

impl BoundField {
    /// The argument of that name, if it was given and is not null.
    pub fn arg(&self, name: &str) -> Option<&Value> {
        self.args
            .iter()
            .find(|(n, _)| &**n == name)
            .map(|(_, v)| v)
            .filter(|v| !matches!(v, Value::Null))
    }
}

/// An input value that fits its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, or a variable that is null or was not given.
    Null,
    /// A scalar, or a list of scalars, that may be a variable.
    Scalar(Scalar),
    /// An enum's value.
    Enum(Name),
    /// A list of input objects or enums.
    List(Vec<Value>),
    /// An input object: the fields that were given, in order.
    Object(Vec<(Name, Value)>),
}

/// A scalar value or a list of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// Where it comes from.
    pub source: ScalarSource,
    /// The name of the scalar type.
    pub ty: Name,
    /// How it is checked.
    pub kind: ScalarKind,
    /// It is a list of that scalar; `Some(true)` if elements may be null.
    pub list: Option<bool>,
    /// Where it stands, for errors.
    pub path: Arc<str>,
}

/// Where a scalar comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ScalarSource {
    /// It stands in the document, or in a variable that was expanded. Checked already.
    Literal(Json),
    /// It is the variable's value, not null, to be checked with [`Scalar::check`].
    Variable(Name),
}

impl Scalar {
    /// Checks a value that a variable has.
    pub fn check(&self, value: &Json) -> Result<(), Error> {
        let fail = |path: &str, message| Err(Error::validation(path, message));
        let Some(nullable) = self.list else {
            return self.kind.check(&self.ty, value).or_else(|m| fail(&self.path, m));
        };
        let Json::Array(items) = value else {
            // A single value stands for a list of one (input coercion of lists).
            return self.kind.check(&self.ty, value).or_else(|m| fail(&self.path, m));
        };
        for (i, item) in items.iter().enumerate() {
            if item.is_null() {
                if nullable {
                    continue;
                }
                return fail(
                    &format!("{}[{i}]", self.path),
                    format!("unexpected null value for type '{}'", self.ty),
                );
            }
            // Arrays of several dimensions are lists of lists to clients.
            if let (Json::Array(_), true) = (item, self.kind != ScalarKind::Json) {
                Scalar { path: format!("{}[{i}]", self.path).into(), ..self.clone() }
                    .check(item)?;
                continue;
            }
            self.kind.check(&self.ty, item).or_else(|m| fail(&format!("{}[{i}]", self.path), m))?;
        }
        Ok(())
    }
}

/// What a bound operation depends on besides the document: these values are part of the key of any
/// cache of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    uses: BTreeMap<Name, Use>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// Only whether it is null.
    Nullness,
    /// Its whole value.
    Value,
}

/// The part of a request's variables that a [`Shape`] names, comparable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShapeKey(Box<[ShapeValue]>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum ShapeValue {
    Null,
    NotNull,
    Text(Box<str>),
}

impl ShapeKey {
    /// Bytes of the values in it.
    pub fn len(&self) -> usize {
        let of = |v: &ShapeValue| if let ShapeValue::Text(t) = v { t.len() } else { 0 };
        self.0.iter().map(of).sum()
    }

    /// Whether no value is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Shape {
    fn note(&mut self, name: &Name, how: Use) {
        let entry = self.uses.entry(name.clone()).or_insert(how);
        *entry = (*entry).max(how);
    }

    /// The values that the shape names. Two requests for the same document with equal keys have the
    /// same bound operation.
    pub fn key(&self, variables: &Variables) -> ShapeKey {
        ShapeKey(
            self.uses
                .iter()
                .map(|(name, how)| match (how, variables.get(&**name)) {
                    (_, None | Some(Json::Null)) => ShapeValue::Null,
                    (Use::Nullness, Some(_)) => ShapeValue::NotNull,
                    (Use::Value, Some(v)) => ShapeValue::Text(v.to_string().into()),
                })
                .collect(),
        )
    }
}

/// Binds an operation of a document to a schema.
///
/// `variables` must have gone through [`complete_variables`].
pub fn bind(
    document: &Document,
    operation: &ast::OperationDefinition,
    schema: &Schema,
    variables: &Variables,
    limits: BindLimits,
) -> Result<BoundOperation, Error> {
    let (root, word) = match operation.operation_type {
        OperationType::Query => (Some(&schema.query), "queries"),
        OperationType::Mutation => (schema.mutation.as_ref(), "mutations"),
        OperationType::Subscription => (schema.subscription.as_ref(), "subscriptions"),
    };
    let root = root.ok_or_else(|| Error::validation("$", format!("no {word} exist")))?.clone();
    let mut binder = Binder {
        document,
        schema,
        definitions: operation.variables.iter().map(|v| (v.name.as_str(), &**v)).collect(),
        variables,
        shape: Shape::default(),
        limits,
        fields: 0,
        aliases: 0,
        values: 0,
    };
    binder.check_variable_types(operation)?;
    let live = binder.operation_directives(operation)?;
    let sets =
        vec![Set { path: "$".to_owned(), selections: &operation.selection_set, stack: None }];
    let fields = binder.selection_sets(sets, &root, 1)?;
    if fields.len() > limits.max_root_fields {
        return Err(Error::limit(
            "$.selectionSet",
            format!("the operation has more than {} root fields", limits.max_root_fields),
        ));
    }
    Ok(BoundOperation {
        kind: operation.operation_type,
        name: operation.name.as_ref().map(|n| n.as_str().into()),
        live,
        root,
        fields,
        shape: binder.shape,
    })
}

pub use variables::{complete_variables, retain_declared};

pub(crate) struct Binder<'a> {
    document: &'a Document,
    schema: &'a Schema,
    definitions: IndexMap<&'a str, &'a ast::VariableDefinition>,
    variables: &'a Variables,
    shape: Shape,
    limits: BindLimits,
    fields: usize,
    aliases: usize,
    /// See [`BindLimits::max_values`].
    values: usize,
}

/// A selection set that contributes to one object, and the fragments it was reached through.
struct Set<'a> {
    path: String,
    selections: &'a [ast::Selection],
    stack: Option<Rc<Frame<'a>>>,
}

struct Frame<'a> {
    fragment: &'a str,
    outer: Option<Rc<Frame<'a>>>,
}

/// All occurrences of one response key.
struct Occurrence<'a> {
    field: &'a ast::Field,
    path: String,
    stack: Option<Rc<Frame<'a>>>,
}

type Collected<'a> = IndexMap<&'a str, Vec<Occurrence<'a>>>;

impl<'a> Binder<'a> {
    /// Binds the union of several selection sets on one object type.
    fn selection_sets(
        &mut self,
        sets: Vec<Set<'a>>,
        parent: &Name,
        depth: usize,
    ) -> Result<Vec<BoundField>, Error> {
        if depth > self.limits.max_depth {
            let path = sets.first().map_or("$", |s| &s.path);
            return Err(Error::limit(
                path,
                format!("the query is nested deeper than {} levels", self.limits.max_depth),
            ));
        }
        let mut collected = Collected::new();
        for set in sets {
            let path = format!("{}.selectionSet", set.path);
            self.collect(&path, set.selections, set.stack.as_ref(), parent, 0, &mut collected)?;
        }
        collected
            .into_iter()
            .map(|(key, occurrences)| self.field(key, occurrences, parent, depth))
            .collect()
    }

    /// Gathers fields by response key, with fragments expanded and `@include`/`@skip` applied.
    fn collect(
        &mut self,
        path: &str,
        selections: &'a [ast::Selection],
        stack: Option<&Rc<Frame<'a>>>,
        parent: &Name,
        nesting: usize,
        out: &mut Collected<'a>,
    ) -> Result<(), Error> {
        self.check_nesting(nesting, path)?;
        for selection in selections {
            self.fields += 1;
            if self.fields > self.limits.max_fields {
                return Err(Error::limit(
                    path,
                    format!("the operation selects more than {} fields", self.limits.max_fields),
                ));
            }
            match selection {
                ast::Selection::Field(field) => {
                    let path = format!("{path}.{}", field.name);
                    if !self.included(&field.directives, &path)? {
                        continue;
                    }
                    if field.alias.is_some() {
                        self.aliases += 1;
                        if self.aliases > self.limits.max_aliases {
                            let limit = self.limits.max_aliases;
                            return Err(Error::limit(
                                path,
                                format!("the operation has more than {limit} aliases"),
                            ));
                        }
                    }
                    let key = field.alias.as_ref().unwrap_or(&field.name).as_str();
                    let stack = stack.cloned();
                    out.entry(key).or_default().push(Occurrence { field, path, stack });
                }
                ast::Selection::InlineFragment(inline) => {
                    if !self.included(&inline.directives, path)? {
                        continue;
                    }
                    if let Some(condition) = &inline.type_condition {
                        self.check_condition("inline fragment", condition, parent, path)?;
                    }
                    self.collect(path, &inline.selection_set, stack, parent, nesting + 1, out)?;
                }
                ast::Selection::FragmentSpread(spread) => {
                    if !self.included(&spread.directives, path)? {
                        continue;
                    }
                    let name = spread.fragment_name.as_str();
                    self.check_cycle(name, stack, path)?;
                    let fragment = self.document.fragment(name).ok_or_else(|| {
                        Error::validation(
                            path,
                            format!("reference to undefined fragment \"{name}\""),
                        )
                    })?;
                    let what = format!("fragment '{name}'");
                    self.check_condition(&what, &fragment.type_condition, parent, path)?;
                    let inner =
                        Rc::new(Frame { fragment: fragment.name.as_str(), outer: stack.cloned() });
                    let path = format!("{path}.{name}.selectionSet");
                    let selections = &fragment.selection_set;
                    self.collect(&path, selections, Some(&inner), parent, nesting + 1, out)?;
                }
            }
        }
        Ok(())
    }

    /// Fragments in fragments without a field between them are a recursion too, and are bounded as
    /// fields are: a chain of them must not use up the stack.
    fn check_nesting(&self, nesting: usize, path: &str) -> Result<(), Error> {
        let longest = self.limits.max_depth.saturating_mul(PATH_BYTES_A_LEVEL);
        if path.len() > longest {
            let short: String = path.chars().take(200).collect();
            return Err(Error::limit(
                short,
                format!("the names on the way to a field are longer than {longest} bytes"),
            ));
        }
        if nesting > self.limits.max_depth {
            // The path of what is nested too deeply is too long to be of use.
            let short: String = path.chars().take(200).collect();
            return Err(Error::limit(
                short,
                format!("fragments are nested deeper than {} levels", self.limits.max_depth),
            ));
        }
        Ok(())
    }

    fn check_cycle(
        &self,
        name: &str,
        stack: Option<&Rc<Frame<'a>>>,
        path: &str,
    ) -> Result<(), Error> {
        let mut cycle = Vec::new();
        let mut frame = stack;
        while let Some(f) = frame {
            cycle.push(f.fragment);
            if f.fragment == name {
                cycle.reverse();
                let names = match cycle.split_last() {
                    Some((last, rest)) if !rest.is_empty() => {
                        format!("{} and {last}", rest.join(", "))
                    }
                    _ => name.to_owned(),
                };
                return Err(Error::validation(
                    path,
                    format!("the fragment definition(s) {names} form a cycle"),
                ));
            }
            frame = f.outer.as_ref();
        }
        Ok(())
    }

    fn check_condition(
        &self,
        what: &str,
        condition: &ast::NamedType,
        parent: &Name,
        path: &str,
    ) -> Result<(), Error> {
        if condition.as_str() == &**parent {
            return Ok(());
        }
        // Clients of this dialect share fragments between a query and its subscription, whose
        // roots have the same fields.
        let is_subscription = self.schema.subscription.as_ref() == Some(parent);
        if is_subscription && condition.as_str() == &*self.schema.query {
            return Ok(());
        }
        let message = match self.schema.get(condition.as_str()).map(|t| &t.kind) {
            None => format!("{what} is on type '{condition}', which does not exist"),
            Some(TypeKind::Object(_)) => {
                format!("{what} on type '{condition}' cannot be spread on type '{parent}'")
            }
            Some(_) => format!("{what} is on type '{condition}', which is not an object type"),
        };
        Err(Error::validation(path, message))
    }

    /// Binds one response key.
    fn field(
        &mut self,
        key: &'a str,
        occurrences: Vec<Occurrence<'a>>,
        parent: &Name,
        depth: usize,
    ) -> Result<BoundField, Error> {
        let mut occurrences = occurrences.into_iter();
        // The map never holds an empty list; a fault there is no reason to panic.
        let first = occurrences
            .next()
            .ok_or_else(|| Error::validation("$", format!("no field for '{key}'")))?;
        let name = first.field.name.as_str();
        let typename = Field::new(TypeRef::named("String").non_null());
        let (definition, name): (&Field, Name) = if name == "__typename" {
            (&typename, "__typename".into())
        } else {
            let found = self.schema.fields(parent).and_then(|f| f.get_key_value(name));
            let (name, definition) = found.ok_or_else(|| {
                Error::validation(
                    first.path.as_str(),
                    format!("field '{name}' not found in type: '{parent}'"),
                )
            })?;
            (definition, name.clone())
        };
        let mut sets = Vec::new();
        let mut rest = Vec::new();
        for other in occurrences {
            if other.field.name != first.field.name {
                return Err(Error::validation(
                    other.path,
                    format!(
                        "selection of both '{}' and '{}' specify the same response name, '{key}'",
                        first.field.name, other.field.name
                    ),
                ));
            }
            if !same_arguments(&other.field.arguments, &first.field.arguments) {
                return Err(Error::validation(
                    other.path,
                    format!("inconsistent arguments between multiple selections of field '{key}'"),
                ));
            }
            rest.push(other);
        }
        let args = self.arguments(first.field, definition, &first.path)?;
        let path: Arc<str> = first.path.as_str().into();
        let base = definition.ty.base().clone();
        let is_object =
            matches!(self.schema.get(&base).map(|t| &t.kind), Some(TypeKind::Object(_)));
        for o in std::iter::once(first).chain(rest) {
            match (is_object, o.field.selection_set.is_empty()) {
                (true, true) => {
                    return Err(Error::validation(
                        o.path,
                        format!("missing selection set for '{base}'"),
                    ));
                }
                (false, false) => {
                    return Err(Error::validation(
                        o.path,
                        "unexpected subselection set for non-object field".to_owned(),
                    ));
                }
                (true, false) => sets.push(Set {
                    path: o.path,
                    selections: &o.field.selection_set,
                    stack: o.stack,
                }),
                (false, true) => {}
            }
        }
        let selection =
            if is_object { self.selection_sets(sets, &base, depth + 1)? } else { Vec::new() };
        Ok(BoundField {
            key: key.into(),
            name,
            parent: parent.clone(),
            ty: definition.ty.clone(),
            args,
            selection,
            path,
        })
    }
}

/// Arguments are the same whatever order they are in.
fn same_arguments(
    a: &[apollo_compiler::Node<ast::Argument>],
    b: &[apollo_compiler::Node<ast::Argument>],
) -> bool {
    a.len() == b.len() && a.iter().all(|x| b.iter().any(|y| x.name == y.name && x.value == y.value))
}
