//! What changed between two schemas, for the log.

use std::fmt;

use super::Facts;
use crate::clean;

/// What changed from one schema to the next. Shown as one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Coordinates that are no longer there: `User`, `User.name`, `User.posts(first:)`.
    pub gone: Vec<String>,
    /// Coordinates that are new.
    pub added: Vec<String>,
    /// Coordinates that are something else now, with what they were and are.
    pub changed: Vec<String>,
    /// How many have other descriptions or deprecations and are otherwise the same.
    pub reworded: usize,
}

/// Coordinates that are shown of each kind.
const SHOWN: usize = 10;

impl Difference {
    pub(super) fn between(old: &Facts, new: &Facts) -> Self {
        let only_in = |facts: &Facts, other: &Facts| -> Vec<String> {
            let is_gone = |at: &&String| !other.0.contains_key(*at);
            // What belongs to a type or field that is gone as a whole need not be named.
            let is_part = |at: &&String| {
                parents(at)
                    .any(|parent| facts.0.contains_key(parent) && !other.0.contains_key(parent))
            };
            facts.0.keys().filter(is_gone).filter(|at| !is_part(at)).cloned().collect()
        };
        let mut difference = Self {
            gone: only_in(old, new),
            added: only_in(new, old),
            changed: Vec::new(),
            reworded: 0,
        };
        for (at, was) in &old.0 {
            let Some(is) = new.0.get(at) else { continue };
            if was.is != is.is {
                difference.changed.push(format!("{at}: {} → {}", clean(&was.is), clean(&is.is)));
            } else if was.said != is.said {
                difference.reworded += 1;
            }
        }
        difference
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a coordinate is a part of, from the inside to the outside.
fn parents(at: &str) -> impl Iterator<Item = &str> {
    let ends = at.rmatch_indices(['(', '.', ' ']).map(|(end, _)| end);
    ends.filter_map(|end| at.get(..end))
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing changed");
        }
        let mut between = "";
        for (what, list) in
            [("gone", &self.gone), ("added", &self.added), ("changed", &self.changed)]
        {
            if list.is_empty() {
                continue;
            }
            let shown: Vec<&str> = list.iter().take(SHOWN).map(String::as_str).collect();
            write!(f, "{between}{what}: {}", shown.join(", "))?;
            if list.len() > SHOWN {
                write!(f, " and {} more", list.len() - SHOWN)?;
            }
            between = "; ";
        }
        if self.reworded > 0 {
            write!(f, "{between}described otherwise: {}", self.reworded)?;
        }
        Ok(())
    }
}
