//! Values of headers: Tyk's variables become templates, secrets become variables of the environment.

use super::{
    super::{
        document::Cursor,
        report::{Report, Verdict},
        yaml::literal,
    },
    context::Context,
};

/// Variables of Tyk's in texts, longest first where one begins another.
const LABELS: [(&str, Label); 9] = [
    ("$tyk_context.", Label::Context),
    ("$tyk_meta.", Label::Meta),
    ("$secret_env.", Label::Environment),
    ("$secret_conf.", Label::Stored("tyk.conf `secrets`")),
    ("$secret_vault.", Label::Stored("Vault")),
    ("$secret_consul.", Label::Stored("Consul")),
    ("$secret_file.", Label::Stored("a file")),
    ("$kv{", Label::Stored("a key-value store")),
    ("{{", Label::Template),
];

/// References that are a whole value.
const REFERENCES: [(&str, Label); 6] = [
    ("env://", Label::Environment),
    ("secrets://", Label::Stored("tyk.conf `secrets`")),
    ("vault://", Label::Stored("Vault")),
    ("consul://", Label::Stored("Consul")),
    ("file://", Label::Stored("a file")),
    ("kv://", Label::Stored("a key-value store")),
];

/// What comes before credentials, and is none.
const SCHEMES: [&str; 4] = ["bearer", "basic", "digest", "token"];

#[derive(Clone, Copy)]
enum Label {
    Context,
    Meta,
    Environment,
    /// A secret that Tyk looks up there.
    Stored(&'static str),
    Template,
}

/// A converted value.
pub struct Value {
    /// For the YAML.
    pub text: String,
    /// What is not quite the same.
    pub difference: Option<&'static str>,
}

/// A value of a header of a source. `None` if something in it cannot be said; that is told.
pub fn header(
    context: &mut Context,
    at: &Cursor<'_>,
    source: &str,
    name: &str,
    text: &str,
) -> Option<Value> {
    let variable = format!("{source}_{name}");
    match convert(&mut context.report, at, &variable, text, is_sensitive(name)) {
        Ok(value) => Some(value),
        Err(why) => {
            let text = format!("the header `{name}` is left out of `{source}`: {why}");
            context.report.tell(Verdict::Missing, at, text);
            None
        }
    }
}

/// Whether a header of this name usually holds a secret.
pub fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "cookie", "token", "secret", "key", "pass", "credential", "sign", "session"]
        .iter()
        .any(|part| name.contains(part))
}

/// Whether a text looks like a secret wherever it stands: credentials of a scheme, or a long word of
/// letters and digits.
fn looks_secret(text: &str) -> bool {
    let lower = text.trim_start().to_ascii_lowercase();
    let has_scheme = SCHEMES.iter().any(|scheme| {
        let rest = lower.strip_prefix(scheme).and_then(|rest| rest.strip_prefix(' '));
        rest.is_some_and(|rest| !rest.trim().is_empty())
    });
    let is_token = |word: &str| {
        word.len() >= 20
            && word.bytes().any(|b| b.is_ascii_digit())
            && word.bytes().any(|b| b.is_ascii_alphabetic())
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+/=".contains(&b))
    };
    has_scheme || text.split_whitespace().any(is_token)
}

/// Converts a text. Secrets and what Tyk looks up elsewhere become `${…}` of the variable's name.
fn convert(
    report: &mut Report,
    at: &Cursor<'_>,
    variable: &str,
    text: &str,
    sensitive: bool,
) -> Result<Value, String> {
    let place = format!("the value of `{}` in {}", at.path(), at.file());
    if let Some(value) = reference(report, variable, text, &place) {
        return Ok(Value { text: value, difference: None });
    }
    let (mut out, mut rest, mut difference) = (String::new(), text, None);
    let plain = |report: &mut Report, out: &mut String, part: &str| {
        let is_whole = part.len() == text.len();
        let is_scheme = SCHEMES.iter().any(|scheme| part.trim().eq_ignore_ascii_case(scheme));
        if (sensitive && !is_scheme) || looks_secret(part) {
            let what = if is_whole { place.clone() } else { format!("the fixed part of {place}") };
            out.push_str(&report.variable(variable, what));
        } else {
            out.push_str(&literal(part));
        }
    };
    while let Some((start, label, skip)) = next(rest) {
        let (before, after) = rest.split_at_checked(start).unwrap_or((rest, ""));
        if !before.is_empty() {
            plain(report, &mut out, before);
        }
        let after = after.get(skip..).unwrap_or_default();
        let (name, tail) = name(label, after)?;
        match label {
            Label::Context => {
                let (root, different) = of_context(name)?;
                out.push_str(&root);
                difference = difference.or(different);
            }
            Label::Meta => {
                out.push_str(&template("session", &format!("x-hasura-{}", dashes(name))));
                difference = Some(
                    "what Tyk keeps with a key must come from the token or the webhook as a session \
                     variable",
                );
            }
            Label::Environment => out.push_str(&environment(report, name)),
            Label::Stored(store) => {
                let what = format!("what Tyk finds under `{name}` in {store}");
                out.push_str(&report.variable(&format!("TYK_{name}"), what));
            }
            Label::Template => out.push_str(&of_request(name)?),
        }
        rest = tail;
    }
    if !rest.is_empty() {
        plain(report, &mut out, rest);
    }
    Ok(Value { text: out, difference })
}

