//! The `path` argument of JSON columns: `$.a.b[0]['c d']`.

/// The steps of a path. `$` and the empty path are the whole document.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse(path: &str) -> Result<Vec<String>, String> {
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    let fail = |why: &str| Err(format!("parse json path error: {why} in \"{path}\""));
    while let Some(first) = rest.chars().next() {
        if first == '.' {
            rest = &rest[1..];
            if rest.is_empty() {
                return fail("a name is missing after the dot");
            }
        }
        if let Some(inner) = rest.strip_prefix('[') {
            let step = match inner.chars().next() {
                Some(q @ ('\'' | '"')) => {
                    let (step, after) = match quoted(&inner[1..], q) {
                        Some(found) => found,
                        None => return fail("a quote is not closed"),
                    };
                    rest = after;
                    step
                }
                _ => {
                    let end = inner.find(']').unwrap_or(inner.len());
                    let digits = &inner[..end];
                    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                        return fail("an index is not a number");
                    }
                    rest = &inner[end..];
                    digits.to_owned()
                }
            };
            rest = match rest.strip_prefix(']') {
                Some(after) => after,
                None => return fail("a bracket is not closed"),
            };
            steps.push(step);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let name = &rest[..end];
            let valid = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
            if name.is_empty() || !valid {
                return fail("a name is not valid (put it in brackets and quotes)");
            }
            steps.push(name.to_owned());
            rest = &rest[end..];
        }
    }
    Ok(steps)
}

/// Text up to the closing quote, and what follows it.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        if c == '\\' {
            out.push(chars.next()?.1);
        } else if c == quote {
            return Some((out, &text[i + c.len_utf8()..]));
        } else {
            out.push(c);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn paths() {
        for (path, steps) in [
            ("$", vec![]),
            ("", vec![]),
            (".obj.c1", vec!["obj", "c1"]),
            ("a", vec!["a"]),
            ("arr[0]", vec!["arr", "0"]),
            ("['!@#$%^']", vec!["!@#$%^"]),
            ("translations['hello world!']", vec!["translations", "hello world!"]),
            ("objs.[0].[\"你好\"]", vec!["objs", "0", "你好"]),
            ("$.a['it\\'s']", vec!["a", "it's"]),
        ] {
            assert_eq!(
                parse(path).as_deref(),
                Ok(&steps.iter().map(|s| s.to_string()).collect::<Vec<_>>()[..]),
                "{path}"
            );
        }
        for bad in [".", "a[", "a[x]", "a['b", "a..b", "a b", "a['b'"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
