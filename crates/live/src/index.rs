//! From a change to the plans that it touches.
//!
//! At table level for now. Keys (a table, a column, a value) and whatever
//! else narrows it further belong here and nowhere else.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::cohort::PlanId;
use crate::plan::Dependencies;

/// The plans that read each table.
#[derive(Debug, Default)]
pub(crate) struct Index {
    tables: HashMap<Arc<str>, BTreeSet<PlanId>>,
}

impl Index {
    /// From now on, changes to these tables touch this plan.
    pub(crate) fn insert(&mut self, plan: PlanId, dependencies: &Dependencies) {
        for table in &dependencies.tables {
            self.tables.entry(Arc::clone(table)).or_default().insert(plan);
        }
    }

    /// The plan is gone.
    pub(crate) fn remove(&mut self, plan: PlanId, dependencies: &Dependencies) {
        for table in &dependencies.tables {
            if let Some(plans) = self.tables.get_mut(table) {
                plans.remove(&plan);
                if plans.is_empty() {
                    self.tables.remove(table);
                }
            }
        }
    }

    /// Every plan that a change of these tables may touch.
    pub(crate) fn affected(&self, tables: &[Arc<str>]) -> BTreeSet<PlanId> {
        tables.iter().filter_map(|table| self.tables.get(table)).flatten().copied().collect()
    }

    /// Tables that some plan reads.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.tables.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(tables: &[&str]) -> Dependencies {
        Dependencies {
            tables: tables.iter().map(|&table| Arc::from(table)).collect(),
            volatile: false,
        }
    }

    #[test]
    fn finds_the_plans_of_each_table_and_forgets_them() {
        let mut index = Index::default();
        let (first, second) = (PlanId(1), PlanId(2));
        index.insert(first, &reads(&["a", "b", "a"]));
        index.insert(second, &reads(&["b"]));
        let plans = |index: &Index, tables: &[&str]| {
            index.affected(&reads(tables).tables).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(plans(&index, &["a"]), [first]);
        assert_eq!(plans(&index, &["b", "a"]), [first, second]);
        assert_eq!(plans(&index, &["c"]), []);
        index.remove(first, &reads(&["a", "b", "a"]));
        assert_eq!(plans(&index, &["a"]), []);
        assert_eq!(plans(&index, &["b"]), [second]);
        index.remove(second, &reads(&["b"]));
        assert_eq!(index.len(), 0);
    }
}
