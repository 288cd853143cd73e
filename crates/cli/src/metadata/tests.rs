//! Metadata from files and folders.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::json;

use super::*;

/// A folder that goes away with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn with(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("artesian-metadata-{}-{number}", std::process::id());
        let root = std::env::temp_dir().join(name);
        for (path, content) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        Self(root)
    }

    fn error(&self) -> String {
        read(&self.0).unwrap_err().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const DATABASES: &str = "\
- name: default
  kind: postgres
  configuration:
    connection_info:
      database_url:
        from_env: PG_URL
  tables: \"!include default/tables/tables.yaml\"
";

#[test]
fn a_folder_becomes_one_document() {
    let scratch = Scratch::with(&[
        ("version.yaml", "version: 3\n"),
        ("databases/databases.yaml", DATABASES),
        (
            "databases/default/tables/tables.yaml",
            "- \"!include public_author.yaml\"\n- !include public_book.yaml\n",
        ),
        (
            "databases/default/tables/public_author.yaml",
            "table:\n  name: author\n  schema: public\nselect_permissions:\n  - role: user\n    \
             permission:\n      columns: '*'\n      filter: {}\n      limit: 10\n",
        ),
        ("databases/default/tables/public_book.yaml", "table: {name: book, schema: public}\n"),
        ("inherited_roles.yaml", "[]\n"),
        ("actions.graphql", "\n"),
        ("actions.yaml", "actions: []\ncustom_types:\n  enums: []\n"),
        ("allow_list.yaml", "# nothing\n"),
    ]);
    let expected = json!({
        "version": 3,
        "sources": [{
            "name": "default",
            "kind": "postgres",
            "configuration": {"connection_info": {"database_url": {"from_env": "PG_URL"}}},
            "tables": [
                {
                    "table": {"name": "author", "schema": "public"},
                    "select_permissions": [
                        {"role": "user", "permission": {"columns": "*", "filter": {}, "limit": 10}}
                    ],
                },
                {"table": {"name": "book", "schema": "public"}},
            ],
        }],
        "inherited_roles": [],
        "actions": [],
        "custom_types": {"enums": []},
    });
    assert_eq!(read(&scratch.0).unwrap(), expected);
    assert!(artesian_sql::metadata::Metadata::parse(expected).is_ok());
}

#[test]
fn a_file_holds_the_whole_document() {
    let scratch = Scratch::with(&[
        ("m.json", r#"{"version": 3, "sources": []}"#),
        ("m.yaml", "version: 3\nsources: []\n"),
        ("list.json", "[]"),
        ("broken.json", "{\n  \"version\": 3,\n}"),
    ]);
    let expected = json!({"version": 3, "sources": []});
    for name in ["m.json", "m.yaml"] {
        assert_eq!(read(&scratch.0.join(name)).unwrap(), expected);
    }
    let error = |name| read(&scratch.0.join(name)).unwrap_err().to_string();
    assert!(error("list.json").ends_with("metadata is an object with \"version\" and \"sources\""));
    assert!(error("broken.json").contains("broken.json:3:1: this is not JSON"));
    assert!(error("none.json").contains("none.json does not exist"));
}

#[test]
fn yaml_is_read_as_hasura_means_it() {
    let parse = |text| yaml::parse(Path::new("a.yaml"), text).unwrap();
    assert_eq!(
        parse("a: yes\nb: true\nc: ~\nd: 1.50\ne: '7'\nf: !include x.yaml\n"),
        json!({"a": "yes", "b": true, "c": null, "d": 1.5, "e": "7", "f": "!include x.yaml"})
    );
    assert_eq!(parse("a: &x {b: 1}\nc: *x\n"), json!({"a": {"b": 1}, "c": {"b": 1}}));
    assert_eq!(parse("a: 'write !include here'\n"), json!({"a": "write !include here"}));
    assert_eq!(parse("\n# nothing\n"), Json::Null);
}

#[test]
fn errors_name_file_and_line() {
    let version = ("version.yaml", "version: 3\n");
    let broken = "- name: default\n  tables: [\n";
    let message = Scratch::with(&[version, ("databases/databases.yaml", broken)]).error();
    assert!(message.contains("databases/databases.yaml:"), "{message}");
    let twice = "- name: a\n  name: b\n";
    let message = Scratch::with(&[version, ("databases/databases.yaml", twice)]).error();
    assert!(message.contains("databases/databases.yaml:2:"), "{message}");
    let message = Scratch::with(&[version, ("databases/databases.yaml", DATABASES)]).error();
    assert!(message.contains("databases.yaml includes "), "{message}");
    assert!(message.ends_with("default/tables/tables.yaml, which does not exist"), "{message}");
    assert!(Scratch::with(&[("a.yaml", "")]).error().contains("it has no version.yaml"));
    let message = Scratch::with(&[("version.yaml", "3\n")]).error();
    assert!(message.contains("expected `version: 3`"), "{message}");
}

#[test]
fn includes_stay_within_the_folder_and_end() {
    let version = ("version.yaml", "version: 3\n");
    let circle = ("databases/databases.yaml", "\"!include databases.yaml\"\n");
    assert!(Scratch::with(&[version, circle]).error().ends_with("includes itself"));
    let outside = Scratch::with(&[
        ("m/version.yaml", "version: 3\n"),
        ("secret.yaml", "a: 1\n"),
        ("m/databases/databases.yaml", "\"!include ../../secret.yaml\"\n"),
    ]);
    let message = read(&outside.0.join("m")).unwrap_err().to_string();
    assert!(message.ends_with("which is outside of the metadata folder"), "{message}");
}
