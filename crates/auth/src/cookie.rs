//! The `Cookie` header (RFC 6265, section 5.4), as browsers write it.

use crate::AuthError;

/// The value of a cookie. Names are compared exactly. A cookie that is there twice with different
/// values says nothing: browsers send both when a page of a subdomain has set its own, which is how
/// sessions are fixed by others.
pub fn find<'a>(header: &'a str, name: &str) -> Result<Option<&'a str>, AuthError> {
    let mut found = None;
    for pair in header.split(';') {
        let Some((key, value)) = pair.split_once('=') else { continue };
        if key.trim_matches([' ', '\t']) != name {
            continue;
        }
        let value = value.trim_matches([' ', '\t']);
        // Quotes belong to the syntax of values, not to the value (RFC 6265, section 4.1.1).
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        if found.is_some_and(|other| other != value) {
            return Err(AuthError::AmbiguousCookie);
        }
        found = Some(value);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_what_browsers_send() {
        let rows = [
            ("a=1", Ok(Some("1"))),
            ("b=2; a=1; c=3", Ok(Some("1"))),
            ("b=2;a=1", Ok(Some("1"))),
            ("a=\"1\"", Ok(Some("1"))),
            ("a=", Ok(Some(""))),
            ("a=x=y", Ok(Some("x=y"))),
            ("A=1", Ok(None)),
            ("aa=1", Ok(None)),
            ("a", Ok(None)),
            ("", Ok(None)),
            (";;; ;", Ok(None)),
            ("a=1; a=1", Ok(Some("1"))),
            ("a=1; a=2", Err(AuthError::AmbiguousCookie)),
        ];
        for (header, expected) in rows {
            assert_eq!(find(header, "a"), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read(header in ".{0,200}", value in "[!-:<-~&&[^\"]]{0,20}") {
            let _ = find(&header, "token");
            let others: String = header.replace("token", "other");
            let whole = format!("{others}; token={value}");
            prop_assert_eq!(find(&whole, "token"), Ok(Some(value.as_str())));
        }
    }
}
