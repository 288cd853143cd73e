//! Tokens: where the keys are, what is checked, and who they stand for.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    super::{
        document::Cursor,
        report::Verdict,
        yaml::{Yaml, literal},
    },
    access,
    context::Context,
    values,
};

/// The shortest secret of HS256 that is accepted, in bytes (RFC 7518, section 3.2).
const SHORTEST_SECRET: usize = 32;

/// One issuer: its members in `auth.jwt`, but for the role.
#[derive(Clone, Debug, PartialEq)]
pub struct Issuer {
    members: Vec<(String, Yaml)>,
    /// The path of the claim that names the user.
    user: String,
}

impl Issuer {
    /// All members; whoever has a token has this role.
    pub fn yaml(&self, role: &str) -> Yaml {
        let mut yaml = Yaml::Map(self.members.clone());
        yaml.put(&["claims_map", "x-hasura-default-role"], Yaml::text(role));
        yaml.put(&["claims_map", "x-hasura-allowed-roles"], Yaml::texts([role]));
        yaml.put(&["claims_map", "x-hasura-user-id", "path"], Yaml::text(self.user.clone()));
        yaml
    }
}

/// The places of one definition that say how tokens are verified: classic and OAS have the same fields
/// under different names.
pub struct Fields<'a> {
    /// `rsa`, `hmac` or `ecdsa`.
    pub method: Cursor<'a>,
    /// The key or where it is.
    pub source: Cursor<'a>,
    /// Objects with `url`.
    pub urls: Cursor<'a>,
    /// Names of the claim that is the user, the first that is there.
    pub user: Vec<Cursor<'a>>,
    /// Seconds by which clocks may differ.
    pub skews: [Cursor<'a>; 3],
    /// Where the token is.
    pub places: Places<'a>,
    /// Who may have issued it.
    pub issuers: Cursor<'a>,
    /// For whom it may be.
    pub audiences: Cursor<'a>,
}

/// Where a token is.
pub struct Places<'a> {
    /// The name of a header.
    pub header: Cursor<'a>,
    /// Whether headers do not count.
    pub no_header: bool,
    /// The name of a cookie that counts.
    pub cookie: Option<Cursor<'a>>,
}

/// Reads a classic definition.
pub fn classic(context: &mut Context, api: &Cursor<'_>) -> Vec<Issuer> {
    let configured = api.at("auth_configs.jwt");
    // Definitions from before there were several ways have it here (`propagateAuthHeaders`).
    let place = if configured.is_given() { configured } else { api.key("auth") };
    access::tell_places(context, &place);
    let use_cookie = place.key("use_cookie").is_on();
    let fields = Fields {
        method: api.key("jwt_signing_method"),
        source: api.key("jwt_source"),
        urls: api.key("jwt_jwks_uris"),
        user: vec![api.key("jwt_identity_base_field")],
        skews: ["issued_at", "expires_at", "not_before"]
            .map(|of| api.key(&format!("jwt_{of}_validation_skew"))),
        places: Places {
            header: place.key("auth_header_name"),
            no_header: place.key("disable_header").is_on(),
            cookie: use_cookie.then(|| place.key("cookie_name")),
        },
        issuers: api.key("jwt_allowed_issuers"),
        audiences: api.key("jwt_allowed_audiences"),
    };
    issuers(context, &fields)
}

/// Makes the issuers: one for each key and each place.
pub fn issuers(context: &mut Context, fields: &Fields<'_>) -> Vec<Issuer> {
    let keys = keys(context, fields);
    let checks = checks(context, fields);
    let places = places(context, &fields.places);
    let user = user(context, &fields.user);
    let mut issuers = Vec::new();
    for key in &keys {
        for check in &checks {
            for place in &places {
                let members = [key.clone(), check.clone(), place.clone()].concat();
                issuers.push(Issuer { members, user: user.clone() });
            }
        }
    }
    issuers
}

type Members = Vec<(String, Yaml)>;

fn member(name: &str, value: Yaml) -> (String, Yaml) {
    (name.to_owned(), value)
}

