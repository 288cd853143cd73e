//! What is written must be accepted by what reads it.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use serde_json::Value as Json;

use super::{super::document::Document, convert};
use crate::{
    commands::import::yaml::Yaml,
    settings::{Environment, Flags, Resolver, Settings, file},
};

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
fn settings_are_accepted() {
    for documents in fixtures() {
        let mut yaml = convert(&documents, false).unwrap().yaml;
        let has_sources = yaml.get("sources").is_some();
        // Sources have a reader of their own.
        if let Yaml::Map(members) = &mut yaml {
            members.retain(|(key, _)| key != "sources");
        }
        let text = yaml.write().unwrap();
        let environment = environment(&text);
        let values = file::parse(Path::new("artesian.yaml"), &text, &environment);
        let values = values.unwrap_or_else(|error| panic!("{error}\n{text}"));
        let settings = Settings::resolve(&Resolver::new(Flags::new(), environment, values));
        let settings = settings.unwrap_or_else(|error| panic!("{error}\n{text}"));
        // Whatever the definitions say: nobody becomes the administrator by it.
        assert_eq!(settings.server.auth.is_open(), !has_sources, "{text}");
    }
}

/// Fields that belong to another that is told of.
const PARTS: &[&str] = &[];

#[test]
fn nothing_that_says_something_is_left_unsaid() {
    let mut untold = std::collections::BTreeSet::new();
    for documents in fixtures() {
        // Before anything was read, all that says something is left over.
        let all: Vec<_> = documents.iter().map(Document::leftovers).collect();
        let report = convert(&documents, false).unwrap().report.markdown("");
        for (document, path) in
            documents.iter().zip(&all).flat_map(|(d, paths)| paths.iter().map(move |p| (d, p)))
        {
            // What stands above may be told of as a whole.
            let is_told = (1..=path.len()).any(|length| {
                let keys = &path[..length];
                let told =
                    |keys: String| report.contains(&format!("| {} | `{keys}` |", document.file));
                let list = keys.join(".");
                let list = list.strip_suffix(']').and_then(|l| l.rsplit_once('[')).map(|(l, _)| l);
                told(keys.join("."))
                    || told(super::advice::plain(keys))
                    || list.is_some_and(|list| told(list.to_owned()))
            });
            let plain = super::advice::plain(path);
            if !is_told && !PARTS.iter().any(|part| plain.ends_with(part)) {
                untold.insert(format!("{}: {plain}", document.file));
            }
        }
    }
    assert!(untold.is_empty(), "{untold:#?}");
}
