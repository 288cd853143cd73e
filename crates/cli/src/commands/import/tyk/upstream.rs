//! What every GraphQL source has: where it is and how it is subscribed to.

use super::{
    super::{
        document::Cursor,
        report::Verdict,
        yaml::{Yaml, literal},
    },
    context::Context,
    values,
};

/// Makes the `graphql` of a source: URL, subscriptions, timeout.
pub fn graphql(
    context: &mut Context,
    source: &str,
    url: &Cursor<'_>,
    kind: &Cursor<'_>,
    use_post: &Cursor<'_>,
) -> Yaml {
    let mut yaml = at(context, source, url);
    let protocol = protocol(context, source, kind, use_post);
    yaml.put(&["subscriptions", "protocol"], Yaml::text(protocol));
    yaml
}

/// The same for a service of which nothing says how it is subscribed to.
pub fn at(context: &mut Context, source: &str, url: &Cursor<'_>) -> Yaml {
    let mut yaml = Yaml::map();
    let address = address(context, source, url);
    yaml.put(&["url"], address);
    yaml.put(&["subscriptions", "protocol"], Yaml::text("auto"));
    // The client's payload never reaches services through Tyk.
    yaml.put(&["subscriptions", "connection_init"], Yaml::text("none"));
    if let Some(timeout) = context.request_timeout {
        yaml.put(&["timeouts", "request"], time(timeout));
    }
    yaml
}

/// So many milliseconds.
pub fn time(milliseconds: u64) -> Yaml {
    Yaml::Text(match milliseconds {
        whole if whole % 1000 == 0 => format!("{}s", whole / 1000),
        rest => format!("{rest}ms"),
    })
}

/// The URL of a service, or a variable for it where it holds a secret or cannot be known.
fn address(context: &mut Context, source: &str, at: &Cursor<'_>) -> Yaml {
    let variable = format!("{source}_url");
    let place = format!("the URL in `{}` of {}", at.path(), at.file());
    let Some(url) = at.text() else {
        let text = format!("there is no URL: `{source}` cannot be asked before it has one");
        context.report.tell(Verdict::Missing, at, text);
        return Yaml::Text(context.report.variable(&variable, "the URL of the service"));
    };
    if let Some(text) = values::reference(&mut context.report, &variable, url, &place) {
        context.report.tell(Verdict::Mapped, at, format!("`graphql.url` of `{source}`"));
        return Yaml::Text(text);
    }
    if let Some(rest) = url.strip_prefix("tyk://") {
        return internal(context, source, at, rest);
    }
    let is_http = ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
    if !is_http || url.contains("{{") || url.contains("$tyk_") || url.contains("$secret_") {
        let text = format!(
            "`graphql.url` of `{source}` is a plain http or https URL: set it to the service's"
        );
        context.report.tell(Verdict::Missing, at, text);
        return Yaml::Text(context.report.variable(&variable, place));
    }
    let told = format!("`graphql.url` of `{source}`");
    if url.contains('@') || url.contains('?') {
        let told = format!("{told}, from a variable, since it may hold a secret");
        context.report.tell(Verdict::Mapped, at, told);
        return Yaml::Text(context.report.variable(&variable, place));
    }
    context.report.tell(Verdict::Mapped, at, told);
    Yaml::Text(literal(url))
}

/// `tyk://NAME/path` leads to another API of the same gateway.
fn internal(context: &mut Context, source: &str, at: &Cursor<'_>, rest: &str) -> Yaml {
    let name = rest.split(['/', '?']).next().unwrap_or_default();
    let target = context.target(name).map(str::to_owned);
    let plain = target.filter(|url| url.starts_with("http") && !url.contains(['@', '?', '{', '$']));
    let Some(url) = plain else {
        let text = format!(
            "it leads to another API of Tyk's that is not among the files: set `graphql.url` of \
             `{source}` to that API's service"
        );
        context.report.tell(Verdict::Missing, at, text);
        let what = "the URL of the service behind the API that `tyk://` leads to";
        return Yaml::Text(context.report.variable(&format!("{source}_url"), what));
    };
    let text = format!(
        "`graphql.url` of `{source}` is that of the other API's service, so that what that API does on \
         the way (authentication, headers, limits) is not done"
    );
    context.report.tell(Verdict::Differs, at, text);
    Yaml::Text(url)
}

/// `subscription_type`; Tyk speaks `graphql-ws` if nothing is said.
fn protocol(
    context: &mut Context,
    source: &str,
    kind: &Cursor<'_>,
    use_post: &Cursor<'_>,
) -> &'static str {
    let posts = use_post.is_on();
    let given = kind.text();
    let protocol = match given {
        None | Some("graphql-ws") => "graphql-ws",
        Some("graphql-transport-ws") => "graphql-transport-ws",
        Some("sse") if posts => "sse",
        Some("sse") => "sse-get",
        Some(_) => {
            let text = format!("`{source}`: Tyk does not know this one; `auto` finds out");
            context.report.tell(Verdict::Differs, kind, text);
            return "auto";
        }
    };
    let told = format!("`graphql.subscriptions.protocol: {protocol}` of `{source}`");
    if given.is_some() {
        context.report.tell(Verdict::Mapped, kind, told.clone());
    } else {
        let told = format!("{told}, which is Tyk's default; `auto` would find out");
        context.report.tell(Verdict::Mapped, kind, told);
    }
    if posts {
        let (verdict, told) = if given == Some("sse") {
            (Verdict::Mapped, told)
        } else {
            (Verdict::Idle, "it counts for `sse` only".to_owned())
        };
        context.report.tell(verdict, use_post, told);
    }
    protocol
}
