//! Trusted documents: what clients may run is known beforehand.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use artesian_graphql::document::{Document, ParseLimits};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::hex;

/// What trusted documents are good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrustedMode {
    /// Nothing: they are not looked at.
    #[default]
    Off,
    /// They can be run by their names; all other documents can be run as well.
    Prefer,
    /// Nothing else runs, except for the administrator.
    Only,
}

/// Who may run a document where only trusted ones run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody.
    All,
    /// These roles.
    Roles(BTreeSet<String>),
}

/// Documents that are known beforehand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trusted {
    by_id: HashMap<Box<str>, Arc<str>>,
    /// By the document's normal form.
    scopes: HashMap<String, Scope>,
}

/// Documents that cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustedError {
    /// Not JSON.
    #[error("this is not JSON: {0}")]
    Json(String),
    /// JSON of no known form.
    #[error(
        "expected an object of names and documents ({{\"hash\": \"query …\"}}), or Apollo's manifest \
         ({{\"format\": \"apollo-persisted-query-manifest\", \"operations\": [{{\"id\": …, \"body\": \
         …}}]}})"
    )]
    Form,
    /// A document that does not parse.
    #[error("the document {id}: {message}")]
    Document {
        /// Its name.
        id: String,
        /// What is wrong with it.
        message: String,
    },
    /// One name, two documents.
    #[error("{0} is the name of two different documents")]
    Twice(String),
}

/// Generous: whoever writes the file may also set the limits that hold when a document is run.
const LIMITS: ParseLimits = ParseLimits { max_tokens: 1_000_000, max_depth: 125 };

impl Trusted {
    /// Adds the documents of a file: an object of names and texts, as Relay and others write it, or
    /// the manifest of Apollo's tools.
    pub fn add_manifest(&mut self, text: &str) -> Result<(), TrustedError> {
        let json: Json =
            serde_json::from_str(text).map_err(|error| TrustedError::Json(error.to_string()))?;
        let object = json.as_object().ok_or(TrustedError::Form)?;
        if object.get("format").is_some_and(Json::is_string) {
            if object.get("format").and_then(Json::as_str) != Some(APOLLO) {
                return Err(TrustedError::Form);
            }
            let operations = object.get("operations").and_then(Json::as_array);
            for operation in operations.ok_or(TrustedError::Form)? {
                let text = |key: &str| operation.get(key).and_then(Json::as_str);
                let (Some(id), Some(body)) = (text("id"), text("body")) else {
                    return Err(TrustedError::Form);
                };
                self.add(Some(id), body, &Scope::All)?;
            }
            return Ok(());
        }
        for (id, body) in object {
            self.add(Some(id), body.as_str().ok_or(TrustedError::Form)?, &Scope::All)?;
        }
        Ok(())
    }

    /// Adds a document. It can be asked for by this name, and by the SHA-256 of its text.
    pub fn add(&mut self, id: Option<&str>, text: &str, scope: &Scope) -> Result<(), TrustedError> {
        let hash = hex(&Sha256::digest(text).into());
        let document = Document::parse(text, LIMITS).map_err(|error| TrustedError::Document {
            id: id.unwrap_or(&hash).to_owned(),
            message: error.message,
        })?;
        let text: Arc<str> = text.into();
        for name in id.into_iter().chain([hash.as_str()]) {
            let old = self.by_id.insert(name.into(), Arc::clone(&text));
            if old.is_some_and(|old| old != text) {
                return Err(TrustedError::Twice(name.to_owned()));
            }
        }
        let merged = match (self.scopes.remove(&document.normal()), scope) {
            (Some(Scope::All), _) | (_, Scope::All) => Scope::All,
            (Some(Scope::Roles(mut roles)), Scope::Roles(more)) => {
                roles.extend(more.iter().cloned());
                Scope::Roles(roles)
            }
            (None, Scope::Roles(roles)) => Scope::Roles(roles.clone()),
        };
        self.scopes.insert(document.normal(), merged);
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.scopes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty()
    }

