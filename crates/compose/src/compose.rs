//! Several schemas become one.

mod directives;
mod pattern;
mod reach;
mod roots;
mod types;

use std::{collections::HashMap, sync::Arc};

use apollo_compiler::{
    Name, Node, Schema,
    ast::OperationType,
    collections::{HashMap as AHashMap, IndexMap},
    schema::{ComponentOrigin, ExtendedType, Implementers},
    validation::Valid,
};

pub use pattern::{BadPattern, Pattern};

use crate::{
    clean,
    schema::{ServiceSchema, first},
};

/// The roots that there may be.
const KINDS: [OperationType; 3] =
    [OperationType::Query, OperationType::Mutation, OperationType::Subscription];

/// The names of the composed schema's roots. Those of a database are called `query_root` and so on, and
/// its clients have fragments on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootNames {
    /// Default: `Query`.
    pub query: Name,
    /// Default: `Mutation`.
    pub mutation: Name,
    /// Default: `Subscription`.
    pub subscription: Name,
}

impl Default for RootNames {
    fn default() -> Self {
        Self {
            query: Name::new_unchecked("Query"),
            mutation: Name::new_unchecked("Mutation"),
            subscription: Name::new_unchecked("Subscription"),
        }
    }
}

impl RootNames {
    /// Those of a schema, which a database's role sees, where it has them.
    pub fn of(schema: &ServiceSchema) -> Self {
        let own = |kind| schema.valid().root_operation(kind).cloned();
        let default = Self::default();
        Self {
            query: own(OperationType::Query).unwrap_or(default.query),
            mutation: own(OperationType::Mutation).unwrap_or(default.mutation),
            subscription: own(OperationType::Subscription).unwrap_or(default.subscription),
        }
    }

    fn of_kind(&self, kind: OperationType) -> &Name {
        match kind {
            OperationType::Query => &self.query,
            OperationType::Mutation => &self.mutation,
            OperationType::Subscription => &self.subscription,
        }
    }

    fn contains(&self, name: &Name) -> bool {
        KINDS.iter().any(|kind| self.of_kind(*kind) == name)
    }
}

/// A source with what is to be seen of it.
#[derive(Clone, Debug)]
pub struct Part {
    /// The source's name, as in the configuration.
    pub name: Arc<str>,
    /// Its schema.
    pub schema: ServiceSchema,
    /// Comes before the names of its root fields. Default: nothing.
    pub field_prefix: String,
    /// Comes before the names of its types, custom scalars included. Default: nothing.
    pub type_prefix: String,
    /// Root fields to offer, by their names at the source; empty: all.
    pub include: Vec<Pattern>,
    /// Root fields (and directives, as `@name`) to leave out, even if they are included.
    pub exclude: Vec<Pattern>,
    /// What of this is to be seen here, as (include, exclude), e.g. by one role; `None`: all.
    pub narrowed: Option<(Vec<Pattern>, Vec<Pattern>)>,
    /// Whether its own subscriptions are offered. Default: yes.
    pub streams: bool,
    /// Root query fields, by their names at the source, that can be subscribed to as well: who answers
    /// them is asked queries. A subscription of the source's own goes before.
    pub live: Vec<Arc<str>>,
}

impl Part {
    /// A source that is seen whole and under its own names.
    pub fn new(name: impl Into<Arc<str>>, schema: ServiceSchema) -> Self {
        Self {
            name: name.into(),
            schema,
            field_prefix: String::new(),
            type_prefix: String::new(),
            include: Vec::new(),
            exclude: Vec::new(),
            narrowed: None,
            streams: true,
            live: Vec::new(),
        }
    }

    fn offers(&self, kind: OperationType, field: &str) -> bool {
        let is_within = |include: &[Pattern]| {
            include.iter().all(Pattern::is_directive)
                || include.iter().any(|p| p.matches(kind, field))
        };
        (self.streams || kind != OperationType::Subscription)
            && is_within(&self.include)
            && self.narrowed.as_ref().is_none_or(|(include, _)| is_within(include))
            && !self.excludes(kind, field)
    }

    fn excludes(&self, kind: OperationType, field: &str) -> bool {
        let narrowed = self.narrowed.iter().flat_map(|(_, exclude)| exclude);
        self.exclude.iter().chain(narrowed).any(|p| p.matches(kind, field))
    }

