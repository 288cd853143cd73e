//! `version_data`: headers, sizes and times that hold for all of an API, and versions.

use super::{
    super::{document::Cursor, report::Verdict, yaml::Yaml},
    context::Context,
    headers, shared, upstream,
};

/// Reads the versions of an API whose sources begin at an index.
pub fn read(context: &mut Context, root: &Cursor<'_>, first: usize) {
    let data = root.key("version_data");
    let versions = data.key("versions").members();
    let default = data.key("default_version");
    let counts = match versions.as_slice() {
        [(_, only)] => Some(only.clone()),
        _ => default
            .text()
            .and_then(|name| versions.iter().find(|(key, _)| *key == name))
            .or_else(|| versions.iter().find(|(key, _)| *key == "Default"))
            .or_else(|| versions.first())
            .map(|(_, version)| version.clone()),
    };
    default.take();
    let Some(counts) = counts else { return };
    for (name, version) in &versions {
        version.key("name").take();
        if version.path() != counts.path() {
            version.take();
            let text = format!(
                "there are no versions: run one Artesian for each, or give sources a prefix. What \
                 version `{name}` says is left out"
            );
            context.report.tell(Verdict::Missing, version, text);
        }
    }
    version(context, &counts, first);
}

fn version(context: &mut Context, version: &Cursor<'_>, first: usize) {
    if !version.key("global_headers_disabled").is_on() {
        let names: Vec<String> =
            context.sources.iter().skip(first).map(|source| source.name.clone()).collect();
        for (index, name) in names.iter().enumerate() {
            with_graphql(context, first + index, |context, graphql| {
                headers::set_all(context, name, graphql, &version.key("global_headers"));
            });
        }
        let removed = version.key("global_headers_remove");
        if !removed.texts().is_empty() {
            let text = "headers are named that go to services (`graphql.headers.forward`): leave these \
                        out of the list";
            context.report.tell(Verdict::Missing, &removed, text);
        }
    } else {
        version.key("global_headers").take();
        version.key("global_headers_remove").take();
    }
    let size = version.key("global_size_limit");
    if version.key("global_size_limit_disabled").is_on() {
        size.take();
    } else {
        shared::body(context, &size);
    }
    let time = version.key("global_enforce_timeout");
    if version.key("global_enforce_timeout_disabled").is_on() {
        time.take();
    } else {
        timeout(context, &time, first);
    }
    let target = version.key("override_target");
    if target.text().is_some() {
        let text = "this version's own service: write its URL to `graphql.url` of the source";
        context.report.tell(Verdict::Missing, &target, text);
    }
    for key in ["expires", "use_extended_paths"] {
        version.key(key).take();
    }
}

/// A time as Go writes it, for every source of the API.
pub fn timeout(context: &mut Context, at: &Cursor<'_>, first: usize) {
    let millis = at
        .text()
        .and_then(duration)
        // Without a unit it is nanoseconds.
        .or_else(|| at.positive().map(|nanos| (nanos / 1e6).ceil() as u64))
        .filter(|millis| *millis > 0);
    let Some(millis) = millis else { return };
    for source in context.sources.iter_mut().skip(first) {
        if source.body.get("graphql").is_some() {
            source.body.put(&["graphql", "timeouts", "request"], upstream::time(millis));
        }
    }
    context.report.tell(Verdict::Mapped, at, "`graphql.timeouts.request` of the API's sources");
}

/// Milliseconds of a text such as `1m30s`.
pub fn duration(text: &str) -> Option<u64> {
    let (mut total, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(end)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, tail) = after.split_at_checked(unit_end)?;
        let factor = match unit {
            "ms" => 1.0,
            "s" => 1000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * factor;
        rest = tail;
    }
    // A day is longer than anybody waits.
    (total > 0.0).then_some(total.min(86_400_000.0).ceil() as u64)
}

/// Takes the `graphql` of a source out while the context is used, and puts it back.
pub fn with_graphql(
    context: &mut Context,
    index: usize,
    change: impl FnOnce(&mut Context, &mut Yaml),
) {
    let found = context.sources.get(index).and_then(|source| source.body.get("graphql")).cloned();
    let Some(mut graphql) = found else { return };
    change(context, &mut graphql);
    if let Some(source) = context.sources.get_mut(index) {
        source.body.put(&["graphql"], graphql);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_go_are_read() {
        for (text, expected) in [
            ("30s", Some(30_000)),
            ("1m30s", Some(90_000)),
            ("1.5s", Some(1500)),
            ("250ms", Some(250)),
            ("0s", None),
            ("", None),
            ("s", None),
            ("3", None),
            ("3d", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}
