//! An OpenAPI document with `x-tyk-api-gateway`. It has no part about GraphQL, so it carries over where
//! the service is and who may call it.

use serde_json::Value as Json;

use super::{
    super::{document::Cursor, report::Verdict, yaml::Yaml},
    access::{self, Access},
    classic::Api,
    context::Context,
    headers,
    jwt::{self, Fields, Issuer, Places},
    shared, upstream, versions,
};

/// Reads a definition.
pub fn read(context: &mut Context, document: &Cursor<'_>) {
    for key in ["openapi", "info", "paths", "servers", "tags", "externalDocs"] {
        document.key(key).take();
    }
    let tyk = document.key("x-tyk-api-gateway");
    let info = tyk.key("info");
    let name = info.key("name").text().unwrap_or("tyk").to_owned();
    if info.at("state.active").peek() == Some(&Json::Bool(false)) {
        tyk.take();
        let text = format!("`{name}` is left out: it is not active");
        context.report.tell(Verdict::Missing, &tyk, text);
        return;
    }
    info.at("state.active").take();
    let authentication = tyk.at("server.authentication");
    let access = access(context, document, &authentication);
    let strip = authentication.key("stripAuthorizationData");
    let strips = strip.is_on();
    if strips {
        let text = "services do not get the client's credentials (`graphql.headers.forward`)";
        context.report.tell(Verdict::Mapped, &strip, text);
    }
    let credentials = (!strips && access != Access::Open).then(|| "authorization".to_owned());
    let api = Api { root: document.clone(), name, access, credentials };
    source(context, &api, &tyk);
    whole(context, &tyk);
}

fn source(context: &mut Context, api: &Api<'_>, tyk: &Cursor<'_>) {
    let name = context.source_name(&api.name);
    let url = tyk.at("upstream.url");
    let mut graphql = upstream::at(context, &name, &url);
    let text = format!(
        "`{name}` is made of an OAS definition, which does not say that its service speaks GraphQL: take \
         the source away if it does not. How it is subscribed to is found out (`protocol: auto`)"
    );
    context.report.tell(Verdict::Differs, &url, text);
    if api.credentials.is_some() {
        graphql.put(&["headers", "forward"], Yaml::text("*"));
        graphql.put(&["headers", "cookies"], Yaml::text("*"));
    }
    let global = tyk.at("middleware.global");
    let transform = global.key("transformRequestHeaders");
    if transform.key("enabled").is_on() {
        for header in transform.key("add").items() {
            if let Some(key) = header.key("name").text() {
                headers::set(context, &name, &mut graphql, key, &header.key("value"));
            }
        }
        let removed = transform.key("remove");
        if !removed.texts().is_empty() {
            let text =
                "headers are named that go to services: list those in `graphql.headers.forward`";
            context.report.tell(Verdict::Missing, &removed, text);
        }
    }
    let first = context.sources.len();
    let mut body = Yaml::map();
    body.put(&["graphql"], graphql);
    api.add(context, name, body);
    let time = tyk.at("upstream.enforceTimeout");
    if time.key("enabled").is_on() {
        versions::timeout(context, &time.key("duration"), first);
    }
}

fn whole(context: &mut Context, tyk: &Cursor<'_>) {
    let path = tyk.at("server.listenPath.value");
    if path.text().is_some() {
        let text =
            "clients call `/graphql` (also `/v1/graphql`); a proxy in front can rewrite the path";
        context.report.tell(Verdict::Differs, &path, text);
    }
    tyk.at("server.listenPath.strip").take();
    let global = tyk.at("middleware.global");
    shared::cors(context, &shared::Cors::oas(&global.key("cors")));
    let variables = global.at("contextVariables.enabled");
    if variables.is_on() {
        let text = "templates (`{{headers.…}}`, `{{claims.…}}`) are always filled in";
        context.report.tell(Verdict::Mapped, &variables, text);
    }
    let size = global.key("requestSizeLimit");
    if size.key("enabled").is_on() {
        shared::body(context, &size.key("value"));
    }
    let rate = tyk.at("upstream.rateLimit");
    if rate.key("enabled").is_on() {
        let seconds = rate.key("per").text().and_then(versions::duration);
        shared::rate(context, &rate.key("rate"), seconds.map(|millis| millis as f64 / 1000.0));
    }
}

