//! What is written must be accepted by what reads it.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use artesian_compose::{ReadLimits, ServiceSchema};
use artesian_gateway::config::SourceKind;
use serde_json::Value as Json;

use super::{super::document::Document, convert};
use crate::settings::{Environment, Flags, Resolver, Settings, file};

/// Every fixture of `tests/fixtures/tyk` but the broken one, each by itself, and the folder.
fn fixtures() -> Vec<Vec<Document>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tyk");
    let read = |folder: &Path| {
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.is_file() && !path.ends_with("broken.json"));
        files.sort();
        files
    };
    let document = |path: &std::path::PathBuf| {
        let json: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        Document::new(path.file_name().unwrap().to_string_lossy(), json)
    };
    let alone = read(&root).into_iter().chain(read(&root.join("apis")));
    let mut all: Vec<Vec<Document>> = alone.map(|path| vec![document(&path)]).collect();
    all.push(read(&root.join("apis")).iter().map(document).collect());
    all.push(read(&root).iter().chain(&read(&root.join("apis"))).map(document).collect());
    assert!(all.len() > 10);
    all
}

/// An environment in which every variable of a text is set.
fn environment(yaml: &str) -> Environment {
    let names = yaml.split("${").skip(1).filter_map(|rest| rest.split('}').next());
    let value = |name: &str| {
        if name.ends_with("URL") { "https://x.example.com/y".into() } else { "x".repeat(40) }
    };
    Environment::from_iter(names.map(|name| (name.to_owned(), value(name))))
}

#[test]
fn what_is_written_is_accepted() {
    let (mut services, mut events) = (0, 0);
    for documents in fixtures() {
        let text = convert(&documents, false).unwrap().yaml.write().unwrap();
        let environment = environment(&text);
        let read = file::parse(Path::new("artesian.yaml"), &text, &environment);
        let read = read.unwrap_or_else(|error| panic!("{error}\n{text}"));
        let settings = Settings::resolve(&Resolver::new(Flags::new(), environment, read));
        let settings = settings.unwrap_or_else(|error| panic!("{error}\n{text}"));
        let sources = settings.gateway.sources;
        // Whatever the definitions say: nobody becomes the administrator by it.
        assert_eq!(settings.server.auth.is_open(), sources.is_empty(), "{text}");
        for source in &sources {
            let SourceKind::Events(source) = &source.kind else {
                services += 1;
                continue;
            };
            events += 1;
            assert!(!source.config.fields.is_empty(), "{text}");
            let sdl = format!("{} type Query {{ a: Int }}", source.schema);
            let schema = ServiceSchema::from_sdl(&sdl, &ReadLimits::default());
            assert!(schema.is_ok(), "{schema:?}\n{sdl}");
        }
    }
    assert!(services > 10 && events > 3, "{services} {events}");
}

/// A sample of the guide: a fenced block behind `<!-- test: NAME -->`.
fn sample(name: &str) -> String {
    let guide = include_str!("../../../../../../docs/migrating-from-tyk.md");
    let (_, rest) = guide.split_once(&format!("<!-- test: {name} -->\n")).unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_example_of_the_guide_is_true() {
    let definition = serde_json::from_str(&sample("import definition")).unwrap();
    let converted = convert(&[Document::new("reviews.json", definition)], false).unwrap();
    assert_eq!(converted.yaml.write().unwrap(), sample("import result"));
}

/// Every field that says something has a line in the report, or is part of one that has.
#[test]
fn nothing_is_left_out_in_silence() {
    for documents in fixtures() {
        let all: Vec<_> = documents.iter().map(Document::everything).collect();
        let report = convert(&documents, false).unwrap().report.markdown("");
        for (document, path) in
            documents.iter().zip(&all).flat_map(|(d, paths)| paths.iter().map(move |p| (d, p)))
        {
            let is_told = |keys: &[String]| {
                let plain = keys.join(".").replace(|c: char| c.is_ascii_digit(), "");
                let lines = report
                    .lines()
                    .filter(|line| line.starts_with(&format!("| {} |", document.file)));
                lines.into_iter().any(|line| {
                    let line = line.replace(|c: char| c.is_ascii_digit(), "");
                    let list = plain.trim_end_matches("[]");
                    line.contains(&format!("`{plain}` |")) || line.contains(&format!("`{list}` |"))
                })
            };
            let told = (1..=path.len()).any(|length| is_told(&path[..length]));
            assert!(told, "{}: {}\n{report}", document.file, path.join("."));
        }
    }
}

/// What reads a field and forgets to tell of it is found by the line that nobody wrote for it. This
/// is the list of those that need none.
#[test]
fn what_needs_no_line_of_its_own_is_known() {
    let parts = [
        "active",
        "enable",
        "enabled",
        "name",
        "type",
        "key",
        "api_id",
        "per",
        "strip",
        "slug",
        "strip_listen_path",
        "not_versioned",
        "use_extended_paths",
        "method",
        "kind",
        "use_cookie",
        "listen_address",
        "signingMethod",
        "jwt_signing_method",
        "title",
        "version",
        "openapi",
        "in",
        "scheme",
        "bearerFormat",
        "allow_credentials",
        "param_name",
    ];
    for documents in fixtures() {
        let report = convert(&documents, false).unwrap().report.markdown("");
        for line in report.lines().filter(|line| line.contains("read with the fields beside")) {
            let path = line.split('`').nth(1).unwrap();
            let last = path.rsplit('.').next().unwrap();
            assert!(parts.contains(&last), "{line}");
        }
    }
}
