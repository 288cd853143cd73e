//! Content negotiation by `Accept` (RFC 9110, section 12.5.1; GraphQL over HTTP, "Accept").

use super::media::{self, MediaType};

/// A type for a single result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonMedia {
    /// `application/json`
    ApplicationJson,
    /// `application/graphql-response+json`
    GraphqlResponseJson,
}

impl JsonMedia {
    /// The value of the reply's `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::ApplicationJson => "application/json; charset=utf-8",
            Self::GraphqlResponseJson => "application/graphql-response+json; charset=utf-8",
        }
    }
}

/// A type for a stream of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamMedia {
    /// `text/event-stream`, see [`sse`](crate::sse).
    EventStream,
    /// `multipart/mixed; subscriptionSpec=1.0`, see [`multipart`](crate::multipart).
    Multipart,
}

/// The type of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// One JSON document.
    Json(JsonMedia),
    /// A stream of results.
    Stream(StreamMedia),
}

/// What a client accepts: the best type for a single result and the best one for a stream. Which of
/// the two is needed is known only once the operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepts {
    json: Option<JsonMedia>,
    stream: Option<StreamMedia>,
}

impl Accepts {
    /// Reads the values of all `Accept` headers. No header accepts any single result. A stream must
    /// be asked for by name: a wildcard comes from clients that could not read one.
    ///
    /// Among types of equal weight the server prefers, for a single result,
    /// `application/graphql-response+json` if it is named and `application/json` if only a wildcard
    /// matches; for a stream `text/event-stream`.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut ranges, mut any) = (Vec::new(), false);
        for value in values {
            any |= !value.trim().is_empty();
            ranges.extend(media::parse_list(value));
        }
        if !any {
            return Self { json: Some(JsonMedia::ApplicationJson), stream: None };
        }
        let plain = best(&ranges, "application", "json", |_| true);
        let graphql = best(&ranges, "application", "graphql-response+json", |_| true);
        let json =
            pick((graphql, JsonMedia::GraphqlResponseJson), (plain, JsonMedia::ApplicationJson));
        let named = |m: &Match| m.specificity == EXACT;
        let sse = best(&ranges, "text", "event-stream", |_| true).filter(named);
        // `multipart/mixed` without the parameter asks for incremental delivery, which is another
        // format.
        let multipart = best(&ranges, "multipart", "mixed", |range| {
            range
                .parameter("subscriptionspec")
                .is_some_and(|version| version == "1.0" || version == "1")
        })
        .filter(named);
        let stream = pick((sse, StreamMedia::EventStream), (multipart, StreamMedia::Multipart));
        Self { json, stream }
    }

    /// The type for a reply to a query or a mutation: JSON if it is acceptable, else a stream of
    /// one result, else `None` (406).
    pub fn for_single_result(self) -> Option<Media> {
        let json = self.json.map(Media::Json);
        json.or_else(|| self.stream.map(Media::Stream))
    }

    /// The type for a reply to a subscription; `None` (406) if no stream is acceptable.
    pub fn for_subscription(self) -> Option<StreamMedia> {
        self.stream
    }

    /// The type for errors that arise before the operation is known. There is always one: a client
    /// that accepts nothing we have is answered with JSON all the same.
    pub fn for_errors(self) -> JsonMedia {
        self.json.unwrap_or(JsonMedia::ApplicationJson)
    }

    /// Whether nothing at all is acceptable (406).
    pub fn is_empty(self) -> bool {
        self.json.is_none() && self.stream.is_none()
    }
}

/// Whether these values of `Accept` admit a type that is named in lower case. No header admits all.
pub fn accepts<'a>(values: impl IntoIterator<Item = &'a str>, kind: &str, subtype: &str) -> bool {
    let mut ranges = Vec::new();
    let mut any = false;
    for value in values {
        any |= !value.trim().is_empty();
        ranges.extend(media::parse_list(value));
    }
    !any || best(&ranges, kind, subtype, |_| true).is_some_and(|found| found.weight > 0)
}

const EXACT: u8 = 2;

#[derive(Clone, Copy)]
struct Match {
    specificity: u8,
    weight: u16,
}

/// The most specific range that matches a type decides about its weight (section 12.5.1).
fn best(
    ranges: &[MediaType],
    kind: &str,
    subtype: &str,
    wanted: impl Fn(&MediaType) -> bool,
) -> Option<Match> {
    let mut found: Option<Match> = None;
    for range in ranges {
        let specificity = if range.is(kind, subtype) {
            if !wanted(range) {
                continue;
            }
            EXACT
        } else if range.is(kind, "*") {
            1
        } else if range.is("*", "*") {
            0
        } else {
            continue;
        };
        if found.is_none_or(|f| specificity > f.specificity) {
            let weight = range.weight();
            found = Some(Match { specificity, weight });
        }
    }
    found
}

