//! Patterns of an allow-list.

use std::{fmt, str::FromStr};

use apollo_compiler::ast::OperationType;

/// Which root fields: a name in which `*` stands for anything and `?` for one character. `query.`,
/// `mutation.` or `subscription.` before it means only that root; `@name` means a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    kind: Option<OperationType>,
    is_directive: bool,
    name: Vec<char>,
}

/// A text that is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected the name of a root field, in which * and ? may stand for anything, with query., \
     mutation. or subscription. before it if need be; or @ and the name of a directive"
)]
pub struct BadPattern;

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        let (kind, name) = match text.split_once('.') {
            None => (None, text),
            Some(("query", name)) => (Some(OperationType::Query), name),
            Some(("mutation", name)) => (Some(OperationType::Mutation), name),
            Some(("subscription", name)) => (Some(OperationType::Subscription), name),
            Some(_) => return Err(BadPattern),
        };
        let (is_directive, name) = match name.strip_prefix('@') {
            Some(name) if kind.is_none() => (true, name),
            _ => (false, name),
        };
        let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '*' | '?');
        if name.is_empty() || !name.chars().all(is_fit) {
            return Err(BadPattern);
        }
        Ok(Self { text: text.to_owned(), kind, is_directive, name: name.chars().collect() })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    pub(super) fn is_directive(&self) -> bool {
        self.is_directive
    }

    pub(super) fn matches(&self, kind: OperationType, field: &str) -> bool {
        !self.is_directive && self.kind.is_none_or(|k| k == kind) && is_like(&self.name, field)
    }

    pub(super) fn matches_directive(&self, name: &str) -> bool {
        self.is_directive && is_like(&self.name, name)
    }
}

/// Goes back to the last `*` where it must, so that the time is bounded by the product of the lengths.
fn is_like(pattern: &[char], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n, mut star) = (0, 0, None);
    while let Some(c) = name.get(n) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(x) if *x == '?' || x == c => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, matches) in [
            ("user", "user", true),
            ("user", "users", false),
            ("user*", "users", true),
            ("*", "x", true),
            ("*By?d", "userById", true),
            ("*By?d", "userByd", false),
            ("*ById", "userById", true),
            ("*B?Id", "userById", true),
            ("a*b*c", "axxbyybzc", true),
            ("a*b*c", "axxbyybz", false),
            ("mutation.*", "user", false),
            ("query.us*", "user", true),
            ("@user", "user", false),
        ] {
            let pattern: Pattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(OperationType::Query, name), matches, "{pattern} {name}");
        }
        assert!("@live".parse::<Pattern>().unwrap().matches_directive("live"));
        for text in ["", "a b", "Query.a", "query.", "@", "query.@a", "a.b.c"] {
            assert_eq!(text.parse::<Pattern>(), Err(BadPattern), "{text}");
        }
    }
}