    /// Whether a query field is to be subscribed to: by all who may ask for it, unless the subscription is
    /// excluded by its own name.
    fn offers_live(&self, field: &str) -> bool {
        self.live.iter().any(|live| **live == *field)
            && self.offers(OperationType::Query, field)
            && !self.excludes(OperationType::Subscription, field)
    }

    fn offers_directive(&self, name: &str) -> bool {
        // A service that is asked to answer in pieces does so, and pieces cannot be joined. `@live` is
        // ours.
        !matches!(name, "defer" | "stream" | LIVE)
            && !self.exclude.iter().any(|p| p.matches_directive(name))
            && self
                .narrowed
                .as_ref()
                .is_none_or(|(_, exclude)| !exclude.iter().any(|p| p.matches_directive(name)))
    }
}

/// Why the schemas cannot be one: every conflict that was found, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ComposeError(pub Vec<String>);

/// The directive by which a query becomes live.
pub(crate) const LIVE: &str = "live";

/// Conflicts that are reported.
const MAX_CONFLICTS: usize = 20;

/// A root field of the composed schema.
#[derive(Clone, Debug)]
pub(crate) struct RootField {
    /// Who answers it: an index into [`Composed::sources`].
    pub(crate) source: usize,
    /// What it is called there.
    pub(crate) name: Name,
    /// The root that it is a field of there: the same kind as here, but for live fields, which are queries.
    pub(crate) kind: OperationType,
}

/// What the composed schema and a source call the same types.
#[derive(Debug)]
pub(crate) struct SourceNames {
    pub(crate) name: Arc<str>,
    /// Types by their composed names; only those of this source are here.
    pub(crate) to_source: HashMap<Name, Name>,
    /// Composed names by the source's, only where they differ.
    pub(crate) renamed: HashMap<Name, Name>,
    /// Object types that each composite type of the source may be, by the source's names.
    pub(crate) possible: HashMap<Name, std::collections::HashSet<Name>>,
    /// Its own directives that requests may have.
    pub(crate) directives: std::collections::HashSet<Name>,
}

impl SourceNames {
    /// Whether an object can be of both types (names at the source).
    pub(crate) fn overlap(&self, a: &Name, b: &Name) -> bool {
        a == b
            || match (self.possible.get(a), self.possible.get(b)) {
                (Some(a), Some(b)) => !a.is_disjoint(b),
                _ => false,
            }
    }

    pub(crate) fn knows_directive(&self, name: &str) -> bool {
        matches!(name, "skip" | "include") || self.directives.contains(name)
    }
}

/// One schema over several sources.
#[derive(Debug)]
pub struct Composed {
    pub(crate) schema: Valid<Schema>,
    pub(crate) implementers: AHashMap<Name, Implementers>,
    pub(crate) sources: Vec<SourceNames>,
    pub(crate) roots: HashMap<OperationType, IndexMap<Name, RootField>>,
    notes: Vec<String>,
}

impl Composed {
    /// The schema in the schema definition language.
    pub fn sdl(&self) -> String {
        self.schema.to_string()
    }

    /// The names of the sources. Their indices are what [`SubRequest::source`](crate::SubRequest::source) is.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = &Arc<str>> {
        self.sources.iter().map(|source| &source.name)
    }

    /// Who answers a root field, and what it is called there: the source's index and a name.
    pub fn root_field(&self, kind: OperationType, field: &str) -> Option<(usize, &str)> {
        let field = self.roots.get(&kind)?.get(field)?;
        Some((field.source, field.name.as_str()))
    }

    pub(crate) fn is_root(&self, name: &Name) -> bool {
        KINDS.iter().any(|kind| self.schema.root_operation(*kind) == Some(name))
    }

    /// Names and types of a root field's arguments; `None` if there is no such field.
    pub fn arguments(&self, kind: OperationType, field: &str) -> Option<Vec<(String, String)>> {
        let root = self.schema.root_operation(kind)?;
        let field = self.schema.type_field(root, field).ok()?;
        let arguments = field.arguments.iter();
        Some(arguments.map(|a| (a.name.to_string(), a.ty.to_string())).collect())
    }

    /// What a source calls a type; `None` if the type is not of this source.
    pub fn type_at_source(&self, source: usize, ty: &str) -> Option<&str> {
        self.sources.get(source)?.to_source.get(ty).map(Name::as_str)
    }

    /// What may be worth a line in the log: patterns and names that match nothing.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Collects conflicts.
