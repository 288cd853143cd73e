//! `artesian import`: fixtures written for these tests after the structures of Tyk's, and what they
//! become. `BLESS=1 cargo test -p artesian-cli --test cli importing` writes the expected files anew;
//! read the difference before it is committed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::support::{Ended, Scratch};

/// What every secret of the fixtures has in it.
const SECRET: &str = "hush";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tyk")
}

/// Runs the import of these fixtures.
fn import(scratch: &Scratch, fixtures_: &[&str], more: &[&str]) -> Ended {
    let paths: Vec<String> =
        fixtures_.iter().map(|name| fixtures().join(name).display().to_string()).collect();
    let mut args = vec!["import", "tyk"];
    args.extend(paths.iter().map(String::as_str));
    args.extend(more);
    scratch.run(&args)
}

/// Every file of a folder by its name.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(folder)
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>())
        .unwrap_or_default()
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn is_as_expected(name: &str, inputs: &[&str]) {
    let scratch = Scratch::new();
    let ended = import(&scratch, inputs, &["--output", "out"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let written = files(&scratch.path("out"));
    for (file, text) in &written {
        assert!(!text.contains(SECRET), "a secret in {file}:\n{text}");
        assert!(ended.out.contains(&format!("wrote out/{file}\n")), "{file}: {}", ended.out);
    }
    assert!(!ended.out.contains(SECRET) && !ended.err.contains(SECRET), "{ended:?}");
    let expected = fixtures().join("expected").join(name);
    if std::env::var_os("BLESS").is_some() {
        let _ = fs::remove_dir_all(&expected);
        fs::create_dir_all(&expected).unwrap();
        for (file, text) in &written {
            fs::write(expected.join(file), text).unwrap();
        }
    }
    let known = files(&expected);
    let names = |files: &[(String, String)]| files.iter().map(|f| f.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(&written), names(&known), "{name}");
    for ((file, written), (_, known)) in written.iter().zip(&known) {
        assert_eq!(written, known, "{name}/{file}");
    }
}

#[test]
fn a_folder_with_a_proxy_a_graph_and_the_gateways_settings() {
    is_as_expected("folder", &["apis"]);
}

#[test]
fn policies_beside_a_definition() {
    is_as_expected("policies", &["apis/udg.json", "policies.json"]);
}

#[test]
fn an_api_for_everybody() {
    is_as_expected("keyless", &["keyless.json"]);
}

#[test]
fn apis_for_different_clients_stay_apart() {
    is_as_expected("mixed", &["keyless.json", "hmac.json", "oas.json"]);
}

#[test]
fn a_shared_secret() {
    is_as_expected("hmac", &["hmac.json"]);
}

#[test]
fn a_key_that_cannot_be_read_lets_nobody_in() {
    is_as_expected("rsa", &["rsa.json"]);
}

#[test]
fn a_supergraph() {
    is_as_expected("supergraph", &["supergraph.json"]);
}

#[test]
fn an_oas_definition() {
    is_as_expected("oas", &["oas.json"]);
}

#[test]
fn fields_that_nobody_knows_are_told() {
    is_as_expected("unknown", &["unknown.json"]);
}

#[test]
fn a_gateway_without_websockets() {
    is_as_expected("no-sockets", &["no-sockets.conf"]);
}

#[test]
fn the_yaml_goes_to_standard_output() {
    let scratch = Scratch::new();
    let ended = import(&scratch, &["keyless.json"], &["-o", "-"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.starts_with("sources:\n  - name: open-data\n"), "{}", ended.out);
    assert!(ended.err.starts_with("# What became of"), "{}", ended.err);
    assert!(files(scratch.root()).is_empty());
}

#[test]
fn nothing_is_overwritten_unless_asked_for() {
    let scratch = Scratch::new();
    scratch.write("artesian.yaml", "# mine\n");
    let ended = import(&scratch, &["keyless.json"], &[]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("artesian.yaml is there already"), "{}", ended.err);
    assert_eq!(files(scratch.root()), [("artesian.yaml".to_owned(), "# mine\n".to_owned())]);
    assert_eq!(import(&scratch, &["keyless.json"], &["--force"]).code, Some(0));
    assert!(files(scratch.root())[0].1.starts_with("sources:"));
}

#[test]
fn what_is_not_of_tyk_is_an_error() {
    let scratch = Scratch::new();
    scratch.write("folder/notes.txt", "");
    scratch.write("other.json", "{\"name\": \"package\", \"version\": \"1\"}");
    scratch.write("list.json", "[]");
    scratch.write("text.json", "\u{feff}not json, with hush in it");
    for (args, expected) in [
        (&["folder"][..], "folder has no files that end in .json or .conf"),
        (&["none.json"], "none.json cannot be read"),
        (&["other.json"], "no Tyk API definition, policy or tyk.conf in other.json"),
        (&["other.json", "list.json"], "in other.json, list.json"),
        (&["text.json"], "text.json is no JSON: "),
    ] {
        let ended = scratch.run(&[&["import", "tyk"], args].concat());
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains(expected), "no {expected:?} in {}", ended.err);
        assert!(!ended.err.contains(SECRET), "{}", ended.err);
    }
    let ended = import(&scratch, &["broken.json"], &[]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("broken.json is no JSON: EOF"), "{}", ended.err);
    // The place, without the machine's own path to it.
    assert!(ended.err.contains("at line 2 column 0"), "{}", ended.err);
}

#[test]
fn other_gateways_are_told_from_misspelt_ones() {
    let scratch = Scratch::new();
    for (name, expected) in [
        ("hasura", "artesian serve --metadata PATH"),
        ("tik", "did you mean `tyk`?"),
        ("kong", "nothing can be imported from `kong` (known here: tyk)"),
    ] {
        let ended = scratch.run(&["import", name, "x"]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains(expected), "{}", ended.err);
    }
    assert_eq!(scratch.run(&["import"]).code, Some(2));
    assert!(scratch.run(&["import", "tyk", "--help"]).out.contains("Examples:"));
}
