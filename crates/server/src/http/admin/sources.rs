//! `/v1/sources`: how the sources are, and reading schemas of services again.

use artesian_engine::ErrorCode;
use http::{Method, Response, StatusCode, request::Parts};
use serde::Serialize;

use super::{json, json_with, question, times::rfc3339, unclear};
use crate::{
    http::{body::Body, errors},
    server::State,
    sources::{Read, RefreshError, Refreshed, SchemaStatus, SourceStatus},
};

/// Answers the administrator.
pub(super) async fn answer(state: &State, parts: &Parts) -> Response<Body> {
    let Some(sources) = state.service.sources() else {
        return errors::unavailable("the server is starting: its sources have not been opened yet");
    };
    let query = parts.uri.query().unwrap_or_default();
    if parts.method != Method::POST {
        return match question::nothing(query) {
            Ok(()) => json(&List { sources: sources.list().await.iter().map(show).collect() }),
            Err(error) => unclear(&error),
        };
    }
    let name = match question::which_sources(query) {
        Ok(name) => name,
        Err(error) => return unclear(&error),
    };
    tracing::info!(source = name.as_deref(), "the administrator has schemas read again");
    match sources.refresh(name.as_deref()).await {
        Ok(all) => {
            let is_well =
                all.iter().all(|one| !matches!(one.read, Read::Failed(_) | Read::Refused(_)));
            let status = if is_well { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
            json_with(status, &Answers { sources: all.iter().map(tell).collect() })
        }
        Err(error) => {
            let (status, code) = match error {
                RefreshError::Unknown { .. } => (StatusCode::NOT_FOUND, ErrorCode::NotFound),
                RefreshError::NoService(_) => (StatusCode::BAD_REQUEST, ErrorCode::BadRequest),
            };
            errors::response(status, code, error.to_string())
        }
    }
}

#[derive(Serialize)]
struct List<'a> {
    sources: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    kind: &'static str,
    url: Option<&'a str>,
    state: &'static str,
    since: Option<String>,
    error: Option<&'a str>,
    schema: Option<Schema<'a>>,
}

#[derive(Serialize)]
struct Schema<'a> {
    digest: Option<&'a str>,
    file: Option<&'a str>,
    read: Option<String>,
    changed: Option<String>,
    refused: Option<&'a str>,
}

fn show(source: &SourceStatus) -> Shown<'_> {
    Shown {
        name: &source.name,
        kind: source.kind.as_str(),
        url: source.url.as_deref(),
        state: source.state,
        since: source.since.map(rfc3339),
        error: source.error.as_deref(),
        schema: source.schema.as_ref().map(show_schema),
    }
}

fn show_schema(schema: &SchemaStatus) -> Schema<'_> {
    Schema {
        digest: schema.digest.as_deref(),
        file: schema.file.as_deref(),
        read: schema.read.map(rfc3339),
        changed: schema.changed.map(rfc3339),
        refused: schema.refused.as_deref(),
    }
}

#[derive(Serialize)]
struct Answers<'a> {
    sources: Vec<Told<'a>>,
}

#[derive(Serialize)]
struct Told<'a> {
    name: &'a str,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

fn tell(one: &Refreshed) -> Told<'_> {
    let (result, changes, error) = match &one.read {
        Read::Unchanged => ("unchanged", None, None),
        Read::Joined => ("joined", None, None),
        Read::Changed(what) => ("changed", Some(&**what), None),
        Read::Failed(why) => ("failed", None, Some(&**why)),
        Read::Refused(why) => ("refused", None, Some(&**why)),
    };
    Told { name: &one.name, result, changes, error }
}
