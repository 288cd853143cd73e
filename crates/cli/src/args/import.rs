//! `artesian import`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};

use crate::help;

/// `import`, whose subcommands are the gateways that can be imported. Other names get a message of its
/// own, since some of them need no import.
pub fn command() -> Command {
    Command::new("import")
        .about("Bring the set-up of another gateway along")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .allow_external_subcommands(true)
        .subcommand_value_name("GATEWAY")
        .subcommand_help_heading("Gateways")
        .after_help(help::IMPORT)
        .subcommand(
            Command::new("tyk")
                .about("Make an artesian.yaml and a report of Tyk's API definitions")
                .arg(
                    Arg::new("path")
                        .value_name("PATH")
                        .value_parser(value_parser!(PathBuf))
                        .required(true)
                        .num_args(1..)
                        .help(
                            "API definitions (classic or OAS), policies and tyk.conf: files, or folders \
                             whose *.json and *.conf files are read",
                        ),
                )
                .arg(
                    Arg::new("output")
                        .long("output")
                        .short('o')
                        .value_name("DIR")
                        .value_parser(value_parser!(PathBuf))
                        .help(
                            "Where artesian.yaml, schemas and import-report.md are written; - prints \
                             the YAML to standard output and the report to standard error [default: .]",
                        ),
                )
                .arg(
                    Arg::new("force")
                        .long("force")
                        .action(ArgAction::SetTrue)
                        .help("Replace files that are there"),
                )
                .after_help(help::IMPORT_TYK),
        )
}
