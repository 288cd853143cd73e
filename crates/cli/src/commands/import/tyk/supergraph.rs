//! `supergraph`: federated services under one schema.

use super::{
    super::{report::Verdict, yaml::Yaml},
    classic::Api,
    context::Context,
    headers, upstream,
};

/// Directives and fields of schemas whose types several services share.
const SHARED: [&str; 5] = ["@key", "@external", "@requires", "@provides", "extend type"];

/// Adds a source for each subgraph.
pub fn read(context: &mut Context, api: &Api<'_>) {
    let supergraph = api.root.at("graphql.supergraph");
    let mut shares = false;
    for subgraph in supergraph.key("subgraphs").items() {
        let wanted = subgraph.key("name").text().unwrap_or(&api.name).to_owned();
        let name = context.source_name(&wanted);
        let (kind, posts) = (subgraph.key("subscription_type"), subgraph.key("sse_use_post"));
        let mut graphql = upstream::graphql(context, &name, &subgraph.key("url"), &kind, &posts);
        headers::set_all(context, &name, &mut graphql, &subgraph.key("headers"));
        // Those of the subgraph count before the global ones.
        headers::set_all(context, &name, &mut graphql, &supergraph.key("global_headers"));
        headers::forward_credentials(&mut graphql, api.credentials.as_deref());
        // A federated service's own fields are not for clients.
        graphql.put(&["fields", "exclude"], Yaml::texts(["Query._service", "Query._entities"]));
        let sdl = subgraph.key("sdl");
        if let Some(text) = sdl.text() {
            shares |= SHARED.iter().any(|part| text.contains(part));
            let text = format!("`{name}` is asked for its schema (introspection)");
            context.report.tell(Verdict::Differs, &sdl, text);
        }
        subgraph.key("api_id").take();
        let mut body = Yaml::map();
        body.put(&["graphql"], graphql);
        api.add(context, name, body);
    }
    let mode = api.root.at("graphql.execution_mode");
    if shares {
        context.report.tell(
            Verdict::Missing,
            &mode,
            "these services share types (`@key`, `extend type`), and no type is put together from \
             several services here: types of one name must be equal, or have a prefix (`prefix.types`). \
             Keep a federation router and add it as one source (`graphql.url`); subscriptions are then \
             shared and bounded here",
        );
    } else {
        let text = "a source for each subgraph; their root fields are merged";
        context.report.tell(Verdict::Mapped, &mode, text);
    }
    let merged = supergraph.key("merged_sdl");
    if merged.text().is_some() {
        let text = "one schema is made of those of the services, and again when they change";
        context.report.tell(Verdict::Idle, &merged, text);
    }
    let batching = supergraph.key("disable_query_batching");
    if batching.flag().is_some() {
        context.report.tell(Verdict::Idle, &batching, "there are no entities to fetch in batches");
    }
    for (_, at) in supergraph.key("global_headers").members() {
        at.take();
    }
}