#[derive(Default)]
struct Conflicts(Vec<String>);

impl Conflicts {
    fn add(&mut self, text: String) {
        if self.0.len() < MAX_CONFLICTS {
            self.0.push(text);
        }
    }
}

/// Makes one schema of several, whose roots have the usual names.
///
/// # Errors
/// As [`compose_as`].
pub fn compose(parts: &[Part]) -> Result<Composed, ComposeError> {
    compose_as(parts, &RootNames::default())
}

/// Makes one schema of several.
///
/// Root fields are merged, types that several sources have are one type if they are equal but for
/// descriptions and deprecations, and types that no root field leads to are dropped.
///
/// # Errors
/// Two sources conflict, or nothing can be queried, or a prefix makes a name that is none.
pub fn compose_as(parts: &[Part], names: &RootNames) -> Result<Composed, ComposeError> {
    let mut conflicts = Conflicts::default();
    check_names(parts, &mut conflicts);
    let mut schema = Schema::new();
    let roots = roots::merge(parts, names, &mut schema, &mut conflicts);
    let mut sources = Vec::new();
    let mut merged = types::Merged { parts, names, schema: &mut schema, origins: HashMap::new() };
    for (index, part) in parts.iter().enumerate() {
        sources.push(types::merge(part, index, &mut merged, &mut conflicts));
    }
    directives::merge(parts, &sources, &mut schema, &mut conflicts);
    roots::add_fields(parts, &roots, names, &sources, &mut schema);
    if schema.types.values().any(|ty| ty.directives().has("oneOf")) {
        crate::schema::add_one_of(&mut schema);
    }
    if conflicts.0.is_empty() && roots.get(&OperationType::Query).is_none_or(IndexMap::is_empty) {
        conflicts.add(
            "no source offers a field to query: a schema needs one, even if only mutations or \
             subscriptions are wanted"
                .to_owned(),
        );
    }
    if !conflicts.0.is_empty() {
        return Err(ComposeError(conflicts.0));
    }
    let schema = schema.validate().map_err(|failed| {
        ComposeError(vec![format!("the composed schema is not valid: {}", first(&failed.errors))])
    })?;
    let implementers = schema.implementers_map();
    let notes = notes(parts);
    Ok(Composed { schema, implementers, sources, roots, notes })
}

fn check_names(parts: &[Part], conflicts: &mut Conflicts) {
    let mut seen = std::collections::HashSet::new();
    for part in parts {
        if !seen.insert(&part.name) {
            conflicts.add(format!("two sources are named \"{}\": names must differ", part.name));
        }
        for prefix in [&part.field_prefix, &part.type_prefix] {
            if !prefix.is_empty() && (Name::new(prefix).is_err() || prefix.starts_with("__")) {
                conflicts.add(format!(
                    "source \"{}\": the prefix {:?} cannot begin a name",
                    part.name,
                    clean(prefix)
                ));
            }
        }
    }
}

fn notes(parts: &[Part]) -> Vec<String> {
    let mut notes = Vec::new();
    for part in parts {
        let schema = part.schema.valid();
        for pattern in part.include.iter().chain(&part.exclude) {
            let is_used =
                KINDS.iter().any(|kind| {
                    roots::fields(schema, *kind).any(|field| pattern.matches(*kind, &field.name))
                }) || part.live.iter().any(|f| pattern.matches(OperationType::Subscription, f))
                    || schema.directive_definitions.keys().any(|d| pattern.matches_directive(d));
            if !is_used {
                notes.push(format!("source \"{}\": nothing is named {pattern}", part.name));
            }
        }
        for live in &part.live {
            if !roots::fields(schema, OperationType::Query).any(|field| *field.name == **live) {
                notes.push(format!(
                    "source \"{}\": there is no query field {live} to be live",
                    part.name
                ));
            }
        }
    }
    notes
}

/// An empty object type.
fn object(name: &Name) -> ExtendedType {
    ExtendedType::Object(Node::new(apollo_compiler::schema::ObjectType {
        description: None,
        name: name.clone(),
        implements_interfaces: apollo_compiler::collections::IndexSet::default(),
        directives: apollo_compiler::schema::DirectiveList::default(),
        fields: IndexMap::default(),
    }))
}

fn component(name: &Name) -> apollo_compiler::schema::ComponentName {
    name.to_component(ComponentOrigin::Definition)
}

#[cfg(test)]
mod tests;
