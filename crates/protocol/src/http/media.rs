//! Media types and their parameters (RFC 9110, sections 5.6.6, 8.3.1 and 12.5.1), parsed in one
//! pass.

/// A media type or a media range. Type and subtype are in lower case.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MediaType {
    pub kind: String,
    pub subtype: String,
    /// Names in lower case, values without quotes.
    pub parameters: Vec<(String, String)>,
}

impl MediaType {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind == kind && self.subtype == subtype
    }

    /// The weight in thousandths (section 12.4.2). A malformed weight counts as none at all.
    pub(super) fn weight(&self) -> u16 {
        let Some(text) = self.parameter("q") else {
            return 1000;
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = fraction.bytes().all(|b| b.is_ascii_digit());
        if !digits || fraction.len() > 3 || !matches!(whole, "0" | "1") {
            return 1000;
        }
        let thousandths = format!("{fraction:0<3}").parse().unwrap_or(0);
        if whole == "1" { 1000 } else { thousandths }
    }
}

/// Parses one media type; `None` if it is malformed.
pub(super) fn parse(text: &str) -> Option<MediaType> {
    let mut parts = split_outside_quotes(text, b';').into_iter();
    let (kind, subtype) = parts.next()?.trim().split_once('/')?;
    let (kind, subtype) = (kind.trim(), subtype.trim());
    if kind.is_empty() || subtype.is_empty() {
        return None;
    }
    let mut parameters = Vec::new();
    for part in parts {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        let (name, value) = part.split_once('=')?;
        parameters.push((name.trim().to_ascii_lowercase(), unquote(value.trim())));
    }
    Some(MediaType {
        kind: kind.to_ascii_lowercase(),
        subtype: subtype.to_ascii_lowercase(),
        parameters,
    })
}

/// Parses a comma list of media ranges; malformed members are skipped.
pub(super) fn parse_list(text: &str) -> impl Iterator<Item = MediaType> {
    split_outside_quotes(text, b',').into_iter().filter_map(parse)
}

fn split_outside_quotes(text: &str, separator: u8) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => {
                pieces.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(text.get(start..).unwrap_or_default());
    pieces
}

fn unquote(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    let Some(inner) = inner else {
        return value.to_owned();
    };
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn parameters_quotes_and_weights() {
        let m =
            parse(r#" Multipart/Mixed ; boundary="a;b,\"c" ; subscriptionSpec=1.0;q=0.5"#).unwrap();
        assert!(m.is("multipart", "mixed"));
        assert_eq!(m.parameter("boundary"), Some("a;b,\"c"));
        assert_eq!(m.parameter("subscriptionspec"), Some("1.0"));
        assert_eq!(m.weight(), 500);
        let weights =
            [("0", 0), ("1", 1000), ("0.001", 1), ("1.000", 1000), ("0.9", 900), ("x", 1000)];
        for (q, expected) in weights {
            assert_eq!(parse(&format!("a/b;q={q}")).unwrap().weight(), expected, "{q}");
        }
        assert_eq!(parse_list("a/b, nonsense, c/d;x=\"1,2\"").count(), 2);
        assert_eq!(parse("/"), None);
    }
}
