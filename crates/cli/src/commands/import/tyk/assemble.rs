//! The written file: sources, and what holds for the whole server.

use super::{
    super::yaml::Yaml,
    Converted,
    access::{self, Access, KEYS_ROLE},
    context::Context,
    jwt::Issuer,
};

/// The role of clients without credentials.
const ANONYMOUS: &str = "anonymous";

/// The role of clients with a token.
const USER: &str = "user";

/// The order of what the file begins with.
const ORDER: [&str; 6] = ["sources", "server", "auth", "limits", "documents", "log"];

/// Puts everything together.
pub fn assemble(mut context: Context) -> Converted {
    let mut ways: Vec<Access> = Vec::new();
    for source in &context.sources {
        if !ways.contains(&source.access) {
            ways.push(source.access.clone());
        }
    }
    notes(&mut context, &ways);
    let roles = roles(&ways);
    let mut yaml = Yaml::map();
    for name in ORDER {
        yaml.put(&[name], Yaml::map());
    }
    let sources = context.sources.iter().map(|source| body(source, &ways, &roles)).collect();
    yaml.put(&["sources"], Yaml::List(sources));
    for (path, value) in context.settings() {
        let keys: Vec<&str> = path.split('.').collect();
        yaml.put(&keys, value.clone());
    }
    if !context.sources.is_empty() {
        let secret = context.report.variable(
            "ARTESIAN_ADMIN_SECRET",
            "a new secret of at least 32 random characters, for the administrator \
             (`x-hasura-admin-secret`). It is none of Tyk's",
        );
        yaml.put(&["server", "admin_secret"], Yaml::Text(secret));
        auth(&mut yaml, &ways, &roles);
    }
    let Yaml::Map(members) = yaml else {
        return Converted { yaml, files: context.files, report: context.report };
    };
    let is_empty = |value: &Yaml| {
        matches!(value, Yaml::Map(m) if m.is_empty()) || *value == Yaml::List(Vec::new())
    };
    let yaml = Yaml::Map(members.into_iter().filter(|(_, value)| !is_empty(value)).collect());
    Converted { yaml, files: context.files, report: context.report }
}

fn notes(context: &mut Context, ways: &[Access]) {
    if context.sources.is_empty() {
        context.report.note("no source is written: there is no API that could be one");
        return;
    }
    context.report.note(
        "`artesian check` reads the file, asks the services and says what is wrong; nothing was asked \
         by the import",
    );
    if context.sources.len() > 1 {
        context.report.note(
            "all sources are one schema at `/graphql`: where two have the same root field or unequal \
             types of one name, give one of them a `prefix`",
        );
    }
    if ways.len() > 1 {
        context.report.note(
            "the APIs let in different clients: each source that is not for everybody has \
             `graphql.permissions` for the role of its clients",
        );
    }
    let has_tokens = ways.iter().any(|way| matches!(way, Access::Tokens(_)));
    if has_tokens && ways.contains(&Access::Keys) {
        context.report.note(
            "tokens and a webhook exclude each other: if clients with keys need a webhook, let it verify \
             the tokens too, and take `auth.jwt` away; or run one Artesian for each",
        );
    }
    if !context.knows_gateway {
        context.report.note(
            "WebSockets are accepted unless `server.http_server_options.enable_websockets` is false; with \
             Tyk they are refused unless it is true. Give tyk.conf as well to carry it over",
        );
    }
}

/// The role of each way of authentication, in their order. Those who come one way must not see what is
/// for those of another.
fn roles(ways: &[Access]) -> Vec<String> {
    let mut users = 0;
    let role = |way: &Access| match way {
        Access::Open => ANONYMOUS.to_owned(),
        Access::Keys => KEYS_ROLE.to_owned(),
        Access::Tokens(_) => {
            users += 1;
            if users == 1 { USER.to_owned() } else { format!("{USER}_{users}") }
        }
    };
    ways.iter().map(role).collect()
}

fn body(source: &super::context::Source, ways: &[Access], roles: &[String]) -> Yaml {
    let mut members = vec![("name".to_owned(), Yaml::text(source.name.clone()))];
    let mut body = source.body.clone();
    let role = ways.iter().zip(roles).find(|(way, _)| **way == source.access).map(|(_, role)| role);
    if let Some(role) = role.filter(|_| ways.len() > 1 && source.access != Access::Open) {
        if body.get("graphql").is_some() {
            body.put(&["graphql", "permissions"], access::permission(role));
        } else if let Some(Yaml::Map(fields)) =
            body.get("events").and_then(|e| e.get("fields")).cloned()
        {
            for (field, _) in fields {
                body.put(&["events", "fields", &field, "roles"], Yaml::texts([role.as_str()]));
            }
        }
    }
    if let Yaml::Map(rest) = body {
        members.extend(rest);
    }
    Yaml::Map(members)
}

fn auth(yaml: &mut Yaml, ways: &[Access], roles: &[String]) {
    let issuers: Vec<(&Issuer, &str)> = ways
        .iter()
        .zip(roles)
        .filter_map(|(way, role)| match way {
            Access::Tokens(issuers) => Some(issuers.iter().map(move |i| (i, role.as_str()))),
            _ => None,
        })
        .flatten()
        .collect();
    match issuers.as_slice() {
        [] => {}
        [(issuer, role)] => yaml.put(&["auth", "jwt"], issuer.yaml(role)),
        many => {
            let list = many.iter().map(|(issuer, role)| issuer.yaml(role)).collect();
            yaml.put(&["auth", "jwt"], Yaml::List(list));
        }
    }
    if ways.contains(&Access::Open) {
        yaml.put(&["auth", "unauthorized_role"], Yaml::text(ANONYMOUS));
    }
}