    /// The document of that name.
    pub(super) fn find(&self, id: &str) -> Option<&Arc<str>> {
        let bare = id.strip_prefix("sha256:").unwrap_or(id);
        self.by_id
            .get(id)
            .or_else(|| self.by_id.get(bare))
            .or_else(|| self.by_id.get(&*bare.to_ascii_lowercase()))
    }

    /// Whether a role may run a document. White space, comments, and `__typename` that a client's
    /// library has added make no difference.
    pub(crate) fn allows(&self, document: &Document, role: &str) -> bool {
        match self.scopes.get(&document.normal()) {
            None => false,
            Some(Scope::All) => true,
            Some(Scope::Roles(roles)) => roles.contains(role),
        }
    }
}

/// `format` of Apollo's manifest.
const APOLLO: &str = "apollo-persisted-query-manifest";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn document(text: &str) -> Document {
        Document::parse(text, ParseLimits::default()).unwrap()
    }

    #[test]
    fn files_of_both_kinds() {
        let mut trusted = Trusted::default();
        trusted.add_manifest(r#"{"one": "{ a }"}"#).unwrap();
        trusted
            .add_manifest(
                r#"{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [
                    {"id": "two", "name": "B", "type": "query", "body": "query B { b }"}]}"#,
            )
            .unwrap();
        assert_eq!(trusted.len(), 2);
        assert!(trusted.find("one").is_some() && trusted.find("three").is_none());
        let hash = hex(&Sha256::digest("{ a }").into());
        for name in [hash.clone(), hash.to_uppercase(), format!("sha256:{hash}")] {
            assert_eq!(trusted.find(&name).map(|text| &**text), Some("{ a }"));
        }
        for (text, expected) in [
            ("[]", "expected an object"),
            ("{", "not JSON"),
            (r#"{"a": 1}"#, "expected an object"),
            (r#"{"format": "other", "operations": []}"#, "expected an object"),
            (r#"{"a": "{ a"}"#, "the document a: not a valid graphql query"),
            (r#"{"one": "{ z }"}"#, "one is the name of two"),
        ] {
            let error = trusted.clone().add_manifest(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn what_makes_no_difference() {
        let mut trusted = Trusted::default();
        trusted
            .add(
                None,
                "query Q($n: Int) { a(n: $n) { b c } ...F } fragment F on q { d }",
                &Scope::All,
            )
            .unwrap();
        let role = Scope::Roles(["user".to_owned()].into());
        trusted.add(None, "{ mine }", &role).unwrap();
        for (text, is_allowed) in [
            ("query Q($n: Int) { a(n: $n) { b, c } ...F }\n# told\nfragment F on q { d }", true),
            (
                "query Q($n: Int) { __typename a(n: $n) { b c __typename } ...F } fragment F on q { d __typename }",
                true,
            ),
            (
                "query Q($n: Int) { a(n: $n) { b c x: __typename } ...F } fragment F on q { d }",
                false,
            ),
            ("query Q($n: Int) { a(n: $n) { c b } ...F } fragment F on q { d }", false),
            ("query Q($n: Int) { a(n: 1) { b c } ...F } fragment F on q { d }", false),
            (
                "query Q($n: Int) { a(n: $n) { b c } ...F } fragment F on q { d } query R { e }",
                false,
            ),
            ("{ mine }", true),
            ("{ mine yours }", false),
        ] {
            assert_eq!(trusted.allows(&document(text), "user"), is_allowed, "{text}");
        }
        assert!(!trusted.allows(&document("{ mine }"), "other"));
        let other = Scope::Roles(["other".to_owned()].into());
        trusted.add(None, "{mine}", &other).unwrap();
        assert!(trusted.allows(&document("{ mine }"), "other"));
        assert!(trusted.allows(&document("{ mine }"), "user"));
    }
}
