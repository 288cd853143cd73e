//! `artesian import`: what another gateway was told becomes an `artesian.yaml` and a report.

mod document;
mod files;
mod report;
mod tyk;
mod yaml;

use clap::ArgMatches;

use crate::{error::CliError, settings::suggest};

/// What can be imported.
const KNOWN: [&str; 1] = ["tyk"];

/// Imports from the named gateway.
pub fn run(matches: &ArgMatches) -> Result<(), CliError> {
    match matches.subcommand() {
        Some(("tyk", matches)) => tyk::run(matches),
        Some(("hasura", _)) => Err(CliError::Usage(
            "`import hasura` is not in this version. Hasura's metadata needs no import: \
             `artesian serve --metadata PATH` takes it as it is"
                .to_owned(),
        )),
        Some((name, _)) => Err(CliError::Usage(unknown(name))),
        // clap asks for a name before it comes to this.
        None => Err(CliError::Usage("import from what? See artesian import --help".to_owned())),
    }
}

fn unknown(name: &str) -> String {
    let hint = suggest::hint(name, KNOWN);
    let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    format!(
        "nothing can be imported from `{name}`{hint} (known here: {}); see artesian import --help",
        KNOWN.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_known_are_told() {
        assert!(unknown("tik").contains("did you mean `tyk`?"));
        let text = unknown("ko\u{1b}ng");
        assert!(text.contains("`kong` (known here: tyk)"), "{text}");
    }
}
