//! Settings from their places.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::{definitions::Definition, *};

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn flags(pairs: &[(&'static str, &str)]) -> Flags {
    pairs.iter().map(|(name, value)| (*name, vec![(*value).to_owned()])).collect()
}

pub(super) fn load(
    given: &[(&'static str, &str)],
    variables: &[(&str, &str)],
    yaml: &str,
) -> Result<Settings, SettingsError> {
    let environment = environment(variables);
    let file = file::parse(Path::new("conf/artesian.yaml"), yaml, &environment)?;
    Settings::resolve(&Resolver::new(flags(given), environment, file))
}

pub(super) fn error(
    given: &[(&'static str, &str)],
    variables: &[(&str, &str)],
    yaml: &str,
) -> String {
    load(given, variables, yaml).unwrap_err().to_string()
}

#[test]
fn flag_then_environment_then_file_then_default() {
    let yaml = "server:\n  listen: 0.0.0.0:3\n";
    let own = ("ARTESIAN_LISTEN", "0.0.0.0:2");
    let flag = ("listen", "0.0.0.0:1");
    let listen = |flags: &[_], variables: &[_], yaml| load(flags, variables, yaml).unwrap().listen;
    assert_eq!(listen(&[flag], &[own], yaml), "0.0.0.0:1");
    assert_eq!(listen(&[], &[own], yaml), "0.0.0.0:2");
    assert_eq!(listen(&[], &[("ARTESIAN_LISTEN", "")], yaml), "0.0.0.0:3");
    assert_eq!(listen(&[], &[], yaml), "0.0.0.0:3");
    assert_eq!(listen(&[], &[], ""), "127.0.0.1:8080");
}

#[test]
fn every_setting_can_come_from_every_place() {
    let sample = |definition: &Definition| match definition.kind {
        definitions::Kind::DatabaseUrl => "postgres://h/db",
        definitions::Kind::SecretList => "[\"a\"]",
        definitions::Kind::SecretJson => {
            "{\"type\": \"HS256\", \"key\": \"an HMAC key of 32 bytes and more\"}"
        }
        definitions::Kind::ServiceUrl => "http://h/",
        definitions::Kind::Address => "127.0.0.1:1",
        definitions::Kind::Networks => "10.0.0.0/8",
        definitions::Kind::Switch => "false",
        definitions::Kind::Number => "7",
        definitions::Kind::Milliseconds | definitions::Kind::Seconds => "7s",
        definitions::Kind::Choice(choices) | definitions::Kind::Choices(choices) => choices[0],
        _ => "x",
    };
    for definition in definitions::ALL {
        let value = sample(definition);
        let origin = |resolver: Resolver| {
            Settings::resolve(&resolver).unwrap();
            assert!(resolver.asked().contains(definition.name), "nobody asks for it");
            resolver.raw(definition.name).unwrap().origin
        };
        let by_flag = Resolver::new(
            flags(&[(definition.name, value)]),
            environment(&[]),
            file::File::default(),
        );
        assert_eq!(origin(by_flag), Origin::Flag(definition.name));
        for name in definition.all_env() {
            let variables = environment(&[(&name, value)]);
            let resolver = Resolver::new(Flags::new(), variables, file::File::default());
            assert_eq!(origin(resolver), Origin::Environment(name));
        }
        let yaml = yaml_for(definition.file, &value.replace('"', ""));
        let file = file::parse(Path::new("a.yaml"), &yaml, &environment(&[])).unwrap();
        let resolver = Resolver::new(Flags::new(), environment(&[]), file);
        let origin = origin(resolver);
        assert!(matches!(origin, Origin::File { .. }), "{}: {origin:?}", definition.name);
    }
}

/// `a[].b.c` with a value as YAML.
fn yaml_for(path: &str, value: &str) -> String {
    let mut out = String::new();
    let mut indent = 0;
    for key in path.split('.') {
        let name = key.trim_end_matches("[]");
        out.push_str(&format!("\n{}{name}:", " ".repeat(indent)));
        indent += 2;
        if key.ends_with("[]") {
            out.push_str(&format!("\n{}- name: default", " ".repeat(indent)));
            indent += 2;
        }
    }
    if path == "sources[].name" {
        return "sources:\n  - name: x\n".to_owned();
    }
    format!("{out} {value}\n")
}

#[test]
fn names_and_places_are_unique() {
    for (at, definition) in definitions::ALL.iter().enumerate() {
        for other in &definitions::ALL[at + 1..] {
            assert_ne!(definition.name, other.name);
            assert_ne!(definition.file, other.file);
            for name in definition.all_env() {
                assert!(!other.all_env().contains(&name), "{name}");
            }
        }
        let hasura = definition.env.iter().filter(|name| name.starts_with("HASURA_"));
        for name in hasura {
            assert!(!definitions::QUIET.contains(name));
        }
    }
}

#[test]
fn defaults_are_those_of_the_parts() {
    let settings = load(&[], &[], "").unwrap();
    let server = ServerConfig::default();
    let ours = &settings.server;
    assert_eq!(format!("{ours:?}"), format!("{server:?}"));
    assert_eq!(format!("{:?}", settings.engine), format!("{:?}", EngineConfig::default()));
    assert_eq!(settings.live, artesian_live::Config::default());
    assert_eq!(settings.source.connections, artesian_postgres::Settings::new("").max_connections);
    assert!(settings.warnings.is_empty());
}

#[test]
fn a_whole_file_is_understood() {
    let yaml = "\
# a comment
sources:
  - name: shop
    database:
      url: ${DATABASE_URL}
      connections: 20
    metadata: ./metadata
    changes: poll
server:
  listen: 0.0.0.0:${PORT:-9000}
  admin_secrets: [one, '${SECRET}']
  cors_domain: [https://a.example.com, https://b.example.com]
  http_server_options:
    enable_websockets: false
  websockets:
    ping_interval: 2m
live_queries:
  refetch_interval: 250
  batch_size: 1_000
log:
  format: json
";
    let variables = [("DATABASE_URL", "postgres://a:b: #c@h/db"), ("SECRET", "t$wo")];
    let settings = load(&[], &variables, yaml).unwrap();
    let source = &settings.source;
    assert_eq!(source.database_url.as_ref().unwrap().reveal(), "postgres://a:b: #c@h/db");
    assert_eq!((source.name.as_str(), source.connections), ("shop", 20));
    assert_eq!(source.metadata.as_deref(), Some(Path::new("conf/./metadata")));
    assert_eq!(source.changes, Changes::Poll);
    assert_eq!(settings.listen, "0.0.0.0:9000");
    assert_eq!(settings.server.auth.admin_secrets, ["one", "t$wo"]);
    let origins = ["https://a.example.com", "https://b.example.com"].map(str::to_owned);
    assert_eq!(settings.server.cors, Cors::List(origins.to_vec()));
    assert!(!settings.server.websocket.enabled);
    assert_eq!(settings.server.websocket.ping_interval, Duration::from_secs(120));
    assert_eq!(settings.live.refetch_interval, Duration::from_millis(250));
    assert_eq!(settings.live.batch_size, 1000);
    assert!(settings.log.json);
}

#[test]
fn every_origin_is_meant_only_if_it_is_said() {
    let cors = |flags: &[(&'static str, &str)], variables: &[(&str, &str)], yaml: &str| {
        load(flags, variables, yaml).unwrap().server.cors
    };
    let app = || Cors::List(vec!["https://a.example.com".to_owned()]);
    assert_eq!(cors(&[], &[], ""), Cors::Default);
    assert_eq!(cors(&[], &[("HASURA_GRAPHQL_CORS_DOMAIN", "")], ""), Cors::Default);
    assert_eq!(cors(&[], &[("HASURA_GRAPHQL_CORS_DOMAIN", "*")], ""), Cors::AllowAll);
    assert_eq!(cors(&[("cors-domain", "https://a.example.com, *")], &[], ""), Cors::AllowAll);
    assert_eq!(cors(&[("cors-domain", "https://a.example.com")], &[], ""), app());
    // Nobody but the server's own pages.
    assert_eq!(cors(&[], &[], "server:\n  cors_domain: []\n"), Cors::List(Vec::new()));
    assert_eq!(cors(&[("disable-cors", "true"), ("cors-domain", "*")], &[], ""), Cors::Disabled);
}

#[test]
fn unknown_keys_are_errors_with_a_suggestion_and_a_place() {
    let message = error(&[], &[], "server:\n  lisetn: 127.0.0.1:1\n");
    let start = "conf/artesian.yaml:2:3: unknown key `server.lisetn`; did you mean `listen`?";
    assert!(message.starts_with(start), "{message}");
    let message = error(&[], &[], "listen: 127.0.0.1:1\n");
    assert!(message.contains("did you mean `server.listen`?"), "{message}");
    let message = error(&[], &[], "sources:\n  - databse: {url: x}\n");
    assert!(message.contains("did you mean `database`?"), "{message}");
    let message = error(&[], &[], "zzz: 1\n");
    assert!(message.contains("unknown key `zzz` (known here: sources, "), "{message}");
}

#[test]
fn what_is_not_there_yet_is_told() {
    for (yaml, expected) in [
        (
            "sources:\n  - name: a\n  - name: b\n    database: {url: sqlite:a.db}\n",
            "two databases are not supported by this version",
        ),
        ("sources:\n  - changes: wal\n", "`wal` is not supported by this version"),
    ] {
        let message = error(&[], &[], yaml);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn values_of_another_form_are_told_with_their_place() {
    for (yaml, expected) in [
        ("server:\n  listen: [1\n", "conf/artesian.yaml:"),
        ("server: 7\n", "conf/artesian.yaml:1:9: `server` holds further keys: listen, "),
        ("server:\n  listen: {a: 1}\n", "2:11: `server.listen` needs a plain value"),
        ("sources: {name: a}\n", "`sources` is a list"),
        ("- a\n", "consists of keys with values"),
        ("server:\n  listen: ${NOPE}\n", "the environment variable `NOPE` is not set"),
        ("server:\n  listen: ${NOPE\n", "without a closing"),
        ("server:\n  listen: a:1\n  listen: b:1\n", "conf/artesian.yaml:3:"),
        ("server:\n  console: maybe\n", "2:12: server.console: `maybe` cannot be used"),
    ] {
        let message = error(&[], &[], yaml);
        assert!(message.contains(expected), "{message}\nlacks\n{expected}");
    }
}

#[test]
fn websocket_compatibility() {
    let websocket = |given: &[_], yaml| load(given, &[], yaml).unwrap().server.websocket;
    let both = websocket(&[("websocket-compat", "tyk, mercurius")], "");
    assert_eq!(both.compat, [CompatProfile::Tyk, CompatProfile::Mercurius]);
    assert_eq!(both.default_subprotocol, None);
    let yaml = "server:\n  websockets:\n    compat: [hasura]\n";
    let hasura = websocket(&[], yaml);
    assert_eq!(hasura.compat, [CompatProfile::Hasura]);
    assert_eq!(hasura.default_subprotocol, Some(Subprotocol::Legacy));
    for (name, expected) in
        [("none", None), ("graphql-transport-ws", Some(Subprotocol::TransportWs))]
    {
        let given = [("websocket-default-subprotocol", name)];
        assert_eq!(websocket(&given, yaml).default_subprotocol, expected);
        assert_eq!(websocket(&given, "").default_subprotocol, expected);
    }
    let names = CompatProfile::ALL.map(CompatProfile::as_str);
    let kind = definitions::find("websocket-compat").unwrap().kind;
    assert!(matches!(kind, definitions::Kind::Choices(choices) if choices == names));
    let message = error(&[], &[], "server:\n  websockets:\n    compat: [tyk, hasrua]\n");
    let expected = "conf/artesian.yaml:3:13: server.websockets.compat: `hasrua` cannot be used: \
                    known are hasura, mercurius, tyk; did you mean `hasura`?";
    assert_eq!(message, expected);
}

#[test]
fn bad_values_name_their_origin() {
    for (name, value, expected) in [
        ("connections", "many", "--connections: `many` cannot be used: it must be a whole number"),
        ("connections", "0", "--connections: must be at least 1"),
        ("server-port", "70000", "from 0 to 65535"),
        ("listen", "8080", "write host:port"),
        ("trusted-proxies", "10.0.0.0/33", "no address and no network"),
        ("trusted-proxies", "127.0.0.1, proxy", "`proxy` is no address"),
        ("websocket-byte-rate", "5000000000", "from 0 to 4294967295"),
        ("listen", "::1:80", "write host:port"),
        ("csrf", "strickt", "did you mean `strict`?"),
        ("read-timeout", "ten", "write a time like"),
        ("read-timeout", "10 parsecs", "write a time like"),
        ("read-timeout", "0", "must be more than 0"),
        ("read-timeout", "99999999999999999999h", "too long"),
        ("log-level", "info,=", "is no level of logs"),
    ] {
        let message = error(&[(name, value)], &[], "");
        assert!(message.contains(expected), "{name}={value}: {message}");
    }
    let message = error(&[], &[("HASURA_GRAPHQL_PG_CONNECTIONS", "x")], "");
    assert!(message.starts_with("environment variable HASURA_GRAPHQL_PG_CONNECTIONS: "));
}

#[test]
fn times_have_units() {
    for (value, milliseconds) in [
        ("500", 500),
        ("500ms", 500),
        ("1.5s", 1500),
        ("2 s", 2000),
        ("1m", 60_000),
        ("1h", 3_600_000),
    ] {
        let name = "live-queries-multiplexed-refetch-interval";
        let settings = load(&[(name, value)], &[], "").unwrap();
        assert_eq!(settings.live.refetch_interval, Duration::from_millis(milliseconds), "{value}");
    }
    let settings = load(&[("read-timeout", "7")], &[], "").unwrap();
    assert_eq!(settings.server.read_timeout, Duration::from_secs(7));
}

#[test]
fn hasuras_host_and_port_count_where_listen_is_not_given() {
    let listen = |variables: &[_]| load(&[], variables, "").unwrap().listen;
    assert_eq!(listen(&[("HASURA_GRAPHQL_SERVER_PORT", "9000")]), "0.0.0.0:9000");
    let host = ("HASURA_GRAPHQL_SERVER_HOST", "::1");
    assert_eq!(listen(&[host, ("HASURA_GRAPHQL_SERVER_PORT", "9000")]), "[::1]:9000");
    assert_eq!(listen(&[host, ("ARTESIAN_LISTEN", "127.0.0.1:1")]), "127.0.0.1:1");
}

#[test]
fn variables_that_do_nothing_are_told() {
    let warnings = load(
        &[],
        &[
            ("ARTESIAN_LISTN", "x"),
            ("HASURA_GRAPHQL_ENABLE_TELEMETRY", "false"),
            ("HASURA_GRAPHQL_STREAMING_QUERIES_MULTIPLEXED_BATCH_SIZE", "7"),
            ("HASURA_GRAPHQL_ADMIN_SECRETT", "x"),
            ("PATH", "/bin"),
        ],
        "",
    );
    let warnings = warnings.unwrap().warnings;
    assert_eq!(
        warnings,
        [
            "the environment variable ARTESIAN_LISTN is not known; did you mean `ARTESIAN_LISTEN`?",
            "HASURA_GRAPHQL_ADMIN_SECRETT has no effect: this version does not support it; did \
             you mean HASURA_GRAPHQL_ADMIN_SECRET?",
            "HASURA_GRAPHQL_STREAMING_QUERIES_MULTIPLEXED_BATCH_SIZE has no effect: this version does \
             not support it",
        ]
    );
}

#[test]
fn an_empty_admin_secret_is_not_the_same_as_none() {
    let settings = load(&[], &[("ARTESIAN_ADMIN_SECRET", "")], "").unwrap();
    assert_eq!(settings.server.auth.admin_secrets, [""], "the server refuses it");
}

#[test]
fn no_error_and_no_debug_output_shows_a_secret() {
    for (name, value) in [
        ("database-url", "mysql://root:hush@h/db"),
        ("database-url", "root:hush@h"),
        ("admin-secrets", "hush"),
        ("admin-secrets", "[hush]"),
    ] {
        let message = error(&[(name, value)], &[], "");
        assert!(!message.contains("hush"), "{message}");
    }
    let given = [("database-url", "postgres://a:hush@h/db"), ("admin-secret", "hush2")];
    let settings = load(&given, &[], "").unwrap();
    assert!(!format!("{settings:?} {:?}", settings.source.database_url).contains("hush"));
    assert_eq!(settings.redactor().clean("x hush y hush2 z"), "x *** y *** z");
}

#[test]
fn the_documentation_has_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (start, end) = ("<!-- settings -->\n\n", "\n\n<!-- /settings -->");
    let (before, rest) = text.split_once(start).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let current = format!("{before}{start}{}{end}{after}", docs::markdown());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, current).unwrap();
    } else {
        assert!(
            text == current,
            "docs/settings.md is not current: run UPDATE_DOCS=1 cargo test -p artesian-cli"
        );
    }
}
