//! Where `__typename` is in a result.

use std::{collections::HashMap, sync::Arc};

use apollo_compiler::{
    ExecutableDocument, Node,
    executable::{Field, Selection, SelectionSet},
};

use super::{PlanError, shared};
use crate::compose::SourceNames;

/// The keys of one object, and of what is in it, that lead to names of types.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) keys: HashMap<Arc<str>, Key>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// The value is the name of a type.
    Typename,
    /// The value is an object, or a list of objects, in which there are names.
    Within(Keys),
}

/// Where names of types are in a source's results, and what they are to be called.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Typenames {
    pub(crate) root: Keys,
    /// Composed names by the source's, as JSON strings without quotes: names need no escapes.
    pub(crate) names: HashMap<Arc<str>, Arc<str>>,
}

/// Finds them; `None` if no name is selected. The operation's size is bounded.
pub(super) fn collect<'a>(
    document: &ExecutableDocument,
    fields: impl Iterator<Item = &'a Node<Field>>,
    names: &SourceNames,
) -> Result<Option<Typenames>, PlanError> {
    let mut root = Seen::default();
    for field in fields {
        root.field(document, field)?;
    }
    let root = root.keys()?;
    let renamed = names.renamed.iter().map(|(own, new)| (shared(own), shared(new)));
    Ok((!root.keys.is_empty()).then(|| Typenames { root, names: renamed.collect() }))
}

/// What a key stands for, in any of the types that an object may be of.
#[derive(Default)]
struct Seen {
    keys: HashMap<Arc<str>, SeenKey>,
}

#[derive(Default)]
struct SeenKey {
    typename: bool,
    other: bool,
    within: Seen,
}

impl Seen {
    fn set(&mut self, document: &ExecutableDocument, set: &SelectionSet) -> Result<(), PlanError> {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => self.field(document, field)?,
                Selection::InlineFragment(inline) => self.set(document, &inline.selection_set)?,
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = document.fragments.get(&spread.fragment_name) {
                        self.set(document, &fragment.selection_set)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, document: &ExecutableDocument, field: &Field) -> Result<(), PlanError> {
        let key = self.keys.entry(shared(field.response_key())).or_default();
        if field.name == "__typename" {
            key.typename = true;
        } else {
            key.other = true;
        }
        key.within.set(document, &field.selection_set)
    }

    fn keys(self) -> Result<Keys, PlanError> {
        let mut keys = HashMap::new();
        for (key, seen) in self.keys {
            if seen.typename && seen.other {
                // Two types may give one key different meanings, and only the type would tell which.
                return Err(PlanError::Unsupported(format!(
                    "\"{key}\" is __typename of one type and a field of another: give one of them \
                     another alias"
                )));
            }
            if seen.typename {
                keys.insert(key, Key::Typename);
                continue;
            }
            let within = seen.within.keys()?;
            if !within.keys.is_empty() {
                keys.insert(key, Key::Within(within));
            }
        }
        Ok(Keys { keys })
    }
}
