//! Status codes of replies in JSON.

use super::{HttpError, JsonMedia, RequestError};

/// What became of a well-formed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ran and `data` is not null; there may be errors beside it.
    Data {
        /// Whether there are.
        errors: bool,
    },
    /// It ran, and an error made `data` null.
    NullData,
    /// The document could not be parsed.
    SyntaxError,
    /// The document is not valid, the operation could not be chosen, or variables could not be
    /// coerced: execution did not begin.
    RequestError,
    /// It was refused for lack of credentials or rights before execution.
    Denied,
    /// The server failed before it could produce a result.
    InternalError,
}

/// Which rules decide about the status of replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusProfile {
    /// What existing clients expect. With `application/json` every GraphQL reply is 200; with
    /// `application/graphql-response+json` a request error is 400. Requests that are not
    /// well-formed are 400 with both. This passes the `graphql-http` audits.
    #[default]
    Hasura,
    /// The draft of August 2026 for both types: syntax 400, other request errors 422, `data` (even
    /// null) beside errors 294.
    Spec,
}

impl StatusProfile {
    /// The status of a reply to a well-formed request.
    pub fn status(self, media: JsonMedia, outcome: Outcome) -> u16 {
        match (self, outcome) {
            (_, Outcome::Data { errors: false }) => 200,
            (Self::Hasura, Outcome::Data { .. } | Outcome::NullData) => 200,
            (Self::Hasura, _) if media == JsonMedia::ApplicationJson => 200,
            (Self::Hasura, Outcome::SyntaxError | Outcome::RequestError) => 400,
            (Self::Spec, Outcome::Data { .. } | Outcome::NullData) => 294,
            (Self::Spec, Outcome::SyntaxError) => 400,
            (Self::Spec, Outcome::RequestError) => 422,
            (_, Outcome::Denied) => 403,
            (_, Outcome::InternalError) => 500,
        }
    }

    /// The value of `Content-Type`. The draft labels a reply as `application/json` only if its
    /// status is 2xx: a client of that type cannot trust other replies to come from a GraphQL
    /// server.
    pub fn content_type(self, media: JsonMedia, status: u16) -> &'static str {
        if self == Self::Spec && !(200..300).contains(&status) {
            JsonMedia::GraphqlResponseJson.content_type()
        } else {
            media.content_type()
        }
    }

    /// The status of a reply to a request that is not well-formed.
    pub fn error_status(self, error: &HttpError) -> u16 {
        match error {
            HttpError::UnsupportedMediaType(_) | HttpError::UnsupportedEncoding => 415,
            HttpError::NotAcceptable => 406,
            HttpError::MethodNotAllowed | HttpError::MutationOverGet => 405,
            HttpError::PossibleForgery => 403,
            HttpError::Request(error) => match (self, error) {
                (
                    Self::Spec,
                    RequestError::WrongType(_)
                    | RequestError::MissingQuery
                    | RequestError::NotAnObject
                    | RequestError::Batch
                    | RequestError::BatchTooLong(_)
                    | RequestError::EmptyBatch
                    | RequestError::InBatch(..),
                ) => 422,
                _ => 400,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Parameter;
    use JsonMedia::{ApplicationJson as Plain, GraphqlResponseJson as New};

    #[test]
    fn table() {
        use StatusProfile::{Hasura, Spec};
        // (outcome, Hasura with json, Hasura with the new type, Spec)
        let rows = [
            (Outcome::Data { errors: false }, 200, 200, 200),
            (Outcome::Data { errors: true }, 200, 200, 294),
            (Outcome::NullData, 200, 200, 294),
            (Outcome::SyntaxError, 200, 400, 400),
            (Outcome::RequestError, 200, 400, 422),
            (Outcome::Denied, 200, 403, 403),
            (Outcome::InternalError, 200, 500, 500),
        ];
        for (outcome, plain, new, spec) in rows {
            assert_eq!(Hasura.status(Plain, outcome), plain, "{outcome:?}");
            assert_eq!(Hasura.status(New, outcome), new, "{outcome:?}");
            assert_eq!(Spec.status(Plain, outcome), spec, "{outcome:?}");
            assert_eq!(Spec.status(New, outcome), spec, "{outcome:?}");
        }
        assert_eq!(Spec.content_type(Plain, 294), Plain.content_type());
        assert_eq!(Spec.content_type(Plain, 422), New.content_type());
        assert_eq!(Hasura.content_type(Plain, 400), Plain.content_type());
        let rows = [
            (HttpError::UnsupportedMediaType(""), 415, 415),
            (HttpError::NotAcceptable, 406, 406),
            (HttpError::MutationOverGet, 405, 405),
            (HttpError::MethodNotAllowed, 405, 405),
            (HttpError::PossibleForgery, 403, 403),
            (RequestError::MalformedJson(String::new()).into(), 400, 400),
            (RequestError::BadEscape.into(), 400, 400),
            (RequestError::MissingQuery.into(), 400, 422),
            (RequestError::Batch.into(), 400, 422),
            (RequestError::BatchTooLong(1).into(), 400, 422),
            (HttpError::UnsupportedEncoding, 415, 415),
            (RequestError::WrongType(Parameter::Query).into(), 400, 422),
        ];
        for (error, hasura, spec) in rows {
            assert_eq!(Hasura.error_status(&error), hasura, "{error:?}");
            assert_eq!(Spec.error_status(&error), spec, "{error:?}");
        }
    }
}