/// What kind of scheme a name stands for (`components.securitySchemes`).
enum Scheme {
    Jwt,
    Other(&'static str),
}

fn access(context: &mut Context, document: &Cursor<'_>, at: &Cursor<'_>) -> Access {
    let enabled = at.key("enabled");
    if !enabled.is_on() {
        enabled.take();
        access::tell_open(context, &enabled);
        return Access::Open;
    }
    let (mut issuers, mut kept) = (Vec::new(), false);
    for (name, scheme) in at.key("securitySchemes").members() {
        let declared = document.at("components.securitySchemes").key(name);
        declared.take();
        // A token may leave it out.
        if scheme.key("enabled").flag() == Some(false) {
            scheme.take();
            continue;
        }
        match kind(&declared, &scheme) {
            Scheme::Jwt => issuers.extend(tokens(context, &scheme)),
            Scheme::Other(text) => {
                scheme.take();
                kept = true;
                context.report.tell(Verdict::Missing, &scheme, text);
            }
        }
    }
    for (key, text) in [
        (
            "hmac",
            "signed requests (HMAC) are not checked: use tokens, or end them in a proxy in front",
        ),
        ("oidc", "configure each provider under `auth.jwt` (`jwk_url`, `issuer`, `audience`)"),
        ("custom", "the plugin becomes a webhook: the same question over HTTP (`auth.webhook`)"),
    ] {
        let way = at.key(key);
        if way.key("enabled").is_on() {
            way.take();
            kept = true;
            context.report.tell(Verdict::Missing, &way, text);
        }
    }
    access::decide(context, &enabled, issuers, kept)
}

fn kind(declared: &Cursor<'_>, scheme: &Cursor<'_>) -> Scheme {
    let text = |key: &str| {
        let value = declared.key(key).peek().and_then(Json::as_str).unwrap_or_default();
        value.to_ascii_lowercase()
    };
    let has = |key: &str| scheme.key(key).is_given();
    match (text("type").as_str(), text("scheme").as_str()) {
        ("http", "bearer") => Scheme::Jwt,
        _ if has("source") || has("jwksURIs") || has("signingMethod") => Scheme::Jwt,
        ("http", "basic") => Scheme::Other(
            "names and passwords are in Tyk's store: write a webhook that checks `Authorization: Basic`",
        ),
        ("oauth2", _) => Scheme::Other(
            "let an identity provider issue JSON Web Tokens and configure `auth.jwt`, or write a webhook",
        ),
        _ => Scheme::Other(
            "Tyk keeps the keys. Services that call on their own behalf send the admin secret \
             (`x-hasura-admin-secret`); for keys of clients write a webhook that knows them and answers \
             with `X-Hasura-Role: client` (`auth.webhook`, docs/authentication.md)",
        ),
    }
}

fn tokens(context: &mut Context, scheme: &Cursor<'_>) -> Vec<Issuer> {
    let query = scheme.at("query.enabled");
    if query.is_on() {
        scheme.at("query.name").take();
        let text = "credentials are not taken from the URL, where logs have them: on a WebSocket send \
                    them in the payload of `connection_init`, otherwise in a header";
        context.report.tell(Verdict::Missing, &query, text);
    }
    let header = scheme.key("header");
    let no_header = header.peek().is_some() && !header.key("enabled").is_on();
    let cookie = scheme.at("cookie.enabled").is_on();
    let mut user = scheme.key("subjectClaims").items();
    user.push(scheme.key("identityBaseField"));
    let fields = Fields {
        method: scheme.key("signingMethod"),
        source: scheme.key("source"),
        urls: scheme.key("jwksURIs"),
        user,
        skews: ["issuedAt", "expiresAt", "notBefore"]
            .map(|of| scheme.key(&format!("{of}ValidationSkew"))),
        places: Places {
            header: header.key("name"),
            no_header,
            cookie: cookie.then(|| scheme.at("cookie.name")),
        },
        issuers: scheme.key("allowedIssuers"),
        audiences: scheme.key("allowedAudiences"),
    };
    jwt::issuers(context, &fields)
}
