//! A classic API definition.

use super::{
    super::{document::Cursor, report::Verdict, yaml::Yaml},
    access::{self, Access},
    context::{Context, Source},
    headers, proxy, shared, supergraph, udg, versions,
};

/// What a mode needs to know of its API.
pub struct Api<'a> {
    /// The definition.
    pub root: Cursor<'a>,
    /// The API's name.
    pub name: String,
    /// Who may call it.
    pub access: Access,
    /// The header in which clients send credentials, if services are to get it.
    pub credentials: Option<String>,
}

impl Api<'_> {
    /// Adds a source.
    pub fn add(&self, context: &mut Context, name: String, body: Yaml) {
        context.sources.push(Source { name, body, access: self.access.clone() });
    }
}

/// Reads a definition.
pub fn read(context: &mut Context, root: &Cursor<'_>) {
    let name = root.key("name").text().or(root.key("slug").text()).unwrap_or("tyk").to_owned();
    if let Some(why) = left_out(root) {
        root.take();
        context.report.tell(Verdict::Missing, root, format!("`{name}` is left out: {why}"));
        return;
    }
    let access = access::classic(context, root);
    for key in ["name", "slug"] {
        let at = root.key(key);
        if at.text().is_some() {
            context.report.tell(Verdict::Idle, &at, "sources are named after the API");
        }
    }
    let strip = root.key("strip_auth_data");
    let strips = strip.is_on();
    if strips {
        let text = "services do not get the client's credentials (`graphql.headers.forward`)";
        context.report.tell(Verdict::Mapped, &strip, text);
    }
    headers::tell_context(context, root);
    let credentials = (!strips && access != Access::Open).then(|| headers::credentials(root));
    let api = Api { root: root.clone(), name, access, credentials };
    let mode = root.at("graphql.execution_mode");
    let first = context.sources.len();
    match mode.text() {
        Some("executionEngine") => {
            context.report.tell(Verdict::Mapped, &mode, "a source for each data source");
            udg::read(context, &api);
        }
        Some("supergraph") => supergraph::read(context, &api),
        Some("subgraph") => {
            let text = "a source as for `proxyOnly`; a router that composes a supergraph asks the \
                        service itself";
            context.report.tell(Verdict::Differs, &mode, text);
            proxy::read(context, &api);
        }
        known => {
            if known.is_some_and(|mode| mode != "proxyOnly") {
                let text = "this mode is not known: taken for `proxyOnly`";
                context.report.tell(Verdict::Differs, &mode, text);
            } else if known.is_some() {
                context.report.tell(Verdict::Mapped, &mode, "one source");
            }
            proxy::read(context, &api);
        }
    }
    versions::read(context, root, first);
    whole(context, root);
}

/// Why nothing is made of a definition.
fn left_out(root: &Cursor<'_>) -> Option<&'static str> {
    if root.key("active").peek() == Some(&serde_json::Value::Bool(false)) {
        return Some("it is not active");
    }
    if root.key("internal").peek() == Some(&serde_json::Value::Bool(true)) {
        return Some(
            "it is internal, reached by other APIs only: those that are among the files lead to its \
             service",
        );
    }
    let is_graphql = root.at("graphql.enabled").peek() == Some(&serde_json::Value::Bool(true));
    (!is_graphql).then_some("it is no GraphQL API (`graphql.enabled`): keep it on Tyk, or proxy it")
}

/// What holds for the whole server.
fn whole(context: &mut Context, root: &Cursor<'_>) {
    root.at("graphql.enabled").take();
    let introspection = root.at("graphql.introspection.disabled");
    if introspection.is_on() {
        let text =
            "over WebSockets too, where Tyk forgets it; the administrator is refused as well";
        let value = Yaml::text("nobody");
        context.set(&introspection, "documents.introspection", value, Verdict::Mapped, text);
    }
    let playground = root.at("graphql.playground.enabled");
    if let Some(on) = playground.flag() {
        let text = "the console is at `/`, for all sources at once";
        context.set(&playground, "server.console", Yaml::Flag(on), Verdict::Differs, text);
    }
    let version = root.at("graphql.version");
    match version.text() {
        Some("2" | "3-preview") => {
            let text = "there is one engine; limits and permissions hold over WebSockets too";
            context.report.tell(Verdict::Idle, &version, text);
        }
        Some(_) => {
            let text = "Tyk refuses WebSockets with this version; here they are accepted unless \
                        `server.http_server_options.enable_websockets` is false";
            context.report.tell(Verdict::Differs, &version, text);
        }
        None => {}
    }
    let path = root.at("proxy.listen_path");
    if path.text().is_some() {
        let text =
            "clients call `/graphql` (also `/v1/graphql`); a proxy in front can rewrite the path";
        context.report.tell(Verdict::Differs, &path, text);
    }
    root.at("proxy.strip_listen_path").take();
    root.at("active").take();
    shared::cors(context, &shared::Cors::classic(&root.key("CORS")));
    let rate = root.key("global_rate_limit");
    if rate.key("disabled").is_on() {
        rate.take();
    } else {
        shared::rate(context, &rate.key("rate"), rate.key("per").positive());
    }
    let version_data = root.at("version_data.not_versioned");
    version_data.take();
}
