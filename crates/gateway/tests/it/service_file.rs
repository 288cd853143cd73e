//! Schemas of files.

use std::{path::PathBuf, time::Duration};

use artesian_gateway::service::{Outcome, State};

use crate::scripted::*;

/// A file that goes with its directory.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("artesian-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = Self(directory.join("schema.graphql"));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_at_start_and_on_demand() {
    let file = File::new("demand", "type Query { a: Int }");
    // The service itself is not asked.
    let scripted = Scripted::new(Script::Down);
    let service = start(&scripted, from_file(file.0.clone()));
    let mut changes = service.changes();
    changed(&mut changes).await;
    assert_eq!((fields(&service), state(&service)), (vec!["a".to_owned()], State::Up));
    assert_eq!(service.status().schema_file.as_deref(), file.0.to_str());

    file.write("type Query { b: Int }");
    tokio::time::sleep(Duration::from_secs(100_000)).await;
    assert_eq!(fields(&service), ["a"], "nobody has asked");
    let outcome = service.refresh_now().await;
    assert_eq!(outcome, Ok(Outcome::Changed("gone: Query.a; added: Query.b".to_owned())));
    assert_eq!(fields(&service), ["b"]);
    file.write("# a comment\ntype Query { b: Int }\n");
    assert_eq!(service.refresh_now().await, Ok(Outcome::Unchanged));

    for (text, expected) in [
        ("type Query {", "the schema is not valid"),
        ("type Query { a: Nothing }", "the schema is not valid"),
        ("", "the schema is not valid"),
    ] {
        file.write(text);
        let error = service.refresh_now().await.unwrap_err().to_string();
        assert!(error.starts_with(file.0.to_str().unwrap()), "{error}");
        assert!(error.contains(expected), "{text}: {error}");
        assert_eq!((fields(&service), state(&service)), (vec!["b".to_owned()], State::Down));
    }
    assert_eq!(scripted.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_missing_or_too_large_is_looked_for_again() {
    let file = File::new("missing", "type Query { a: Int }");
    std::fs::remove_file(&file.0).unwrap();
    let mut config = from_file(file.0.clone());
    config.read_limits.bytes = 64;
    let service = start(&Scripted::new(Script::Down), config);
    let mut changes = service.changes();
    let error = service.refresh_now().await.unwrap_err().to_string();
    assert!(error.contains("schema.graphql: No such file"), "{error}");
    file.write(&format!("type Query {{ a: Int }} #{}", " ".repeat(1000)));
    let error = service.refresh_now().await.unwrap_err().to_string();
    assert!(error.ends_with("the schema has more than 64 bytes"), "{error}");
    std::fs::write(&file.0, b"\xff").unwrap();
    assert!(service.refresh_now().await.is_err());
    file.write("type Query { a: Int }");
    changed(&mut changes).await;
    assert_eq!(fields(&service), ["a"]);
}
