//! How a client is to be answered: media types and statuses.

use std::sync::Arc;

use artesian_auth::AuthError;
use artesian_engine::{ErrorCode, GraphQLError, Payload};
use artesian_protocol::http::{
    Accepts, HttpError, JsonMedia, Media, Outcome, StatusProfile, StreamMedia,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::{body::Body, errors, stream};
use crate::{metrics::Transport, run, server::State};

/// How this client is to be answered.
pub(super) struct Reply<'a> {
    state: &'a Arc<State>,
    /// The type of a single result: a stream only if no JSON is accepted.
    pub single: Media,
    /// The type of a stream, if the client takes one.
    pub stream: Option<StreamMedia>,
    profile: StatusProfile,
}

impl<'a> Reply<'a> {
    /// What the client's headers ask for; an answer if nothing that it accepts can be produced.
    pub fn new(state: &'a Arc<State>, headers: &HeaderMap) -> Result<Self, Box<Response<Body>>> {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
        let accepts = Accepts::parse(values);
        let profile = state.config.status_profile;
        match accepts.for_single_result() {
            Some(single) => Ok(Self { state, single, stream: accepts.for_subscription(), profile }),
            None => {
                let single = Media::Json(accepts.for_errors());
                let reply = Self { state, single, stream: None, profile };
                Err(reply.malformed(&HttpError::NotAcceptable).into())
            }
        }
    }

    /// For an answer that is JSON only if it is an error.
    pub fn for_errors(state: &'a Arc<State>) -> Self {
        let single = Media::Json(JsonMedia::ApplicationJson);
        Self { state, single, stream: None, profile: state.config.status_profile }
    }

    /// How an operation that was refused is counted.
    pub fn transport(&self) -> Transport {
        match self.single {
            Media::Json(_) => Transport::Http,
            Media::Stream(media) => stream::transport(media),
        }
    }

    /// The type of what is never a stream.
    pub fn media(&self) -> JsonMedia {
        match self.single {
            Media::Json(media) => media,
            Media::Stream(_) => JsonMedia::ApplicationJson,
        }
    }

    /// A result of an operation that ran.
    pub fn result(&self, media: JsonMedia, payload: Payload) -> Response<Body> {
        let outcome = match &payload {
            Payload { is_error: false, .. } => Outcome::Data { errors: false },
            // The engine writes errors in one of these forms.
            Payload { bytes, .. } if bytes.starts_with(b"{\"data\":null") => Outcome::NullData,
            Payload { bytes, .. } if bytes.starts_with(b"{\"errors\":") => Outcome::RequestError,
            _ => Outcome::Data { errors: true },
        };
        self.json(self.profile.status(media, outcome), media, payload)
    }

    /// A request that is GraphQL but did not run.
    pub fn refused(&self, errors: Vec<GraphQLError>) -> Response<Body> {
        match self.single {
            Media::Json(media) => {
                self.json(self.refusal_status(&errors), media, errors::refusal(&errors))
            }
            Media::Stream(media) => stream::refusal(self.state, media, errors),
        }
    }

    /// The status of a refusal in JSON.
    pub fn refusal_status(&self, errors: &[GraphQLError]) -> u16 {
        self.profile.status(self.media(), refusal(errors))
    }

    /// Credentials that are missing or wrong.
    pub fn denied(&self, error: &AuthError) -> Response<Body> {
        if self.profile == StatusProfile::Spec {
            return self.unauthorized(error);
        }
        log_denial(error);
        let error = error.to_error();
        match self.single {
            Media::Json(media) => {
                let status = self.profile.status(media, Outcome::Denied);
                self.json(status, media, errors::refusal(&[error]))
            }
            Media::Stream(media) => stream::refusal(self.state, media, vec![error]),
        }
    }

    /// The same where an answer with 200 would be taken for a success.
    pub fn unauthorized(&self, error: &AuthError) -> Response<Body> {
        log_denial(error);
        let status = if error.is_ours() { 503 } else { 401 };
        let mut response = self.json(status, self.media(), errors::refusal(&[error.to_error()]));
        let (name, value) = if error.is_ours() {
            (header::RETRY_AFTER, "1")
        } else {
            // A 401 must name a way to authenticate (RFC 9110, section 15.5.2).
            (header::WWW_AUTHENTICATE, self.state.auth.load().challenge())
        };
        response.headers_mut().insert(name, HeaderValue::from_static(value));
        response
    }

    /// Any other fault of a request.
    pub fn fault(&self, status: u16, code: ErrorCode, message: &str) -> Response<Body> {
        self.json(status, self.media(), errors::refusal(&[GraphQLError::new(code, message)]))
    }

    /// A request that is not well-formed. It has no place in a stream: nothing was asked.
    pub fn malformed(&self, error: &HttpError) -> Response<Body> {
        let body = errors::refusal(&[errors::malformed(error)]);
        let mut response = self.json(self.profile.error_status(error), self.media(), body);
        for (name, value) in error.headers() {
            response.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        response
    }

    fn json(&self, status: u16, media: JsonMedia, payload: Payload) -> Response<Body> {
        let label = self.profile.content_type(media, status);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        errors::json(status, label, payload)
    }
}

/// Why nobody was let in. The message names no value that a client sent.
fn log_denial(error: &AuthError) {
    let code = run::code_name(error.code());
    tracing::info!(code, reason = %error, "request refused: credentials are missing or wrong");
}

/// What a refusal with these errors means for the status.
fn refusal(errors: &[GraphQLError]) -> Outcome {
    match errors.first().map(|error| &error.extensions) {
        Some(at) if at.code == ErrorCode::ValidationFailed && at.path == "$.query" => {
            Outcome::SyntaxError
        }
        Some(at) => match at.code {
            ErrorCode::PermissionError | ErrorCode::AccessDenied => Outcome::Denied,
            ErrorCode::Unexpected | ErrorCode::PostgresError | ErrorCode::Timeout => {
                Outcome::InternalError
            }
            _ => Outcome::RequestError,
        },
        None => Outcome::InternalError,
    }
}
