//! Live queries over a real database while its metadata and its schema change.

#![allow(clippy::unwrap_used)]

use std::{path::PathBuf, sync::Arc, time::Duration};

use artesian_database::{Database, DatabaseConfig};
use artesian_engine::{
    Allow, Engine, EngineConfig, ErrorCode, Event, GraphQLError, Identity, Request, ResultStream,
    Source,
};
use artesian_live::NoObserver;
use artesian_sql::{metadata::Metadata, model::Options};
use artesian_sqlite::{Settings, Sqlite, rusqlite::Connection};
use serde_json::{Value as Json, json};

const LONG: Duration = Duration::from_secs(30);

struct World {
    directory: PathBuf,
    database: Arc<Database<Sqlite>>,
    engine: Engine,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn metadata(columns: &[&str], filter: &Json) -> Metadata {
    let permission = |columns: &[&str], filter: &Json| json!([{"role": "user", "permission": {"columns": columns, "filter": filter}}]);
    Metadata::parse(json!({"version": 3, "sources": [{
        "name": "default", "kind": "sqlite",
        "tables": [
            {"table": "note", "select_permissions": permission(columns, filter)},
            {"table": "loud", "select_permissions": permission(&["title"], &json!({}))},
        ],
    }]}))
    .unwrap()
}

impl World {
    async fn open(name: &str, metadata: Metadata) -> Self {
        let directory = std::env::temp_dir().join(format!("{name}_{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("world.db");
        Connection::open(&file)
            .unwrap()
            .execute_batch(
                "CREATE TABLE note (id INTEGER PRIMARY KEY, owner TEXT, title TEXT);
                 INSERT INTO note VALUES (1, 'ada', 'one'), (2, 'ada', 'two'), (3, 'bob', 'three');
                 CREATE VIEW loud AS SELECT upper(title) AS title FROM note WHERE id = 1;",
            )
            .unwrap();
        let mut settings = Settings::new(file);
        settings.data_version_interval = Duration::from_millis(5);
        let backend = Arc::new(Sqlite::open(settings).await.unwrap());
        let config = DatabaseConfig {
            name: "default".into(),
            metadata: Some(metadata),
            ..DatabaseConfig::default()
        };
        let database = Database::open(backend, config, Arc::new(NoObserver)).await.unwrap();
        let source = Arc::clone(&database) as Arc<dyn Source>;
        Self { directory, database, engine: Engine::new(source, EngineConfig::default()) }
    }

    fn run(&self, sql: &str) {
        let connection = Connection::open(self.directory.join("world.db")).unwrap();
        connection.busy_timeout(LONG).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    async fn live(&self, query: &str) -> Live {
        self.live_with(query, json!({})).await
    }

    async fn live_with(&self, query: &str, variables: Json) -> Live {
        let request = Request {
            query: format!("subscription {query}").into(),
            variables: serde_json::from_value(variables).unwrap(),
            ..Request::default()
        };
        let identity =
            Identity::new("user", [("x-hasura-user-id".to_owned(), "ada".to_owned())].into());
        let operation = self.engine.prepare(request, &identity, Allow::ALL).unwrap();
        Live(operation.subscribe().await.unwrap())
    }

    async fn replace(&self, metadata: Metadata) {
        self.database.replace_metadata(Some(metadata), Options::default()).await.unwrap();
    }
}

struct Live(Box<dyn ResultStream>);

impl Live {
    async fn event(&mut self) -> Event {
        tokio::time::timeout(LONG, self.0.next()).await.unwrap().unwrap()
    }

    async fn data(&mut self) -> Json {
        match self.event().await {
            Event::Result(payload) => serde_json::from_slice(&payload.bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn ended(&mut self) -> GraphQLError {
        match self.event().await {
            Event::Ended(mut errors) => errors.remove(0),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn narrowed_permissions_hold_for_what_runs() {
    let everything = json!({});
    let world =
        World::open("reload_permissions", metadata(&["id", "title", "owner"], &everything)).await;
    let mut titles = world.live("{ note(order_by: {id: asc}) { id title } }").await;
    let mut ids = world.live("{ note(order_by: {id: asc}) { id } }").await;
    let mut by_owner = world.live(r#"{ note(where: {owner: {_eq: "bob"}}) { id } }"#).await;
    let titled =
        json!([{"id": 1, "title": "one"}, {"id": 2, "title": "two"}, {"id": 3, "title": "three"}]);
    assert_eq!(titles.data().await, json!({"data": {"note": titled}}));
    assert_eq!(ids.data().await, json!({"data": {"note": [{"id": 1}, {"id": 2}, {"id": 3}]}}));
    assert_eq!(by_owner.data().await, json!({"data": {"note": [{"id": 3}]}}));

    // Rows are narrowed, and then a column goes: the former shows less, the latter ends.
    let own = json!({"owner": {"_eq": "X-Hasura-User-Id"}});
    world.replace(metadata(&["id", "title"], &own)).await;
    world.run("INSERT INTO note VALUES (4, 'bob', 'four')");
    assert_eq!(
        titles.data().await,
        json!({"data": {"note": [{"id": 1, "title": "one"}, {"id": 2, "title": "two"}]}})
    );
    assert_eq!(ids.data().await, json!({"data": {"note": [{"id": 1}, {"id": 2}]}}));
    let error = by_owner.ended().await;
    assert_eq!(error.extensions.code, ErrorCode::ValidationFailed);

    world.replace(metadata(&["id"], &own)).await;
    let error = titles.ended().await;
    assert_eq!(error.extensions.path, "$.selectionSet.note.selectionSet.title");
    // What is still valid hears of the next row, and of nothing before it.
    world.run("INSERT INTO note VALUES (5, 'ada', 'five')");
    assert_eq!(ids.data().await, json!({"data": {"note": [{"id": 1}, {"id": 2}, {"id": 5}]}}));
}

#[tokio::test]
async fn what_runs_keeps_its_variables() {
    let world = World::open("reload_variables", metadata(&["id", "title"], &json!({}))).await;
    let query = "($title: String, $from: Int = 2) {
        note(where: {_or: [{title: {_eq: $title}}, {id: {_gte: $from}}]}, order_by: {id: asc}) { id }
    }";
    let mut quoted = world.live_with(query, json!({"title": "\"é\\\n"})).await;
    let mut late = world.live_with(query, json!({"title": "none", "from": 3})).await;
    assert_eq!(quoted.data().await, json!({"data": {"note": [{"id": 2}, {"id": 3}]}}));
    assert_eq!(late.data().await, json!({"data": {"note": [{"id": 3}]}}));
    let own = json!({"owner": {"_eq": "X-Hasura-User-Id"}});
    world.replace(metadata(&["id", "title"], &own)).await;
    assert_eq!(quoted.data().await, json!({"data": {"note": [{"id": 2}]}}));
    assert_eq!(late.data().await, json!({"data": {"note": []}}));
    world.run("UPDATE note SET title = '\"é\\' || char(10) WHERE id = 1");
    assert_eq!(quoted.data().await, json!({"data": {"note": [{"id": 1}, {"id": 2}]}}));
}

#[tokio::test]
async fn metadata_that_names_another_source_changes_nothing() {
    let world = World::open("reload_refused", metadata(&["id"], &json!({}))).await;
    let mut ids = world.live("{ note { id } }").await;
    ids.data().await;
    let other = json!({"version": 3, "sources": [{"name": "elsewhere"}, {"name": "nowhere"}]});
    let other = Metadata::parse(other).unwrap();
    let refused = world.database.replace_metadata(Some(other), Options::default()).await;
    assert!(refused.unwrap_err().to_string().contains("elsewhere"));
    // Neither does the next look at the catalog take it up.
    world.database.reload().await.unwrap();
    world.run("DELETE FROM note WHERE id > 1");
    assert_eq!(ids.data().await, json!({"data": {"note": [{"id": 1}]}}));
}

#[tokio::test]
async fn the_schema_changes_under_what_runs() {
    let world = World::open("reload_schema", metadata(&["id", "title"], &json!({}))).await;
    let mut titles = world.live("{ note(where: {id: {_eq: 1}}) { title } }").await;
    let mut ids = world.live("{ note(where: {id: {_lt: 3}}) { id } }").await;
    let mut loud = world.live("{ loud { title } }").await;
    assert_eq!(loud.data().await, json!({"data": {"loud": [{"title": "ONE"}]}}));
    ids.data().await;
    titles.data().await;

    // A view of the same name that reads another table: its new dependency counts.
    world.run(
        "CREATE TABLE other (title TEXT); INSERT INTO other VALUES ('x');
         DROP VIEW loud; CREATE VIEW loud AS SELECT title FROM other;",
    );
    assert_eq!(loud.data().await, json!({"data": {"loud": [{"title": "x"}]}}));
    world.run("UPDATE other SET title = 'y'");
    assert_eq!(loud.data().await, json!({"data": {"loud": [{"title": "y"}]}}));

    world.run("ALTER TABLE note RENAME COLUMN title TO heading");
    // The database may refuse the old statement before the new schema is known.
    let error = loop {
        match titles.event().await {
            Event::Ended(mut errors) => break errors.remove(0),
            Event::Error(_) => {}
            Event::Result(payload) => panic!("{payload:?}"),
        }
    };
    assert_eq!(error.extensions.code, ErrorCode::ValidationFailed);
    world.run("DELETE FROM note WHERE id = 1");
    assert_eq!(ids.data().await, json!({"data": {"note": [{"id": 2}]}}));
}
