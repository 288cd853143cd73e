//! What browsers are told of other origins (Fetch, section 3.2).

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
        ORIGIN, VARY,
    },
};

use super::{CorsRules, Sender};
use crate::http::body::Body;

/// Headers about limits.
const TOLD: [&str; 3] = ["retry-after", "ratelimit", "ratelimit-policy"];

impl CorsRules {
    /// The answer to a preflight request for a path with these methods; `None` if the request is
    /// none.
    pub fn preflight<B>(
        &self,
        request: &Request<B>,
        methods: &'static str,
    ) -> Option<Response<Body>> {
        let headers = request.headers();
        let is_preflight = request.method() == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        self.dress(headers, response.headers_mut());
        if response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            let out = response.headers_mut();
            let methods = HeaderValue::from_static(methods);
            out.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            out.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
            if let Some(asked) = asked {
                out.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked);
                out.append(VARY, HeaderValue::from_static("access-control-request-headers"));
            }
        }
        Some(response)
    }

    /// Adds the headers that let a page of the asking origin read the response. Only a list lets it
    /// read answers to the user's cookies: Hasura does so with `*` too.
    pub fn dress(&self, request: &HeaderMap, response: &mut HeaderMap) {
        match self {
            Self::Disabled { .. } => {}
            Self::Default | Self::AllowAll => {
                response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
            Self::List(patterns) => {
                response.append(VARY, HeaderValue::from_static("origin"));
                let Some(origin) = request.get(ORIGIN) else { return };
                if Sender::of(request).is_among(patterns) {
                    response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                    let yes = HeaderValue::from_static("true");
                    response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
                }
            }
        }
        if response.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            expose_limits(response);
        }
    }
}

/// Browsers hide headers from pages of other origins unless they are named, and pages are to know when
/// to come back.
fn expose_limits(response: &mut HeaderMap) {
    let there: Vec<&str> = TOLD.into_iter().filter(|name| response.contains_key(*name)).collect();
    if there.is_empty() {
        return;
    }
    // Names of headers can always be a value.
    if let Ok(names) = HeaderValue::try_from(there.join(", ")) {
        response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names);
    }
}