fn keys(context: &mut Context, fields: &Fields<'_>) -> Vec<Members> {
    let mut keys = Vec::new();
    for uri in fields.urls.items() {
        let at = uri.key("url");
        let Some(url) = at.text() else { continue };
        let text = "`auth.jwt` `jwk_url`";
        if let Some(url) = key_set(context, &at, url) {
            context.report.tell(Verdict::Mapped, &at, text);
            keys.push(vec![member("jwk_url", url)]);
        }
        let cache = uri.key(if uri.key("cacheTimeout").peek().is_some() {
            "cacheTimeout"
        } else {
            "cache_timeout"
        });
        if cache.is_given() {
            cache.take();
            let text = "how long keys are good is for the provider to say (`Cache-Control`)";
            context.report.tell(Verdict::Idle, &cache, text);
        }
    }
    let at = &fields.source;
    let Some(source) = at.text() else {
        if keys.is_empty() {
            let text = "each key of Tyk's has a secret of its own, in Tyk's store: one issuer needs one \
                        key. Configure `auth.jwt` with `jwk_url`, or `type` and `key`";
            context.report.tell(Verdict::Missing, at, text);
        }
        if fields.method.text().is_some() {
            let text = "the keys of a set say for which algorithms they are";
            context.report.tell(Verdict::Mapped, &fields.method, text);
        }
        return keys;
    };
    keys.extend(source_key(context, fields, source));
    keys
}

/// `jwt_source`: a URL, the same in base64, or a key in base64 (`getSecretToVerifySignature`).
fn source_key(context: &mut Context, fields: &Fields<'_>, source: &str) -> Option<Members> {
    let at = &fields.source;
    let method = fields.method.text().unwrap_or("hmac");
    let is_url = |text: &str| text.starts_with("http://") || text.starts_with("https://");
    let decoded = STANDARD.decode(source).ok();
    let text = decoded.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::trim);
    if let Some(url) = [Some(source), text].into_iter().flatten().find(|text| is_url(text)) {
        let url = key_set(context, at, url)?;
        context.report.tell(Verdict::Mapped, at, "`auth.jwt` `jwk_url`");
        let text = "the keys of a set say for which algorithms they are";
        context.report.tell(Verdict::Mapped, &fields.method, text);
        return Some(vec![member("jwk_url", url)]);
    }
    if method == "hmac" {
        return Some(secret(context, fields, source, decoded.as_deref()));
    }
    let algorithm = match method {
        "rsa" => "RS256",
        "ecdsa" => "ES256",
        _ => {
            let text = "this way of signing is not known: configure `auth.jwt`";
            context.report.tell(Verdict::Missing, &fields.method, text);
            return None;
        }
    };
    let place = format!("the PEM text in `{}` of {}, decoded from base64", at.path(), at.file());
    let key = if let Some(text) = values::reference(&mut context.report, "jwt_key", source, &place)
    {
        text
    } else if let Some(pem) = text.filter(|text| is_public(text)) {
        literal(pem)
    } else {
        let text = "it is neither a URL nor a public key or certificate (PEM) in base64: configure \
                    `key` of `auth.jwt`";
        context.report.tell(Verdict::Missing, at, text);
        return None;
    };
    context.report.tell(Verdict::Mapped, at, "`auth.jwt` `key`");
    let text = format!(
        "`type: {algorithm}`: Tyk takes every algorithm of the family, this key is for one; write \
         another `type` if tokens are signed differently"
    );
    context.report.tell(Verdict::Differs, &fields.method, text);
    Some(vec![member("type", Yaml::text(algorithm)), member("key", Yaml::Text(key))])
}

fn secret(
    context: &mut Context,
    fields: &Fields<'_>,
    source: &str,
    decoded: Option<&[u8]>,
) -> Members {
    let at = &fields.source;
    let what = if decoded.is_some() { ", decoded from base64" } else { "" };
    let place = format!("the value of `{}` in {}{what}", at.path(), at.file());
    let key = values::reference(&mut context.report, "jwt_secret", source, &place)
        .unwrap_or_else(|| context.report.variable("jwt_secret", place));
    let text = "`auth.jwt` `key`, from a variable of the environment";
    context.report.tell(Verdict::Mapped, at, text);
    if decoded.is_some_and(|secret| secret.len() < SHORTEST_SECRET) {
        let text = "this secret is shorter than 32 bytes, which are the least for HS256 (RFC 7518, \
                    section 3.2): tokens need a longer one, or keys by URL";
        context.report.tell(Verdict::Missing, at, text);
    }
    let text = "`type: HS256`: Tyk also takes HS384 and HS512; write another `type` if tokens are \
                signed so";
    context.report.tell(Verdict::Differs, &fields.method, text);
    vec![member("type", Yaml::text("HS256")), member("key", Yaml::Text(key))]
}

