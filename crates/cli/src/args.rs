//! The command line, made from the table of settings and the commands' own arguments.

mod import;

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource, value_parser};

use crate::{
    help,
    settings::{
        Flags,
        definitions::{self, Definition, Group, Kind},
    },
};

/// What a command takes besides its settings.
const DOCUMENT: &str = "document";

/// The whole command line.
pub fn command() -> Command {
    let all = Group::ALL;
    let local = [Group::Source, Group::Limits, Group::Log];
    let with_live = [Group::Source, Group::Live, Group::Limits, Group::Log];
    Command::new("artesian")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A real-time GraphQL server over SQLite and PostgreSQL")
        .after_help(help::ROOT)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            settings(Command::new("serve").about("Serve a database over GraphQL"), &all, false)
                .after_help(help::SERVE),
        )
        .subcommand(demo())
        .subcommand(
            settings(
                Command::new("check").about(
                    "Say what is wrong with settings, authentication, database, privileges and metadata",
                ),
                &all,
                false,
            )
            .args(token())
            .after_help(help::CHECK),
        )
        .subcommand(
            settings(
                Command::new("schema").about("Print the schema that a role sees"),
                &[Group::Source, Group::Log],
                false,
            )
            .arg(role())
            .after_help(help::SCHEMA),
        )
        .subcommand(
            settings(
                operation(Command::new("query").about("Run a query or a mutation once")),
                &local,
                true,
            )
            .args(remote())
            .arg(json("Print the answer on one line, even on a terminal"))
            .after_help(help::QUERY),
        )
        .subcommand(
            settings(
                operation(Command::new("subscribe").about("Follow the results of an operation")),
                &with_live,
                true,
            )
            .args(remote())
            .arg(
                Arg::new("protocol")
                    .long("protocol")
                    .value_name("PROTOCOL")
                    .value_parser(["auto", "graphql-transport-ws", "graphql-ws", "sse"])
                    .default_value("auto")
                    .help("How to subscribe at the endpoint"),
            )
            .arg(
                Arg::new("init-payload")
                    .long("init-payload")
                    .value_name("JSON")
                    .help("The payload of connection_init [default: {\"headers\": …} of --header]"),
            )
            .arg(
                Arg::new("count")
                    .long("count")
                    .value_name("N")
                    .value_parser(value_parser!(u64).range(1..))
                    .help("End after so many results"),
            )
            .arg(json("Print every result as a line of JSON, even on a terminal"))
            .after_help(help::SUBSCRIBE),
        )
        .subcommand(
            settings(
                operation(Command::new("explain").about(
                    "Show the SQL of an operation, what it depends on, and the database's plan",
                )),
                &local,
                true,
            )
            .arg(json("Print it as JSON"))
            .after_help(help::EXPLAIN),
        )
        .subcommand(import::command())
}

fn demo() -> Command {
    let command = Command::new("demo")
        .about("Serve a sample database that keeps changing")
        .arg(
            Arg::new("port")
                .long("port")
                .value_name("PORT")
                .value_parser(value_parser!(u16))
                .help("The port on 127.0.0.1 [default: 8080, or a free one if it is taken]"),
        )
        .arg(
            Arg::new("path")
                .long("path")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Keep the database in this file [default: a temporary one]"),
        )
        .arg(
            Arg::new("speed")
                .long("speed")
                .value_name("FACTOR")
                .value_parser(value_parser!(f64))
                .default_value("1")
                .help("How fast the town lives: 10 is ten times as fast, 0 stands still"),
        )
        .after_help(help::DEMO);
    settings(command, &[Group::Log], false)
}

fn operation(command: Command) -> Command {
    command
        .arg(
            Arg::new(DOCUMENT)
                .value_name("OPERATION")
                .required(true)
                .help("The GraphQL document; @FILE reads it from a file, - from standard input"),
        )
        .arg(
            Arg::new("variables")
                .long("variables")
                .value_name("JSON")
                .help("Values of the variables, as a JSON object; @FILE reads it from a file"),
        )
        .arg(
            Arg::new("operation-name")
                .long("operation-name")
                .value_name("NAME")
                .help("Which operation of the document"),
        )
        .arg(role())
        .arg(
            Arg::new("header")
                .long("header")
                .short('H')
                .value_name("NAME: VALUE")
                .action(ArgAction::Append)
                .help("A header; without --endpoint only X-Hasura-* counts. May be repeated"),
        )
}

fn role() -> Arg {
    Arg::new("role")
        .long("role")
        .value_name("ROLE")
        .help("The role to act as [default: admin; with --endpoint: what the server says]")
}

fn token() -> [Arg; 2] {
    [
        Arg::new("token").long("token").value_name("TOKEN").help(
            "Say whom this token is taken for, or why it is refused; - reads it from standard input, \
             so that no history and no list of processes has it",
        ),
        Arg::new("role")
            .long("role")
            .value_name("ROLE")
            .requires("token")
            .help("The role that is asked for with the token, as by X-Hasura-Role"),
    ]
}

