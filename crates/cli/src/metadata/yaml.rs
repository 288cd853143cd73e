//! One YAML file as JSON.

use std::path::Path;

use serde_json::Value as Json;

use super::MetadataError;

/// Parses a file's text. A plain `!include path` (a tag, not a string) counts as the string that
/// newer exports write.
pub fn parse(path: &Path, text: &str) -> Result<Json, MetadataError> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        budget: None,
    };
    let text = quote_tags(text);
    if text.lines().all(|line| line.trim_start().starts_with('#') || line.trim().is_empty()) {
        return Ok(Json::Null);
    }
    serde_saphyr::from_str_with_options(&text, options).map_err(|error| {
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        MetadataError::Syntax { path: path.to_owned(), line, column, message: message(&error) }
    })
}

/// An error's message without the place, which is told before it.
pub fn message(error: &serde_saphyr::Error) -> String {
    let options = serde_saphyr::RenderOptions::default();
    let text = error.without_snippet().render_with_options(options);
    let cut = text.find(" at line ").unwrap_or(text.len());
    text[..cut].trim_start_matches("error: ").trim().to_owned()
}

/// `!include a/b.yaml` → `"!include a/b.yaml"`.
fn quote_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_end();
        let place = trimmed.find("!include ");
        let Some(place) = place.filter(|at| is_value_start(&trimmed[..*at])) else {
            out.push_str(line);
            continue;
        };
        out.push_str(&trimmed[..place]);
        out.push('"');
        out.push_str(&trimmed[place..]);
        out.push_str("\"\n");
    }
    out
}

/// Whether a value of its own can begin after this text of a line.
fn is_value_start(before: &str) -> bool {
    let before = before.trim_end();
    before.is_empty() || before.ends_with(':') || before.ends_with('-')
}
