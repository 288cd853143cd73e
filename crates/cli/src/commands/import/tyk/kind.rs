//! Which of Tyk's documents a JSON document is.

use serde_json::Value as Json;

use super::super::document::{Cursor, Document};

/// A sort of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A classic API definition.
    Classic,
    /// An OpenAPI document with Tyk's extension.
    Oas,
    /// `tyk.conf`.
    Gateway,
    /// One policy or several.
    Policies,
    /// Something else.
    Unknown,
}

/// The definitions of a document: one, or those of a list; the Dashboard wraps them once more.
pub fn parts(document: &Document) -> Vec<(Kind, Cursor<'_>)> {
    let root = document.root();
    let many = [root.clone(), root.key("apis")].into_iter().find(|at| !at.items().is_empty());
    let parts = many.map_or_else(|| vec![root], |list| list.items());
    parts
        .into_iter()
        .map(|part| {
            let inner = part.key("api_definition");
            let part = if inner.peek().is_some_and(Json::is_object) { inner } else { part };
            (kind(&part), part)
        })
        .collect()
}

fn kind(root: &Cursor<'_>) -> Kind {
    let is_object = |at: &Cursor<'_>| at.peek().is_some_and(Json::is_object);
    let has = |key: &str| root.key(key).peek().is_some();
    if is_object(&root.key("x-tyk-api-gateway")) {
        Kind::Oas
    } else if is_object(&root.key("proxy")) || is_object(&root.key("graphql")) {
        Kind::Classic
    } else if is_object(&root.key("access_rights")) || are_policies(root) {
        Kind::Policies
    } else if is_object(&root.key("http_server_options"))
        || (has("listen_port") && (has("storage") || has("app_path") || has("secret")))
    {
        Kind::Gateway
    } else {
        Kind::Unknown
    }
}

/// `policies.json`: an object of policies by their ids.
fn are_policies(root: &Cursor<'_>) -> bool {
    let members = root.members();
    !members.is_empty()
        && members.iter().all(|(_, policy)| policy.key("access_rights").peek().is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_told_apart() {
        for (json, expected) in [
            (json!({"name": "a", "proxy": {}, "listen_port": 0}), Kind::Classic),
            (json!({"api_definition": {"graphql": {}}}), Kind::Classic),
            (json!([{"proxy": {}}]), Kind::Classic),
            (json!({"apis": [{"api_definition": {"proxy": {}}}]}), Kind::Classic),
            (json!({"openapi": "3.0.3", "x-tyk-api-gateway": {}}), Kind::Oas),
            (json!({"openapi": "3.0.3"}), Kind::Unknown),
            (json!({"http_server_options": {}}), Kind::Gateway),
            (json!({"listen_port": 8080, "secret": "x"}), Kind::Gateway),
            (json!({"default": {"access_rights": {}}}), Kind::Policies),
            (json!([{"access_rights": {}}]), Kind::Policies),
            (json!({}), Kind::Unknown),
            (json!([1]), Kind::Unknown),
            (json!("x"), Kind::Unknown),
        ] {
            let document = Document::new("x", json);
            let parts = parts(&document);
            assert_eq!(parts.len(), 1);
            assert_eq!(parts[0].0, expected, "{:?}", document.root().peek());
        }
    }
}
