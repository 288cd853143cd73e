//! What became of every field: mapped, mapped with a difference, not mapped, or meaningless here.

use std::fmt::Write;

use super::document::Cursor;

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing takes its place; the text says what to do instead.
    Missing,
    /// Something takes its place that is not quite the same.
    Differs,
    /// The same, under another name.
    Mapped,
    /// It says nothing that matters here.
    Idle,
}

/// A field, or several of the same sort, and what became of them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    verdict: Verdict,
    file: String,
    path: String,
    text: String,
}

/// A variable that must be set before the written file can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Variable {
    name: String,
    text: String,
}

/// What is told when all has been read. It has paths and names and no values: those may be secrets.
#[derive(Debug, Default)]
pub struct Report {
    entries: Vec<Entry>,
    variables: Vec<Variable>,
    notes: Vec<String>,
}

impl Report {
    /// Tells what became of a field. The same words about the same field are told once.
    pub fn tell(&mut self, verdict: Verdict, at: &Cursor<'_>, text: impl Into<String>) {
        self.tell_path(verdict, at.file(), &at.path(), text);
    }

    /// The same by the name of a file and a path.
    pub fn tell_path(&mut self, verdict: Verdict, file: &str, path: &str, text: impl Into<String>) {
        let (file, path) = (file.to_owned(), path.to_owned());
        let entry = Entry { verdict, file, path, text: text.into() };
        if !self.entries.contains(&entry) {
            self.entries.push(entry);
        }
    }

    /// Whether something has been told about one of these paths.
    pub fn knows(&self, file: &str, paths: &[String]) -> bool {
        self.entries.iter().any(|entry| entry.file == file && paths.contains(&entry.path))
    }

    /// What holds for the whole.
    pub fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// A variable that must be set, and what to. Gives `${NAME}`. A name that stands for something else
    /// already gets a number.
    pub fn variable(&mut self, name: &str, text: impl Into<String>) -> String {
        let (mut name, text) = (environment_name(name), text.into());
        let base = name.clone();
        let mut number = 2;
        while let Some(known) = self.variables.iter().find(|variable| variable.name == name) {
            if known.text == text {
                return format!("${{{name}}}");
            }
            name = format!("{base}_{number}");
            number += 1;
        }
        self.variables.push(Variable { name: name.clone(), text });
        format!("${{{name}}}")
    }

    /// The names of the variables that must be set.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|variable| variable.name.as_str())
    }

    fn of(&self, verdict: Verdict) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.verdict == verdict)
    }

    /// How many fields there are of each sort, in a sentence.
    pub fn summary(&self) -> String {
        format!(
            "{} mapped, {} with a difference, {} not mapped, {} without meaning here",
            self.of(Verdict::Mapped).count(),
            self.of(Verdict::Differs).count(),
            self.of(Verdict::Missing).count(),
            self.of(Verdict::Idle).count(),
        )
    }

    /// The report as Markdown.
    pub fn markdown(&self, title: &str) -> String {
        let mut out = format!("# {title}\n\n{}.\n", self.summary());
        // Writing to a string cannot fail.
        if !self.notes.is_empty() {
            out.push('\n');
        }
        for note in &self.notes {
            let _ = writeln!(out, "- {}", line(note));
        }
        if !self.variables.is_empty() {
            out.push_str("\n## Set these variables first\n\n");
        }
        for variable in &self.variables {
            let _ = writeln!(out, "- `{}`: {}", variable.name, line(&variable.text));
        }
        let sections = [
            (Verdict::Missing, "Not mapped", "what to do instead"),
            (Verdict::Differs, "Mapped with a difference", "what it became, and what is different"),
            (Verdict::Mapped, "Mapped", "what it became"),
            (Verdict::Idle, "Without meaning here", "why"),
        ];
        for (verdict, title, heading) in sections {
            let mut entries = self.of(verdict).peekable();
            if entries.peek().is_none() {
                continue;
            }
            let _ = writeln!(out, "\n## {title}\n\n| file | field | {heading} |\n|---|---|---|");
            for Entry { file, path, text, .. } in entries {
                let _ = writeln!(out, "| {} | `{}` | {} |", line(file), line(path), line(text));
            }
        }
        out
    }
}

/// A text in one cell of a table: names of fields come from files and may hold anything.
fn line(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.collect::<String>().replace('|', "\\|")
}

/// A text as the name of an environment variable.
fn environment_name(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_uppercase());
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    let name = name.trim_end_matches('_');
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.to_owned()
    } else {
        format!("TYK_{name}").trim_end_matches('_').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_names_of_their_own() {
        let mut report = Report::default();
        assert_eq!(report.variable("my orders-x.token", "a"), "${MY_ORDERS_X_TOKEN}");
        assert_eq!(report.variable("MY_ORDERS_X_TOKEN", "a"), "${MY_ORDERS_X_TOKEN}");
        assert_eq!(report.variable("my-orders-x-token", "b"), "${MY_ORDERS_X_TOKEN_2}");
        assert_eq!(report.variable("7 ü", "c"), "${TYK_7}");
        assert_eq!(report.variables().count(), 3);
    }

    #[test]
    fn a_table_holds_whatever_a_name_is() {
        let mut report = Report::default();
        report.tell_path(Verdict::Missing, "a\n|b", "x`\u{1b}y", "no");
        report.tell_path(Verdict::Missing, "a\n|b", "x`\u{1b}y", "no");
        let text = report.markdown("T");
        assert!(text.contains("| a \\|b | `x` y` | no |\n"), "{text}");
        assert!(text.starts_with("# T\n\n0 mapped, 0 with a difference, 1 not mapped"), "{text}");
    }
}
