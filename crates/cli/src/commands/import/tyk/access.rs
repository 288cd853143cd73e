//! Who may call an API: Tyk's ways of authentication.

use super::{
    super::{document::Cursor, report::Verdict, yaml::Yaml},
    context::Context,
    jwt::{self, Issuer},
};

/// Who may see the sources of an API.
#[derive(Clone, Debug, PartialEq)]
pub enum Access {
    /// Everybody.
    Open,
    /// Whoever has a token of one of these issuers.
    Tokens(Vec<Issuer>),
    /// Nobody but the administrator, until somebody says who is who: Tyk kept the keys itself.
    Keys,
}

/// The role that the webhook is to give to clients with a key.
pub const KEYS_ROLE: &str = "client";

/// A way of authentication that Tyk does by itself.
struct Kept {
    switch: &'static str,
    also: &'static [&'static str],
    what: &'static str,
}

/// The switches of a classic definition, with the fields that say more of each.
const KEPT: [Kept; 9] = [
    Kept {
        switch: "use_standard_auth",
        also: &["auth", "auth_configs.authToken"],
        what: "Tyk keeps the keys. Services that call on their own behalf send the admin secret \
               (`x-hasura-admin-secret`); for keys of clients write a webhook that knows them and \
               answers with `X-Hasura-Role: client` (`auth.webhook`, docs/authentication.md)",
    },
    Kept {
        switch: "use_basic_auth",
        also: &["basic_auth", "auth_configs.basic"],
        what: "names and passwords are in Tyk's store: write a webhook that checks `Authorization: Basic`",
    },
    Kept {
        switch: "enable_signature_checking",
        also: &["hmac_allowed_clock_skew", "hmac_allowed_algorithms", "auth_configs.hmac"],
        what: "signed requests (HMAC) are not checked: use tokens, or end them in a proxy in front",
    },
    Kept {
        switch: "use_oauth2",
        also: &["oauth_meta", "notifications", "auth_configs.oauth"],
        what: "Tyk issues the tokens itself: let an identity provider issue JSON Web Tokens and \
               configure `auth.jwt`, or write a webhook",
    },
    Kept {
        switch: "external_oauth.enabled",
        also: &["external_oauth", "auth_configs.externalOAuth"],
        what: "configure the provider's keys under `auth.jwt` (`jwk_url`, `issuer`, `audience`); \
               tokens that must be asked about (introspection) need a webhook",
    },
    Kept {
        switch: "use_openid",
        also: &["openid_options", "auth_configs.oidc"],
        what: "configure each provider under `auth.jwt`: `jwk_url` is `jwks_uri` of \
               ISSUER/.well-known/openid-configuration, `issuer` and `audience` (the client ids) as here",
    },
    Kept {
        switch: "use_mutual_tls_auth",
        also: &["client_certificates"],
        what: "certificates of clients are not asked for: end TLS in a proxy in front that checks them",
    },
    Kept {
        switch: "custom_plugin_auth_enabled",
        also: &["use_go_plugin_auth", "enable_coprocess_auth", "auth_configs.coprocess"],
        what: "the plugin becomes a webhook: the same question over HTTP (`auth.webhook`)",
    },
    Kept {
        switch: "auth_configs.authToken.use_certificate",
        also: &[],
        what: "certificates of clients are not asked for: end TLS in a proxy in front that checks them",
    },
];

/// Reads the ways of authentication of a classic definition.
pub fn classic(context: &mut Context, api: &Cursor<'_>) -> Access {
    let open = api.key("use_keyless");
    if open.is_on() {
        tell_open(context, &open);
        return Access::Open;
    }
    let mut kept = false;
    for way in &KEPT {
        let at = api.at(way.switch);
        if !at.is_on() {
            continue;
        }
        kept = true;
        context.report.tell(Verdict::Missing, &at, way.what);
        tell_places(context, &api.at("auth"));
        for path in way.also {
            let part = api.at(path);
            if part.is_given() {
                part.take();
                let text = format!("it is about `{}`: see there", way.switch);
                context.report.tell(Verdict::Missing, &part, text);
            }
        }
    }
    let on = api.key("enable_jwt");
    let issuers = if on.is_on() { jwt::classic(context, api) } else { Vec::new() };
    let base = api.key("base_identity_provided_by");
    if kept && base.text().is_some() {
        let text =
            "Tyk asks for several credentials at once here; one way of authentication counts";
        context.report.tell(Verdict::Missing, &base, text);
    }
    decide(context, &on, issuers, kept)
}

/// Which of them counts. Nothing is opened by mistake: what is not understood stays closed.
pub fn decide(context: &mut Context, at: &Cursor<'_>, issuers: Vec<Issuer>, kept: bool) -> Access {
    if issuers.is_empty() {
        if !kept {
            let text = "no way of authentication that can be carried over: only the admin secret lets \
                        clients in";
            context.report.tell(Verdict::Missing, at, text);
        }
        return Access::Keys;
    }
    let roles = "every token that verifies has one role, since Tyk's policies say what it may and no \
                 claim does; map `x-hasura-allowed-roles` to a claim if tokens have one";
    context.report.tell(Verdict::Differs, at, format!("`auth.jwt`: {roles}"));
    Access::Tokens(issuers)
}

/// Tells that everybody may call an API.
pub fn tell_open(context: &mut Context, at: &Cursor<'_>) {
    let text = "`auth.unauthorized_role: anonymous`; the administrator needs the admin secret";
    context.report.tell(Verdict::Mapped, at, text);
}

/// Tokens in parameters of the URL end up in logs, so there is no such place here.
pub fn tell_places(context: &mut Context, at: &Cursor<'_>) {
    let place = at.key("use_param");
    if place.is_on() {
        at.key("param_name").take();
        let text = "credentials are not taken from the URL, where logs have them: on a WebSocket send \
                    them in the payload of `connection_init`, otherwise in a header";
        context.report.tell(Verdict::Missing, &place, text);
    }
}

/// The setting that lets only the role of keys see a source.
pub fn permission(role: &str) -> Yaml {
    let members =
        vec![("role".to_owned(), Yaml::text(role)), ("include".to_owned(), Yaml::texts(["*"]))];
    Yaml::List(vec![Yaml::Map(members)])
}
