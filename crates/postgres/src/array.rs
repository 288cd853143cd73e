//! Array literals: the text format of PostgreSQL's arrays.

use std::sync::Arc;

use artesian_sql::ParamValue;

/// What separates the elements of an array of most types.
pub(crate) const COMMA: char = ',';

/// A one-dimensional array of these elements, every one quoted: `{"a","b \"c\"",NULL}`.
///
/// `delimiter` is the element type's `typdelim`: a comma but for a few geometric types.
pub(crate) fn literal<'a>(
    elements: impl Iterator<Item = &'a ParamValue> + Clone,
    delimiter: char,
) -> Arc<str> {
    let length: usize = elements.clone().map(|e| e.as_ref().map_or(5, |e| e.len() + 3)).sum();
    let mut text = String::with_capacity(length + 2);
    text.push('{');
    for (index, element) in elements.enumerate() {
        if index > 0 {
            text.push(delimiter);
        }
        match element {
            None => text.push_str("NULL"),
            Some(element) => {
                text.push('"');
                let mut rest = element.as_ref();
                while let Some(at) = rest.find(['"', '\\']) {
                    text.push_str(&rest[..at]);
                    text.push('\\');
                    // Both are one byte long.
                    text.push_str(&rest[at..=at]);
                    rest = &rest[at + 1..];
                }
                text.push_str(rest);
                text.push('"');
            }
        }
    }
    text.push('}');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(elements: &[Option<&str>], delimiter: char) -> String {
        let elements: Vec<ParamValue> = elements.iter().map(|e| e.map(Arc::from)).collect();
        literal(elements.iter(), delimiter).to_string()
    }

    #[test]
    fn quoting() {
        assert_eq!(of(&[], COMMA), "{}");
        assert_eq!(of(&[None, Some("NULL"), Some("")], COMMA), r#"{NULL,"NULL",""}"#);
        assert_eq!(of(&[Some(r#"a"b\c"#), Some("{,}")], COMMA), r#"{"a\"b\\c","{,}"}"#);
        assert_eq!(of(&[Some("(1,1),(0,0)"), None], ';'), r#"{"(1,1),(0,0)";NULL}"#);
        assert_eq!(of(&[Some("é\"ü")], COMMA), "{\"é\\\"ü\"}");
    }
}
