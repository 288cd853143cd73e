//! The table of settings for `docs/settings.md`.

use std::fmt::Write;

use super::definitions::{self, Definition, Group, Kind};

/// The settings as Markdown, one table for each group.
pub fn markdown() -> String {
    let mut out = String::new();
    for group in Group::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "### {}\n", group.title());
        out.push_str("| flag | environment | in `artesian.yaml` | default | what it does |\n");
        out.push_str("|---|---|---|---|---|\n");
        for definition in definitions::ALL.iter().filter(|d| d.group == group) {
            let environment: Vec<String> =
                definition.all_env().iter().map(|name| format!("`{name}`")).collect();
            let _ = writeln!(
                out,
                "| `--{}` | {} | `{}` | {} | {} |",
                definition.name,
                environment.join("<br>"),
                definition.file,
                default(definition),
                help(definition),
            );
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

fn default(definition: &Definition) -> String {
    if definition.default.is_empty() {
        return String::new();
    }
    format!("`{}`", definition.default)
}

fn help(definition: &Definition) -> String {
    let choices = match definition.kind {
        Kind::Choice(choices) => {
            let choices: Vec<String> = choices.iter().map(|c| format!("`{c}`")).collect();
            format!(" One of {}.", choices.join(", "))
        }
        Kind::Choices(choices) => {
            let choices: Vec<String> = choices.iter().map(|c| format!("`{c}`")).collect();
            format!(" Any of {}, with commas between them.", choices.join(", "))
        }
        Kind::Milliseconds => " A plain number is milliseconds.".to_owned(),
        Kind::Seconds => " A plain number is seconds.".to_owned(),
        _ => String::new(),
    };
    // Whoever writes `<` or `|` in a help text means the letter.
    let text = definition.help.replace('|', "\\|").replace('<', "&lt;");
    let restart = if definitions::NEEDS_RESTART.contains(&definition.name) {
        " Needs a restart to change."
    } else {
        ""
    };
    format!("{text}.{choices}{restart}")
}
