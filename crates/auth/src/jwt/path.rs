//! Paths into claims: `$`, `$.hasura.claims`, `$.roles[0]`, `$["https://example.com/claims"].id`.

use serde_json::Value;

/// A path into a JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl ClaimPath {
    /// Reads a path; the leading `$` may be left out. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let mut steps = Vec::new();
        let mut is_first = !text.starts_with('$');
        while !rest.is_empty() {
            let step;
            (step, rest) = if let Some(inner) = rest.strip_prefix('[') {
                bracket(inner)?
            } else {
                let name = match rest.strip_prefix('.') {
                    Some(name) => name,
                    None if is_first => rest,
                    None => return Err(format!("`.` or `[` is expected before `{rest}`")),
                };
                let end = name.find(['.', '[']).unwrap_or(name.len());
                match name.split_at(end) {
                    ("", _) => return Err("a name is missing after `.`".to_owned()),
                    (key, rest) => (Step::Key(key.to_owned()), rest),
                }
            };
            steps.push(step);
            is_first = false;
        }
        Ok(Self { text: text.to_owned(), steps })
    }

    /// The value at the end of the path.
    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.steps.iter().try_fold(value, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.get(index),
        })
    }

    /// The name of the member that it begins with; `None` if it begins otherwise.
    pub fn first(&self) -> Option<&str> {
        match self.steps.first()? {
            Step::Key(key) => Some(key),
            Step::Index(_) => None,
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// What stands between brackets, and what follows them.
fn bracket(inner: &str) -> Result<(Step, &str), String> {
    let Some(quote) = inner.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        let (index, rest) = inner.split_once(']').ok_or("`]` is missing")?;
        let index = index.parse().map_err(|_| format!("`{index}` is no index"))?;
        return Ok((Step::Index(index), rest));
    };
    let mut key = String::new();
    let mut chars = inner.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            key.extend(chars.next().map(|(_, escaped)| escaped));
        } else if c == quote {
            let rest = inner.get(at + 1..).unwrap_or_default();
            let rest = rest.strip_prefix(']').ok_or("`]` is missing")?;
            return Ok((Step::Key(key), rest));
        } else {
            key.push(c);
        }
    }
    Err("a quote is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_values() {
        let claims =
            json!({"a": {"b": [1, {"c.d": 2}]}, "x": null, "https://e/claims": {"q\"": 3}});
        let rows = [
            ("$", Some(claims.clone())),
            ("$.a.b[0]", Some(json!(1))),
            ("a.b[0]", Some(json!(1))),
            ("$.a['b'][1]['c.d']", Some(json!(2))),
            (r#"$["https://e/claims"]["q\""]"#, Some(json!(3))),
            ("$.x", Some(json!(null))),
            ("$.x.y", None),
            ("$.a.b[2]", None),
            ("$.a[0]", None),
            ("$.nothing", None),
        ];
        for (path, expected) in rows {
            let path = ClaimPath::parse(path).unwrap();
            assert_eq!(path.find(&claims), expected.as_ref(), "{path:?}");
        }
        for bad in ["$.", "$..a", "$a", "$[", "$[x]", "$[1", "$['a", "$['a'", "$.a]b[", "$[-1]"] {
            let parsed = ClaimPath::parse(bad);
            assert!(parsed.is_err(), "{bad}: {parsed:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_without_panic(text in "[$.\\[\\]'\"\\\\a0é]{0,24}") {
            if let Ok(path) = ClaimPath::parse(&text) {
                let _ = path.find(&json!({"a": [{"0": "é"}]}));
            }
        }
    }
}
