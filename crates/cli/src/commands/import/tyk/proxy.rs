//! `proxyOnly` and `subgraph`: one service behind the gateway, all headers of the client go through.

use super::{
    super::{report::Verdict, yaml::Yaml},
    classic::Api,
    context::Context,
    headers, schema, upstream,
};

/// Adds the source.
pub fn read(context: &mut Context, api: &Api<'_>) {
    let root = &api.root;
    let proxy = root.at("graphql.proxy");
    let name = context.source_name(&api.name);
    let kind = proxy.key("subscription_type");
    let mut graphql = upstream::graphql(
        context,
        &name,
        &root.at("proxy.target_url"),
        &kind,
        &proxy.key("sse_use_post"),
    );
    schema::write(context, &name, &mut graphql, &root.at("graphql.schema"));
    if api.credentials.is_some() || !root.key("strip_auth_data").is_on() {
        graphql.put(&["headers", "forward"], Yaml::text("*"));
        graphql.put(&["headers", "cookies"], Yaml::text("*"));
        let text = format!(
            "all headers and cookies of the client go to `{name}` (`graphql.headers`), as with Tyk; \
             name only those that it needs, and clients that differ in the others share subscriptions"
        );
        context.report.note(text);
    } else {
        let text = format!(
            "Tyk passes on every header but the credentials; here headers are named: list those that \
             `{name}` needs in `graphql.headers.forward`"
        );
        context.report.tell(Verdict::Missing, &root.key("strip_auth_data"), text);
    }
    rewrites(context, api, &name, &mut graphql);
    let immutable = proxy.at("features.use_immutable_headers").is_on();
    for (header, at) in proxy.key("request_headers").members() {
        headers::set(context, &name, &mut graphql, header, &at);
    }
    if proxy.key("request_headers").is_given() {
        let at = proxy.at("features.use_immutable_headers");
        let text = if immutable {
            "with Tyk the client's header counts before one of `request_headers`; what \
             `graphql.headers.set` says counts before the client's"
        } else {
            "Tyk sends both the client's header and that of `request_headers`; `graphql.headers.set` \
             replaces the client's"
        };
        context.report.tell(Verdict::Differs, &at, text);
    } else if immutable {
        let at = proxy.at("features.use_immutable_headers");
        context.report.tell(Verdict::Idle, &at, "there are no `request_headers`");
    }
    for (header, at) in proxy.key("auth_headers").members() {
        headers::set_introspection(context, &name, &mut graphql, header, &at);
    }
    let errors = proxy.at("use_response_extensions.on_error_forwarding");
    if errors.is_on() {
        context.report.tell(Verdict::Mapped, &errors, "extensions of errors are always passed on");
    }
    let mut body = Yaml::map();
    body.put(&["graphql"], graphql);
    api.add(context, name, body);
}

/// `request_headers_rewrite` (`applyRequestHeadersRewriteRules`).
fn rewrites(context: &mut Context, api: &Api<'_>, name: &str, graphql: &mut Yaml) {
    for (header, rule) in api.root.at("graphql.proxy.request_headers_rewrite").members() {
        if !rule.key("remove").is_on() {
            rule.key("remove").take();
            headers::set(context, name, graphql, header, &rule.key("value"));
            continue;
        }
        rule.take();
        let text = format!(
            "Tyk takes the header `{header}` away from requests; with `forward: \"*\"` it goes to \
             `{name}`. Name the headers to forward instead"
        );
        context.report.tell(Verdict::Missing, &rule, text);
    }
}