fn is_public(pem: &str) -> bool {
    pem.starts_with("-----BEGIN ") && !pem.contains("PRIVATE")
}

fn key_set(context: &mut Context, at: &Cursor<'_>, url: &str) -> Option<Yaml> {
    if url.contains('@') {
        let text =
            "URLs of keys must not hold user and password: configure `jwk_url` of `auth.jwt`";
        context.report.tell(Verdict::Missing, at, text);
        return None;
    }
    if url.contains('?') {
        let place = format!("the URL in `{}` of {}", at.path(), at.file());
        return Some(Yaml::Text(context.report.variable("jwk_url", place)));
    }
    Some(Yaml::Text(literal(url)))
}

fn checks(context: &mut Context, fields: &Fields<'_>) -> Vec<Members> {
    let mut common = Vec::new();
    let mut longest = 0.0;
    for at in &fields.skews {
        if let Some(skew) = at.positive() {
            longest = f64::max(longest, skew);
            let text =
                "`allowed_skew` of `auth.jwt`: one for `exp`, `nbf` and `iat`, the longest of them";
            context.report.tell(Verdict::Differs, at, text);
        }
    }
    if longest > 0.0 {
        common.push(member("allowed_skew", Yaml::Number(longest.min(86_400.0).ceil() as u64)));
    }
    let audiences = fields.audiences.texts();
    if !audiences.is_empty() {
        common.push(member("audience", Yaml::texts(audiences.into_iter().map(literal))));
        context.report.tell(Verdict::Mapped, &fields.audiences, "`audience` of `auth.jwt`");
    }
    let issuers = fields.issuers.texts();
    if issuers.is_empty() {
        return vec![common];
    }
    context.report.tell(
        Verdict::Mapped,
        &fields.issuers,
        "`issuer` of `auth.jwt`, one entry for each",
    );
    let one = |issuer: &str| {
        [common.clone(), vec![member("issuer", Yaml::Text(literal(issuer)))]].concat()
    };
    issuers.into_iter().map(one).collect()
}

fn places(context: &mut Context, places: &Places<'_>) -> Vec<Members> {
    let place = |kind: &str, name: &str| {
        let mut header = Yaml::map();
        header.put(&["type"], Yaml::text(kind));
        header.put(&["name"], Yaml::text(name));
        vec![member("header", header)]
    };
    let mut found = Vec::new();
    let header = places.header.text().filter(|_| !places.no_header);
    match header {
        Some(name) if !name.eq_ignore_ascii_case("authorization") => {
            let text = "`header` of `auth.jwt`: its whole value is the token, without `Bearer`";
            context.report.tell(Verdict::Differs, &places.header, text);
            found.push(place("CustomHeader", &name.to_ascii_lowercase()));
        }
        _ if places.no_header => {}
        _ => found.push(Vec::new()),
    }
    if let Some(at) = &places.cookie {
        // Tyk takes the header's name if the cookie has none (`getAuthToken`).
        let name = at.text().or(header).unwrap_or("authorization").to_owned();
        context.report.tell(
            Verdict::Differs,
            at,
            "`header` of `auth.jwt` (`type: Cookie`); name the origins of your pages in \
             `server.cors_domain`, or cookies count from the server's own pages only",
        );
        found.push(place("Cookie", &name));
    }
    if found.is_empty() {
        found.push(Vec::new());
    }
    found
}

fn user(context: &mut Context, claims: &[Cursor<'_>]) -> String {
    let Some((at, claim)) = claims.iter().find_map(|at| Some((at, at.text()?))) else {
        return "$.sub".to_owned();
    };
    if claim == "sub" {
        context.report.tell(Verdict::Mapped, at, "`x-hasura-user-id` of `claims_map`");
        return "$.sub".to_owned();
    }
    let text = "`x-hasura-user-id` of `claims_map`; Tyk falls back to `sub` if a token lacks the claim, \
                and here such a token is refused";
    context.report.tell(Verdict::Differs, at, text);
    let is_name = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if claim.split('.').all(is_name) {
        return format!("$.{claim}");
    }
    format!("$['{}']", claim.replace('\'', ""))
}
