//! Cross-site request forgery: browsers send "simple" requests (Fetch, section 3.2) to other sites
//! with cookies and without asking first. A request that is not simple needs a CORS preflight.

use super::{HttpError, media};

/// A request with one of these headers, not empty, is not simple. Names in lower case.
pub const PREFLIGHT_HEADERS: [&str; 3] =
    ["graphql-require-preflight", "apollo-require-preflight", "x-apollo-operation-name"];

/// Whether requests that a foreign page could have sent are refused. Applies to every GraphQL reply
/// over HTTP, event streams included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CsrfRule {
    /// GET needs a preflight header, or the browser's word that no other site sent it
    /// (`Sec-Fetch-Site: same-origin` or `none`). POST needs `application/json` or any of those.
    #[default]
    Strict,
    /// Only POST is checked, which with `application/json` as the sole content type is no loss:
    /// GET cannot mutate, and its reply is unreadable for other sites. Lets `curl` and the GET
    /// audits of `graphql-http` through without a header.
    PostOnly,
    /// Nothing is checked.
    Off,
}

impl CsrfRule {
    /// Checks a request in one pass over its headers.
    ///
    /// A GET with any content type but `application/json` is refused with 415 whatever the rule
    /// (GHSA-9q82-xgwf-vj6h).
    pub fn check<'a>(
        self,
        method: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<(), HttpError> {
        let (mut json, mut other_type, mut trusted) = (false, false, false);
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("content-type") {
                let parsed = std::str::from_utf8(value).ok().and_then(media::parse);
                let is_json = parsed.is_some_and(|m| m.is("application", "json"));
                json |= is_json;
                other_type |= !is_json;
            } else if name.eq_ignore_ascii_case("sec-fetch-site") {
                trusted |= matches!(value.trim_ascii(), b"same-origin" | b"none");
            } else if PREFLIGHT_HEADERS.iter().any(|h| name.eq_ignore_ascii_case(h)) {
                trusted |= !value.trim_ascii().is_empty();
            }
        }
        let get = method == "GET" || method == "HEAD";
        if get && other_type {
            return Err(HttpError::UnsupportedMediaType(
                "a GET request must have no content-type, or application/json",
            ));
        }
        let not_simple = trusted || (json && !other_type);
        match self {
            Self::Off => Ok(()),
            Self::PostOnly if get => Ok(()),
            _ if not_simple => Ok(()),
            _ => Err(HttpError::PossibleForgery),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (&'static str, &'static [(&'static str, &'static str)], &'static str);

    #[test]
    fn table() {
        // (method, headers, outcome with each rule: o = passes, f = forgery, t = 415)
        let rows: &[Row] = &[
            ("POST", &[("content-type", "application/json")], "ooo"),
            ("POST", &[("content-type", "text/plain")], "ffo"),
            ("POST", &[("content-type", "application/x-www-form-urlencoded")], "ffo"),
            (
                "POST",
                &[("content-type", "application/json"), ("content-type", "text/plain")],
                "ffo",
            ),
            ("POST", &[], "ffo"),
            ("POST", &[("Apollo-Require-Preflight", "1")], "ooo"),
            ("GET", &[], "foo"),
            ("GET", &[("apollo-require-preflight", "")], "foo"),
            ("GET", &[("GraphQL-Require-Preflight", "yes")], "ooo"),
            ("GET", &[("x-apollo-operation-name", "Q")], "ooo"),
            ("GET", &[("content-type", "application/json")], "ooo"),
            ("GET", &[("content-type", "message/http")], "ttt"),
            ("GET", &[("content-type", "message/http"), ("x-apollo-operation-name", "Q")], "ttt"),
            ("GET", &[("sec-fetch-site", "same-origin"), ("accept", "text/event-stream")], "ooo"),
            ("GET", &[("sec-fetch-site", "none")], "ooo"),
            ("GET", &[("sec-fetch-site", "cross-site")], "foo"),
            ("GET", &[("sec-fetch-site", "same-site")], "foo"),
        ];
        for (method, headers, expected) in rows {
            let got: String = [CsrfRule::Strict, CsrfRule::PostOnly, CsrfRule::Off]
                .map(|rule| {
                    let headers = headers.iter().map(|(n, v)| (*n, v.as_bytes()));
                    match rule.check(method, headers) {
                        Ok(()) => 'o',
                        Err(HttpError::PossibleForgery) => 'f',
                        Err(_) => 't',
                    }
                })
                .iter()
                .collect();
            assert_eq!(&got, expected, "{method} {headers:?}");
        }
    }
}
