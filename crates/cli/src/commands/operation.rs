//! The operation that `query`, `subscribe` and `explain` are given.

use std::{collections::BTreeMap, io::Read, path::Path};

use artesian_engine::{GraphQLError, Identity, Request, identity::ADMIN_ROLE};
use clap::ArgMatches;
use serde_json::{Map, Value as Json};

use crate::{args, error::CliError, output};

/// An operation with who asks for it.
pub struct Asked {
    /// The document.
    pub document: String,
    /// Values of the variables.
    pub variables: Map<String, Json>,
    /// Which operation of the document.
    pub operation_name: Option<String>,
    /// Headers, the role and the admin secret among them.
    pub headers: Vec<(String, String)>,
}

impl Asked {
    /// What the arguments say.
    pub fn new(matches: &ArgMatches) -> Result<Self, CliError> {
        let document = read(args::document(matches))?;
        let variables = match args::text(matches, "variables") {
            Some(text) => object("--variables", &read(text)?)?,
            None => Map::new(),
        };
        let mut headers = Vec::new();
        let given = matches.get_many::<String>("header").into_iter().flatten();
        for header in given {
            headers.push(split_header(header)?);
        }
        if let Some(role) = args::text(matches, "role") {
            headers.push(("x-hasura-role".to_owned(), role.to_owned()));
        }
        if let Ok(Some(secret)) = matches.try_get_one::<String>("admin-secret") {
            headers.push(("x-hasura-admin-secret".to_owned(), secret.clone()));
        }
        let operation_name = args::text(matches, "operation-name").map(str::to_owned);
        Ok(Self { document, variables, operation_name, headers })
    }

    /// The same for the engine.
    pub fn request(&self) -> Request {
        Request {
            document_id: None,
            query: self.document.as_str().into(),
            operation_name: self.operation_name.clone(),
            variables: self.variables.clone(),
            extensions: Map::new(),
        }
    }

    /// The same as the body of a request to a server.
    pub fn body(&self) -> Json {
        let mut body = Map::new();
        body.insert("query".to_owned(), Json::String(self.document.clone()));
        if !self.variables.is_empty() {
            body.insert("variables".to_owned(), Json::Object(self.variables.clone()));
        }
        if let Some(name) = &self.operation_name {
            body.insert("operationName".to_owned(), Json::String(name.clone()));
        }
        Json::Object(body)
    }

    /// Who asks, as the server would see it by these headers.
    pub fn identity(&self) -> Identity {
        let mut session: BTreeMap<String, String> = self
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .filter(|(name, _)| name.starts_with("x-hasura-"))
            .collect();
        session.remove("x-hasura-admin-secret");
        let role = session.remove("x-hasura-role").unwrap_or_else(|| ADMIN_ROLE.to_owned());
        Identity::new(&role, session)
    }
}

/// A text, the content of `@file`, or standard input for `-`.
fn read(argument: &str) -> Result<String, CliError> {
    if argument == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| CliError::Failed(format!("standard input: {error}")))?;
        return Ok(text);
    }
    match argument.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(Path::new(path))
            .map_err(|error| CliError::Usage(format!("the file {path} cannot be read: {error}"))),
        None => Ok(argument.to_owned()),
    }
}

/// A JSON object given as an argument.
pub fn object(flag: &str, text: &str) -> Result<Map<String, Json>, CliError> {
    match serde_json::from_str(text) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err(CliError::Usage(format!("{flag} must be a JSON object: {{\"id\": 7}}"))),
        Err(error) => Err(CliError::Usage(format!("{flag} is not JSON: {error}"))),
    }
}

fn split_header(header: &str) -> Result<(String, String), CliError> {
    // The value can be a secret, so it is never repeated.
    let bad = |name: &str| CliError::Usage(format!("--header {name}: write 'Name: value'"));
    let (name, value) = header.split_once(':').ok_or_else(|| bad("…"))?;
    let (name, value) = (name.trim(), value.trim());
    let is_good =
        http::HeaderName::try_from(name).is_ok() && http::HeaderValue::from_str(value).is_ok();
    if is_good { Ok((name.to_owned(), value.to_owned())) } else { Err(bad(name)) }
}

/// Tells errors on standard error, and the places they speak of.
pub fn tell_errors(errors: &[GraphQLError]) {
    for error in errors {
        let extensions = &error.extensions;
        let code = serde_json::to_value(extensions.code).unwrap_or(Json::Null);
        let code = code.as_str().unwrap_or("error").to_owned();
        output::note(&format!("{code} at {}: {}", extensions.path, error.message));
        if let Some(internal) = &extensions.internal {
            output::note(&format!("  {internal}"));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn headers_are_split_and_their_values_never_shown() {
        let header = |text| split_header(text);
        let pair = header("Authorization:  Bearer a:b ").unwrap();
        assert_eq!(pair, ("Authorization".to_owned(), "Bearer a:b".to_owned()));
        for bad in ["hush", "na me: hush", ": hush", "name: hu\nsh"] {
            let message = header(bad).unwrap_err().to_string();
            assert!(!message.contains("hush") && message.contains("Name: value"), "{message}");
        }
    }

    #[test]
    fn only_session_variables_make_an_identity() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let asked = Asked {
            document: String::new(),
            variables: Map::new(),
            operation_name: None,
            headers: vec![
                pair("X-Hasura-User-Id", "7"),
                pair("Cookie", "a"),
                pair("x-hasura-admin-secret", "hush"),
                pair("x-hasura-role", "user"),
            ],
        };
        let identity = asked.identity();
        assert_eq!(&*identity.role, "user");
        let names: Vec<&str> = identity.session.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["x-hasura-role", "x-hasura-user-id"]);
    }

    #[test]
    fn variables_must_be_an_object() {
        assert!(object("--variables", "{\"a\": 1}").is_ok());
        let message = |text| object("--variables", text).unwrap_err().to_string();
        assert!(message("[1]").contains("must be a JSON object"));
        assert!(message("{a: 1}").contains("is not JSON"));
    }
}
