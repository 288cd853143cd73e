//! Headers that go to a service.

use artesian_gateway::identity::names::is_of_connection;

use super::{
    super::{document::Cursor, report::Verdict, yaml::Yaml},
    context::Context,
    values,
};

/// Lets the header with the client's credentials go to a service, unless the source sets that header.
pub fn forward_credentials(graphql: &mut Yaml, credentials: Option<&str>) {
    let Some(name) = credentials else { return };
    let set = graphql.get("headers").and_then(|headers| headers.get("set"));
    if set.is_none_or(|set| set.get(name).is_none()) {
        graphql.put(&["headers", "forward"], Yaml::texts([name]));
    }
}

/// Sets a header of a source to the value at a place. What a source sets already counts.
pub fn set(context: &mut Context, source: &str, graphql: &mut Yaml, name: &str, at: &Cursor<'_>) {
    let Some((lower, text)) = header(context, name, at) else { return };
    let set = graphql.get("headers").and_then(|headers| headers.get("set"));
    if set.is_some_and(|set| set.get(&lower).is_some()) {
        let text =
            format!("`{source}` sets this header to something else, which counts with Tyk too");
        context.report.tell(Verdict::Idle, at, text);
        return;
    }
    let Some(value) = values::header(context, at, source, name, text) else { return };
    let mut told = format!("`graphql.headers.set` of `{source}`");
    let verdict = match value.difference {
        None => Verdict::Mapped,
        Some(difference) => {
            told.push_str(": ");
            told.push_str(difference);
            Verdict::Differs
        }
    };
    context.report.tell(verdict, at, told);
    graphql.put(&["headers", "set", &lower], Yaml::Text(value.text));
}

/// A header that only the introspection has.
pub fn set_introspection(
    context: &mut Context,
    source: &str,
    graphql: &mut Yaml,
    name: &str,
    at: &Cursor<'_>,
) {
    let Some((lower, text)) = header(context, name, at) else { return };
    let variable = format!("{source}_introspection");
    let Some(value) = values::header(context, at, &variable, name, text) else { return };
    if value.text.contains("{{") {
        let text = format!(
            "the gateway asks `{source}` for its schema on its own behalf: no client is there"
        );
        context.report.tell(Verdict::Missing, at, text);
        return;
    }
    let text = format!("`graphql.headers.introspection` of `{source}`; requests do not get it");
    context.report.tell(Verdict::Mapped, at, text);
    graphql.put(&["headers", "introspection", &lower], Yaml::Text(value.text));
}

/// The name in small letters and the text of a header, if it can be set.
fn header<'a>(context: &mut Context, name: &str, at: &Cursor<'a>) -> Option<(String, &'a str)> {
    let Some(text) = at.text() else {
        at.take();
        return None;
    };
    let lower = name.to_ascii_lowercase();
    if let Some(why) = unfit(&lower) {
        context.report.tell(Verdict::Missing, at, why);
        return None;
    }
    Some((lower, text))
}

/// Why no header of this name can be set.
fn unfit(name: &str) -> Option<&'static str> {
    let Ok(header) = http::HeaderName::try_from(name) else {
        return Some("it is no name of a header");
    };
    if header == http::header::COOKIE {
        return Some(
            "cookies of clients are passed on by `graphql.headers.cookies`, and others not sent",
        );
    }
    is_of_connection(&header)
        .then_some("this header belongs to the connection or the message: it is set as it must be")
}

/// Sets every header of an object.
pub fn set_all(context: &mut Context, source: &str, graphql: &mut Yaml, at: &Cursor<'_>) {
    for (name, value) in at.members() {
        set(context, source, graphql, name, &value);
    }
}

/// Whether values refer to the request although Tyk does not fill such variables in.
pub fn tell_context(context: &mut Context, api: &Cursor<'_>) {
    let at = api.key("enable_context_vars");
    if at.is_on() {
        let text = "templates (`{{headers.…}}`, `{{claims.…}}`) are always filled in";
        context.report.tell(Verdict::Mapped, &at, text);
    }
}

/// The headers in which clients of a definition send their credentials.
pub fn credentials(api: &Cursor<'_>) -> String {
    let way = ["jwt", "authToken", "basic", "oauth", "oidc", "hmac", "coprocess"]
        .iter()
        .map(|way| api.at("auth_configs").key(way).key("auth_header_name"))
        .chain([api.at("auth.auth_header_name")])
        .find_map(|at| at.peek()?.as_str().filter(|name| !name.is_empty()));
    way.unwrap_or("authorization").to_ascii_lowercase()
}
