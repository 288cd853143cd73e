//! How large an operation is once its fragments are expanded, without expanding them.

use std::collections::HashMap;

use apollo_compiler::{
    ExecutableDocument, Name,
    executable::{Operation, Selection, SelectionSet},
};

use super::{PlanError, PlanLimits};

#[derive(Clone, Copy, Default)]
struct Size {
    fields: usize,
    depth: usize,
}

/// Refuses what is too large: fragments that spread others several times are exponential in the length
/// of their text.
pub(super) fn check(
    document: &ExecutableDocument,
    operation: &Operation,
    limits: &PlanLimits,
) -> Result<(), PlanError> {
    let mut measure = Measure { document, fragments: HashMap::new() };
    let size = measure.set(&operation.selection_set);
    PlanError::within(size.fields, limits.fields, "fields")?;
    PlanError::within(size.depth, limits.depth, "levels of fields")
}

/// How many fields are below these, fragments expanded.
pub(super) fn below<'a>(
    document: &'a ExecutableDocument,
    sets: impl Iterator<Item = &'a SelectionSet>,
) -> usize {
    let mut measure = Measure { document, fragments: HashMap::new() };
    sets.fold(0, |sum, set| sum.saturating_add(measure.set(set).fields))
}

struct Measure<'a> {
    document: &'a ExecutableDocument,
    fragments: HashMap<&'a Name, Size>,
}

impl<'a> Measure<'a> {
    fn set(&mut self, set: &'a SelectionSet) -> Size {
        let mut all = Size::default();
        for selection in &set.selections {
            let one = match selection {
                Selection::Field(field) => {
                    let inner = self.set(&field.selection_set);
                    Size { fields: inner.fields.saturating_add(1), depth: inner.depth + 1 }
                }
                Selection::InlineFragment(inline) => self.set(&inline.selection_set),
                Selection::FragmentSpread(spread) => self.fragment(&spread.fragment_name),
            };
            all.fields = all.fields.saturating_add(one.fields);
            all.depth = all.depth.max(one.depth);
        }
        all
    }

    /// Each fragment is measured once; validation has found that none spreads itself.
    fn fragment(&mut self, name: &Name) -> Size {
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Size::default();
        };
        if let Some(size) = self.fragments.get(name) {
            return *size;
        }
        let size = self.set(&fragment.selection_set);
        self.fragments.insert(name, size);
        size
    }
}
