//! What classic and OAS definitions say alike: origins, rates, sizes.

use artesian_auth::origin::OriginPattern;

use super::{
    super::{document::Cursor, report::Verdict, yaml::Yaml},
    context::Context,
};

/// The setting of origins.
const ORIGINS: &str = "server.cors_domain";

/// The places of the fields about CORS.
pub struct Cors<'a> {
    whole: Cursor<'a>,
    enabled: Cursor<'a>,
    origins: Cursor<'a>,
    credentials: Cursor<'a>,
    rest: [Cursor<'a>; 6],
}

impl<'a> Cors<'a> {
    /// Those of a classic definition.
    pub fn classic(at: &Cursor<'a>) -> Self {
        Self::with(
            at,
            ["enable", "allowed_origins", "allow_credentials"],
            [
                "allowed_methods",
                "allowed_headers",
                "exposed_headers",
                "max_age",
                "options_passthrough",
                "debug",
            ],
        )
    }

    /// Those of an OAS definition.
    pub fn oas(at: &Cursor<'a>) -> Self {
        Self::with(
            at,
            ["enabled", "allowedOrigins", "allowCredentials"],
            [
                "allowedMethods",
                "allowedHeaders",
                "exposedHeaders",
                "maxAge",
                "optionsPassthrough",
                "debug",
            ],
        )
    }

    fn with(at: &Cursor<'a>, [enabled, origins, credentials]: [&str; 3], rest: [&str; 6]) -> Self {
        Self {
            whole: at.clone(),
            enabled: at.key(enabled),
            origins: at.key(origins),
            credentials: at.key(credentials),
            rest: rest.map(|key| at.key(key)),
        }
    }
}

/// Which pages may call.
pub fn cors(context: &mut Context, cors: &Cors<'_>) {
    if cors.whole.peek().is_none() {
        return;
    }
    if !cors.enabled.is_on() {
        cors.whole.take();
        let text = "Tyk sends no CORS headers of its own (those of services pass). Artesian lets all \
                    pages call, without cookies: name your pages in `server.cors_domain`, or set \
                    `server.disable_cors`";
        context.report.tell(Verdict::Differs, &cors.enabled, text);
        return;
    }
    let mut origins = Vec::new();
    for at in cors.origins.items() {
        let Some(origin) = at.text() else { continue };
        if origin == "*" || OriginPattern::parse(origin).is_some() {
            origins.push(origin.trim_end_matches('/').to_owned());
        } else {
            let text = "it is no origin: write scheme and host, e.g. https://app.example.com or \
                        https://*.example.com, to `server.cors_domain`";
            context.report.tell(Verdict::Missing, &at, text);
        }
    }
    if cors.origins.texts().is_empty() {
        origins.push("*".to_owned());
    }
    cors.enabled.take();
    for at in &cors.rest {
        if at.is_given() {
            at.take();
            let text = "methods, headers and ages follow from what GraphQL over HTTP needs";
            context.report.tell(Verdict::Idle, at, text);
        }
    }
    if origins.is_empty() {
        return;
    }
    if origins.iter().any(|origin| origin == "*") {
        let text = "all pages, also without credentials; then cookies count from every page, so name \
                    your pages if they log in with cookies";
        context.set(&cors.origins, ORIGINS, Yaml::text("*"), Verdict::Mapped, text);
        cors.credentials.take();
        return;
    }
    let with = cors.credentials.is_on();
    let (verdict, text) = if with {
        (Verdict::Mapped, "`*` in a host stands for exactly one label; also checked for WebSockets")
    } else {
        (
            Verdict::Differs,
            "pages of these origins may send cookies as well; `*` in a host stands for \
                            exactly one label; also checked for WebSockets",
        )
    };
    // Several definitions, one list.
    match context.setting(ORIGINS).cloned() {
        Some(Yaml::List(mut known)) => {
            for origin in origins.into_iter().map(Yaml::Text) {
                if !known.contains(&origin) {
                    known.push(origin);
                }
            }
            context.replace(ORIGINS, Yaml::List(known));
            let text = format!("`{ORIGINS}`, one list for all definitions: {text}");
            context.report.tell(Verdict::Differs, &cors.origins, text);
        }
        _ => context.set(&cors.origins, ORIGINS, Yaml::texts(origins), verdict, text),
    }
}

/// So many requests in so many seconds.
pub fn rate(context: &mut Context, at: &Cursor<'_>, seconds: Option<f64>) {
    let (Some(rate), Some(seconds)) = (at.positive(), seconds) else { return };
    let whole = |number: f64| Yaml::Number(number.ceil().clamp(1.0, 1e9) as u64);
    let text = "with `limits.request_burst_per_identity`. They count operations of one identity over all \
                its connections, those on sockets included; Tyk counts requests, a socket once, and the \
                API's own limit for all clients together";
    let (name, burst) = ("limits.request_rate_per_identity", "limits.request_burst_per_identity");
    if context.setting(name).is_none() {
        context.replace(burst, whole(rate));
    }
    context.set(at, name, whole(rate / seconds), Verdict::Differs, text);
}

/// The longest body.
pub fn body(context: &mut Context, at: &Cursor<'_>) {
    let Some(bytes) = at.positive() else { return };
    let text = "messages on WebSockets have their own limit, `server.websockets.max_message_bytes`";
    let value = Yaml::Number(bytes.min(1e15) as u64);
    context.set(at, "server.max_body_bytes", value, Verdict::Differs, text);
}

/// The deepest operation.
pub fn depth(context: &mut Context, at: &Cursor<'_>) {
    let Some(depth) = at.number() else { return };
    if depth <= 0.0 {
        let text = "no limit with Tyk; here `limits.depth` is 50 unless it is set";
        context.report.tell(Verdict::Differs, at, text);
        return;
    }
    let text = "one depth for all clients, over WebSockets too; levels are counted from the root field \
                on and input values have the same limit, so try it with your deepest operation";
    let value = Yaml::Number(depth.min(1e6) as u64);
    context.set(at, "limits.depth", value, Verdict::Differs, text);
}
