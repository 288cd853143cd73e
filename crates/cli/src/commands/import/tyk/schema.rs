//! Schemas: written beside the configuration, or cut down to what a source of events feeds.

use artesian_compose::{Part, ReadLimits, ServiceSchema, compose};

use super::{
    super::{document::Cursor, report::Verdict, yaml::Yaml},
    context::Context,
};

/// The root field of a schema that is asked for nothing: it is taken out again.
const PLACEHOLDER: &str = "_nothing";

/// Writes the schema of a source to a file beside the configuration.
pub fn write(context: &mut Context, source: &str, graphql: &mut Yaml, at: &Cursor<'_>) {
    let Some(sdl) = at.text() else { return };
    if context.alone {
        let text = format!("without --output the schema of `{source}` is read from the service");
        context.report.tell(Verdict::Differs, at, text);
        return;
    }
    if let Err(error) = ServiceSchema::from_sdl(sdl, &ReadLimits::default()) {
        let text =
            format!("the schema of `{source}` is read from the service: this one is not valid");
        // The words of the error name types and fields, no values.
        context.report.tell(Verdict::Differs, at, format!("{text} ({error})"));
        return;
    }
    let name = format!("{source}.graphql");
    graphql.put(&["schema"], Yaml::text(format!("./{name}")));
    let text = format!(
        "`graphql.schema` of `{source}`, in {name}. Take the line away to follow the service's own \
         schema, changes included"
    );
    context.report.tell(Verdict::Mapped, at, text);
    context.files.push((name, format!("{}\n", sdl.trim_end())));
}

/// What of a schema some fields of `Subscription` lead to.
///
/// # Errors
/// The schema is not valid, or has no such fields.
pub fn of_events(sdl: &str, fields: &[String]) -> Result<String, String> {
    // A schema needs something to query.
    let all = format!("{sdl}\nextend type Query {{ {PLACEHOLDER}: Boolean }}\n");
    let schema = ServiceSchema::from_sdl(&all, &ReadLimits::default())
        .map_err(|error| format!("the definition's schema cannot be used: {error}"))?;
    let mut part = Part::new("events", schema);
    let patterns = fields.iter().map(|field| format!("subscription.{field}"));
    for pattern in patterns.chain([format!("query.{PLACEHOLDER}")]) {
        part.include.push(pattern.parse().map_err(|_| "a field has no name".to_owned())?);
    }
    let composed = compose(&[part]).map_err(|error| error.to_string())?;
    let has_all = fields.iter().all(|field| {
        composed.sdl().contains(&format!("  {field}:"))
            || composed.sdl().contains(&format!("  {field}("))
    });
    if fields.is_empty() || !has_all {
        return Err(
            "the definition's schema lacks a field of `Subscription` that it feeds".to_owned()
        );
    }
    // Definitions stand apart by empty lines. The placeholder goes, and so does the directive that the
    // gateway offers by itself.
    let placeholder = format!("{{\n  {PLACEHOLDER}: Boolean\n}}");
    let sdl = composed.sdl();
    let parts: Vec<&str> = sdl
        .trim()
        .split("\n\n")
        .map(|part| part.trim_matches('\n'))
        .filter(|part| !part.contains(&placeholder) && !part.contains("directive @live("))
        .collect();
    Ok(format!("{}\n", parts.join("\n\n")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_events_need_is_cut_out() {
        let sdl = "type Query { a: A } type A { id: ID } scalar Unused
            type Subscription { changed(in: Region): Order, other: A }
            enum Region { NORTH } type Order { id: ID!, by: User } type User { name: String }";
        let cut = of_events(sdl, &["changed".to_owned()]).unwrap();
        for expected in ["changed(in: Region): Order", "enum Region", "type User"] {
            assert!(cut.contains(expected), "{cut}");
        }
        for unexpected in ["other", "type A", "Unused", PLACEHOLDER, "type Query", "@live"] {
            assert!(!cut.contains(unexpected), "{unexpected} in {cut}");
        }
        assert!(of_events(sdl, &["none".to_owned()]).is_err());
        assert!(of_events("type", &["changed".to_owned()]).is_err());
        assert!(of_events("", &["changed".to_owned()]).is_err());
    }
}