/// A value that is nothing but a reference to something that Tyk looks up.
pub fn reference(report: &mut Report, variable: &str, text: &str, place: &str) -> Option<String> {
    let (label, name) = REFERENCES
        .iter()
        .find_map(|(prefix, label)| text.strip_prefix(prefix).map(|name| (*label, name)))?;
    Some(match label {
        Label::Stored(store) => {
            report.variable(variable, format!("{place}, which Tyk finds under `{name}` in {store}"))
        }
        _ => environment(report, name),
    })
}

/// Tyk reads `env://name` from `TYK_SECRET_NAME` (`config/kv.go`).
fn environment(report: &mut Report, name: &str) -> String {
    let name = format!("TYK_SECRET_{}", name.to_ascii_uppercase());
    report.variable(&name, "the variable of this name that Tyk has")
}

/// The first variable of a text: where it begins, what it is, and how long its label is.
fn next(text: &str) -> Option<(usize, Label, usize)> {
    LABELS
        .iter()
        .filter_map(|(prefix, label)| Some((text.find(prefix)?, *label, prefix.len())))
        .min_by_key(|(start, ..)| *start)
}

/// The name of a variable, and what comes after it.
fn name(label: Label, text: &str) -> Result<(&str, &str), String> {
    let end = match label {
        Label::Template => "}}",
        Label::Stored("a key-value store") => "}",
        _ => {
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
            let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
            return Ok(text.split_at_checked(end).unwrap_or((text, "")));
        }
    };
    let (name, rest) = text.split_once(end).ok_or("a template in it does not end")?;
    Ok((name.trim(), rest))
}

/// `$tyk_context.…` (`gateway/mw_context_vars.go`, `ctxSetJWTContextVars`).
fn of_context(name: &str) -> Result<(String, Option<&'static str>), String> {
    if let Some(header) = name.strip_prefix("headers_") {
        return Ok((template("headers", &dashes(header)), None));
    }
    if let Some(claim) = name.strip_prefix("jwt_claims_") {
        let difference = "Tyk's variable also reads the token's header; this reads claims only";
        return Ok((template("claims", claim), Some(difference)));
    }
    let why = match name {
        "token" => "send the client's `authorization` with `headers.forward` instead",
        "request_id" => {
            "nothing stands for an id of the request; let clients send one and forward it"
        }
        "remote_addr" => "nothing stands for the client's address",
        name if name.starts_with("cookies_") => "pass the cookie itself with `headers.cookies`",
        name if name.starts_with("request_data") => {
            "nothing stands for parameters of the URL; let clients send a header, or a member of \
             `connection_init` (`{{connection_init.…}}`)"
        }
        _ => "nothing stands for this variable",
    };
    Err(format!("`$tyk_context.{name}`: {why}"))
}

/// `{{.request.headers.X}}` of the engine's own templates.
fn of_request(name: &str) -> Result<String, String> {
    let path = name.trim_start_matches('.');
    let header = path.strip_prefix("request.headers.").or(path.strip_prefix("request.header."));
    match header {
        Some(header) => Ok(template("headers", &header.to_ascii_lowercase())),
        None => Err("it has a template that only Tyk's engine knows".to_owned()),
    }
}

fn template(root: &str, path: &str) -> String {
    format!("{{{{{root}.{path}}}}}")
}

/// Tyk writes `_` for the `-` in names of headers.
fn dashes(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::import::document::Document;

    fn converted(name: &str, text: &str) -> Result<(String, Vec<String>), String> {
        let document = Document::new("a.json", serde_json::json!({}));
        let mut report = Report::default();
        let at = document.root().at("x");
        let value = convert(&mut report, &at, &format!("shop_{name}"), text, is_sensitive(name))?;
        Ok((value.text, report.variables().map(str::to_owned).collect()))
    }

    #[test]
    fn variables_become_templates() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a$b ${c}", "a$$b $${c}"),
            ("$tyk_context.headers_X_Tenant_Id", "{{headers.x-tenant-id}}"),
            ("t-$tyk_context.jwt_claims_tid!", "t-{{claims.tid}}!"),
            ("$tyk_meta.plan_name", "{{session.x-hasura-plan-name}}"),
            ("{{ .request.headers.X-Trace }}", "{{headers.x-trace}}"),
            ("$secret_env.region", "${TYK_SECRET_REGION}"),
            ("env://region", "${TYK_SECRET_REGION}"),
            ("a $secret_vault.kv/orders.token", "a ${TYK_KV_ORDERS_TOKEN}"),
            ("vault://kv/orders.token", "${SHOP_X_NAME}"),
        ] {
            assert_eq!(converted("x-name", text).map(|(text, _)| text), Ok(expected.to_owned()));
        }
        for text in
            ["$tyk_context.remote_addr", "$tyk_context.request_data_a", "{{.object.id}}", "{{x"]
        {
            assert!(converted("x-name", text).is_err(), "{text}");
        }
    }

    #[test]
    fn secrets_become_variables() {
        for (name, text) in [
            ("Authorization", "abc"),
            ("X-Api-Key", "abc"),
            ("x-name", "Bearer abc"),
            ("x-name", "0123456789abcdef0123456789"),
        ] {
            let (text, variables) = converted(name, text).unwrap_or_default();
            assert_eq!(text, format!("${{{}}}", variables.join(",")), "{name}");
        }
        let (text, variables) =
            converted("authorization", "Bearer $tyk_context.jwt_claims_x").unwrap_or_default();
        assert_eq!((text.as_str(), variables.len()), ("Bearer {{claims.x}}", 0));
        let mixed = converted("x-name", "k 0123456789abcdef0123456789 {{.request.headers.a}}");
        let (text, _) = mixed.unwrap_or_default();
        assert_eq!(text, "${SHOP_X_NAME}{{headers.a}}");
    }
}