fn remote() -> [Arg; 2] {
    [
        Arg::new("endpoint")
            .long("endpoint")
            .value_name("URL")
            .help("A GraphQL server to ask instead of the database: http, https, ws or wss"),
        Arg::new("admin-secret")
            .long("admin-secret")
            .value_name("SECRET")
            .requires("endpoint")
            .help("Sent as X-Hasura-Admin-Secret to --endpoint"),
    ]
}

fn json(help: &'static str) -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help(help)
}

/// Adds `--config` and the flags of these groups.
fn settings(command: Command, groups: &[Group], takes_document: bool) -> Command {
    let mut command = command.arg(
        Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help_heading("Settings")
            .help("The configuration file [default: artesian.yaml, if it is there]")
            .long_help(
                "The configuration file [env: ARTESIAN_CONFIG] [default: artesian.yaml, if it is \
                 there]",
            ),
    );
    for definition in definitions::ALL.iter().filter(|d| groups.contains(&d.group)) {
        command = command.arg(flag(definition, takes_document));
    }
    command
}

fn flag(definition: &'static Definition, takes_document: bool) -> Arg {
    let mut long_help = format!("{}\n[env: {}]", definition.help, definition.all_env().join(", "));
    if !definition.default.is_empty() {
        long_help.push_str(&format!("\n[default: {}]", definition.default));
    }
    let arg = Arg::new(definition.name)
        .long(definition.name)
        .help_heading(definition.group.title())
        .help(definition.help)
        .long_help(long_help)
        .value_name(value_name(definition.kind));
    match definition.kind {
        // A switch may stand alone. Before a document its value needs a `=`.
        Kind::Switch => {
            arg.num_args(0..=1).require_equals(takes_document).default_missing_value("true")
        }
        Kind::List | Kind::Choices(_) | Kind::Networks => arg.action(ArgAction::Append),
        _ => arg,
    }
}

fn value_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "TEXT",
        Kind::Secret => "SECRET",
        Kind::SecretList | Kind::SecretJson => "JSON",
        Kind::DatabaseUrl | Kind::ServiceUrl => "URL",
        Kind::Path => "PATH",
        Kind::Address => "HOST:PORT",
        Kind::Switch => "true|false",
        Kind::Number => "N",
        Kind::Milliseconds | Kind::Seconds => "TIME",
        Kind::List | Kind::Choices(_) | Kind::Networks => "LIST",
        Kind::Choice(_) => "CHOICE",
    }
}

/// The settings that were given as flags.
pub fn flags(matches: &ArgMatches) -> Flags {
    let mut flags = Flags::new();
    for definition in definitions::ALL {
        let is_given = matches!(
            matches.try_contains_id(definition.name),
            Ok(true) if matches.value_source(definition.name) == Some(ValueSource::CommandLine)
        );
        if is_given && let Ok(Some(values)) = matches.try_get_many::<String>(definition.name) {
            flags.insert(definition.name, values.cloned().collect());
        }
    }
    flags
}

/// An argument's text.
pub fn text<'a>(matches: &'a ArgMatches, name: &str) -> Option<&'a str> {
    matches.try_get_one::<String>(name).ok().flatten().map(String::as_str)
}

/// The `--config` that was given.
pub fn config(matches: &ArgMatches) -> Option<PathBuf> {
    matches.try_get_one::<PathBuf>("config").ok().flatten().cloned()
}

/// The document that was given.
pub fn document(matches: &ArgMatches) -> &str {
    text(matches, DOCUMENT).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn switches_stand_alone_or_have_a_value() {
        let given = |args: &[&str]| {
            let matches = command().try_get_matches_from(args).unwrap();
            flags(matches.subcommand().unwrap().1)
        };
        let of = |text: &str| Flags::from([("stringify-numeric-types", vec![text.to_owned()])]);
        let flag = "--stringify-numeric-types";
        assert_eq!(given(&["artesian", "serve", flag]), of("true"));
        assert_eq!(given(&["artesian", "serve", flag, "false"]), of("false"));
        assert_eq!(given(&["artesian", "serve", "--stringify-numeric-types=false"]), of("false"));
        assert_eq!(given(&["artesian", "query", flag, "{ a }"]), of("true"));
        assert_eq!(given(&["artesian", "serve"]), Flags::new());
    }

    #[test]
    fn lists_may_be_repeated() {
        let args =
            ["artesian", "serve", "--cors-domain", "https://a", "--cors-domain", "https://b"];
        let matches = command().try_get_matches_from(args).unwrap();
        let flags = flags(matches.subcommand().unwrap().1);
        assert_eq!(flags["cors-domain"], ["https://a", "https://b"]);
    }
}
