//! Headers that go to a service.

use super::{
    super::{document::Cursor, report::Verdict, yaml::Yaml},
    context::Context,
    values,
};

/// Sets a header of a source to the value at a place. What a source sets already counts.
pub fn set(context: &mut Context, source: &str, graphql: &mut Yaml, name: &str, at: &Cursor<'_>) {
    let Some(text) = at.text() else {
        at.take();
        return;
    };
    let lower = name.to_ascii_lowercase();
    if http::HeaderName::try_from(lower.as_str()).is_err() {
        context.report.tell(Verdict::Missing, at, "it is no name of a header");
        return;
    }
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