/// Chooses between two candidates, `a` being preferred when both are equally wanted.
fn pick<T>(a: (Option<Match>, T), b: (Option<Match>, T)) -> Option<T> {
    let wanted = |m: Option<Match>| m.filter(|m| m.weight > 0);
    match (wanted(a.0), wanted(b.0)) {
        (None, None) => None,
        (Some(_), None) => Some(a.1),
        (None, Some(_)) => Some(b.1),
        (Some(x), Some(y)) => {
            // A named type wins against one that only a wildcard of equal weight covers; where both
            // are covered by wildcards only, the older and more widely understood type wins.
            let a_first = match x.weight.cmp(&y.weight) {
                std::cmp::Ordering::Greater => true,
                std::cmp::Ordering::Less => false,
                std::cmp::Ordering::Equal => {
                    x.specificity == EXACT || x.specificity > y.specificity
                }
            };
            Some(if a_first { a.1 } else { b.1 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use JsonMedia::{ApplicationJson as Plain, GraphqlResponseJson as New};
    use StreamMedia::{EventStream as Sse, Multipart};

    #[test]
    fn table() {
        let rows: &[(&str, Option<JsonMedia>, Option<StreamMedia>)] = &[
            ("", Some(Plain), None),
            ("*/*", Some(Plain), None),
            ("application/*", Some(Plain), None),
            ("text/*", None, None),
            ("application/json", Some(Plain), None),
            ("application/graphql-response+json", Some(New), None),
            ("application/graphql-response+json; charset=utf-8, application/json", Some(New), None),
            ("application/json, application/graphql-response+json", Some(New), None),
            ("application/json, application/graphql-response+json;q=0.9", Some(Plain), None),
            ("application/graphql-response+json, */*;q=0.1", Some(New), None),
            ("application/json, */*", Some(Plain), None),
            ("application/json;q=0", None, None),
            ("*/*, application/json;q=0", Some(New), None),
            ("*/*, text/event-stream;q=0.1", Some(Plain), Some(Sse)),
            ("text/event-stream;q=0, multipart/mixed;subscriptionSpec=1.0", None, Some(Multipart)),
            ("*/*, multipart/mixed;subscriptionSpec=1.0;q=0.5", Some(Plain), Some(Multipart)),
            ("*/*;q=0", None, None),
            ("text/html", None, None),
            ("nonsense", None, None),
            ("text/event-stream", None, Some(Sse)),
            ("TEXT/Event-Stream", None, Some(Sse)),
            ("text/event-stream, multipart/mixed", None, Some(Sse)),
            ("multipart/mixed", None, None),
            ("multipart/mixed;deferSpec=20220824, application/json", Some(Plain), None),
            // Apollo Client's header for subscriptions.
            (
                "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9",
                Some(New),
                Some(Multipart),
            ),
            ("multipart/mixed;subscriptionSpec=\"1.0\"", None, Some(Multipart)),
            ("multipart/mixed;subscriptionSpec=2.0", None, None),
            ("multipart/mixed;subscriptionSpec=1.0, */*;q=0.5", Some(Plain), Some(Multipart)),
            (
                "multipart/mixed;subscriptionSpec=1.0, text/event-stream;q=0.5",
                None,
                Some(Multipart),
            ),
            (
                "multipart/mixed;subscriptionSpec=1.0;q=0.4, text/event-stream;q=0.5",
                None,
                Some(Sse),
            ),
            // urql's header for queries.
            (
                "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed",
                Some(New),
                Some(Sse),
            ),
        ];
        for (accept, json, stream) in rows {
            let got = Accepts::parse([*accept]);
            let expected = Accepts { json: *json, stream: *stream };
            assert_eq!(got, expected, "{accept}");
        }
    }

    #[test]
    fn a_type_of_its_own() {
        let rows = [
            ("", true),
            ("*/*", true),
            ("text/*", true),
            ("TEXT/Plain;q=0.1", true),
            ("text/plain;q=0, */*", false),
            ("application/json", false),
            ("nonsense", false),
        ];
        for (accept, expected) in rows {
            assert_eq!(accepts([accept], "text", "plain"), expected, "{accept}");
        }
    }

    #[test]
    fn choice_by_operation() {
        let none: [&str; 0] = [];
        let missing = Accepts::parse(none);
        assert_eq!(missing.for_single_result(), Some(Media::Json(Plain)));
        let sse = Accepts::parse(["text/event-stream"]);
        assert_eq!(sse.for_single_result(), Some(Media::Stream(Sse)));
        assert_eq!(sse.for_subscription(), Some(Sse));
        let json = Accepts::parse(["application/json"]);
        assert_eq!(json.for_subscription(), None);
        let two = Accepts::parse(["application/json", "text/event-stream"]);
        assert_eq!(two.for_single_result(), Some(Media::Json(Plain)));
        assert_eq!(two.for_subscription(), Some(Sse));
        assert!(Accepts::parse(["image/png"]).is_empty());
        assert_eq!(Accepts::parse(["image/png"]).for_errors(), Plain);
    }
}
