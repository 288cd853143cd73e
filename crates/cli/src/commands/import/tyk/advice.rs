//! What to do about fields that nothing was made of. Nothing is left out in silence: a field that no
//! line here speaks of is told as one that is not known.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{
    super::{
        document::{Document, Path},
        report::{Report, Verdict},
    },
    kind::Kind,
};

mod classic;
mod gateway;
mod oas;
mod policies;

/// A path in which `*` stands for any key, what becomes of what is below, and why.
type Advice = (&'static str, Verdict, &'static str);

/// Tells about everything that was not read.
pub fn tell(report: &mut Report, document: &Document, kind: Kind) {
    let table = match kind {
        Kind::Classic => classic::ADVICE,
        Kind::Oas => oas::ADVICE,
        Kind::Gateway => gateway::ADVICE,
        Kind::Policies => policies::ADVICE,
        Kind::Unknown => &[],
    };
    // One line for one piece of advice and what it speaks of, in the order of the document.
    let mut order = Vec::new();
    let mut told: BTreeMap<String, (Verdict, &'static str)> = BTreeMap::new();
    for path in document.leftovers() {
        let path: Path = path.iter().map(|key| without_index(key)).collect();
        let (place, verdict, text) = match find(table, &path) {
            Some((length, verdict, text)) => {
                (path.get(..length).unwrap_or(&path).join("."), verdict, text)
            }
            None => (path.join("."), Verdict::Missing, UNKNOWN),
        };
        if let Entry::Vacant(vacant) = told.entry(place) {
            order.push(vacant.key().clone());
            vacant.insert((verdict, text));
        }
    }
    for place in order {
        if let Some((verdict, text)) = told.remove(&place) {
            report.tell_path(verdict, &document.file, &place, text);
        }
    }
    parts(report, document);
}

/// What was read and has no line of its own: it decided about another field.
fn parts(report: &mut Report, document: &Document) {
    let mut parts: Vec<String> = Vec::new();
    for path in document.everything() {
        let part = plain(&path);
        if !report.knows(&document.file, &names(&path)) && !parts.contains(&part) {
            parts.push(part);
        }
    }
    for part in parts {
        let text = "read with the fields beside it, which say what became of it";
        report.tell_path(Verdict::Idle, &document.file, &part, text);
    }
}

/// All the names under which a path or what it is part of can have been told.
fn names(path: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    for length in 1..=path.len() {
        let keys = path.get(..length).unwrap_or(path);
        let name = keys.join(".");
        let mut list = name.as_str();
        while let Some((outer, _)) = list.strip_suffix(']').and_then(|list| list.rsplit_once('[')) {
            names.push(outer.to_owned());
            list = outer;
        }
        names.push(name);
        names.push(plain(keys));
    }
    names
}

/// What is said of a field that nobody knows.
const UNKNOWN: &str = "this field is not known to the import: nothing was made of it. See what it does \
                       with Tyk, and whether docs/settings.md has its like";

/// The longest path of the table that leads to a field: how many keys it covers, and what it says.
fn find(table: &[Advice], path: &Path) -> Option<(usize, Verdict, &'static str)> {
    let covers = |pattern: &str| {
        // Definitions of a list, and wrapped ones, begin with more keys.
        (0..path.len().min(3)).find_map(|start| {
            let rest = path.get(start..)?;
            let keys: Vec<&str> = pattern.split('.').collect();
            let fits = keys.len() <= rest.len()
                && keys.iter().zip(rest).all(|(key, own)| {
                    *key == "*" || key.trim_end_matches("[]") == own.trim_end_matches("[]")
                });
            (fits && (start == 0 || is_wrapper(path.get(..start)?))).then_some(start + keys.len())
        })
    };
    table
        .iter()
        .filter_map(|(pattern, verdict, text)| Some((covers(pattern)?, *verdict, *text)))
        .max_by_key(|(length, ..)| *length)
}

fn is_wrapper(keys: &[String]) -> bool {
    keys.iter().all(|key| matches!(key.as_str(), "[]" | "apis[]" | "api_definition"))
}

/// A path without indices.
fn plain(path: &[String]) -> String {
    path.iter().map(|key| without_index(key)).collect::<Vec<_>>().join(".")
}

/// `a[3]` as `a[]`.
fn without_index(key: &str) -> String {
    let Some(inner) = key.strip_suffix(']') else { return key.to_owned() };
    match inner.rsplit_once('[') {
        Some((name, index)) if index.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{}[]", without_index(name))
        }
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn the_longest_advice_counts() {
        let table: &[Advice] = &[
            ("a", Verdict::Idle, "short"),
            ("a.*.c", Verdict::Missing, "long"),
            ("d[]", Verdict::Missing, "list"),
        ];
        let text = |at: &str| find(table, &path(at)).map(|(length, _, text)| (length, text));
        assert_eq!(text("a/b/c/x"), Some((3, "long")));
        assert_eq!(text("a/b"), Some((1, "short")));
        assert_eq!(text("d[]/x"), Some((1, "list")));
        assert_eq!(text("b/a"), None);
        assert_eq!(text("api_definition/a"), Some((2, "short")));
    }

    #[test]
    fn indices_are_left_out() {
        assert_eq!(without_index("a[12]"), "a[]");
        assert_eq!(without_index("a[0][1]"), "a[][]");
        assert_eq!(without_index("a[x]"), "a[x]");
    }
}
