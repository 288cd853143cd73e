//! Live queries over SQLite whose clients become somebody else while rows change. Every result that
//! is given belongs to the identity that holds then, and in the end each is what a fresh query of
//! that identity gives.

#![allow(clippy::unwrap_used)]

use std::{
    future::{Future, poll_fn},
    path::PathBuf,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use artesian_database::{Database, DatabaseConfig};
use artesian_engine::{
    Allow, Engine, EngineConfig, ErrorCode, Event, Identity, Request, ResultStream, Source,
};
use artesian_live::NoObserver;
use artesian_oracle::{random::Random, servers::setting};
use artesian_sql::metadata::Metadata;
use artesian_sqlite::{Settings, Sqlite, rusqlite::Connection};
use serde_json::{Value as Json, json};

const LONG: Duration = Duration::from_secs(30);

/// Whose a row is follows from its id. The first row of each owner is always there.
const OWNERS: [&str; 3] = ["ada", "bob", "cy"];

const LIST: &str = "{ note(order_by: {id: asc}) { id n } }";

struct World {
    directory: PathBuf,
    engine: Engine,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl World {
    async fn open(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("{name}_{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("world.db");
        Connection::open(&file)
            .unwrap()
            .execute_batch(
                "PRAGMA journal_mode = WAL;
                 CREATE TABLE note (id INTEGER PRIMARY KEY, owner TEXT, n INTEGER);
                 INSERT INTO note VALUES (0, 'ada', 0), (1, 'bob', 0), (2, 'cy', 0);",
            )
            .unwrap();
        let permission = |role: &str, filter: Json| {
            let permission = json!({"columns": ["id", "n"], "filter": filter});
            json!({"role": role, "permission": permission})
        };
        let metadata = Metadata::parse(json!({"version": 3, "sources": [{
            "name": "default", "kind": "sqlite",
            "tables": [{"table": "note", "select_permissions": [
                permission("user", json!({"owner": {"_eq": "X-Hasura-User-Id"}})),
                permission("reader", json!({})),
            ]}],
        }]}))
        .unwrap();
        let mut settings = Settings::new(file);
        settings.data_version_interval = Duration::from_millis(2);
        let config = DatabaseConfig {
            name: "default".into(),
            metadata: Some(metadata),
            live: artesian_live::Config {
                refetch_interval: Duration::from_millis(2),
                ..artesian_live::Config::default()
            },
            ..DatabaseConfig::default()
        };
        let backend = Arc::new(Sqlite::open(settings).await.unwrap());
        let database = Database::open(backend, config, Arc::new(NoObserver)).await.unwrap();
        let engine = Engine::new(database as Arc<dyn Source>, EngineConfig::default());
        Self { directory, engine }
    }

    fn connection(&self) -> Connection {
        let connection = Connection::open(self.directory.join("world.db")).unwrap();
        connection.busy_timeout(Duration::from_secs(20)).unwrap();
        connection
    }

    /// What a query of this identity gives now.
    async fn fresh(&self, identity: &Identity) -> Vec<u8> {
        let request = Request { query: LIST.into(), ..Request::default() };
        let payload = self.engine.prepare(request, identity, Allow::ALL).unwrap().execute().await;
        assert!(!payload.is_error);
        payload.bytes.to_vec()
    }

    async fn subscribe(&self, identity: &Identity) -> Box<dyn ResultStream> {
        let query = format!("subscription {LIST}");
        let request = Request { query: query.into(), ..Request::default() };
        let operation = self.engine.prepare(request, identity, Allow::ALL).unwrap();
        operation.subscribe().await.unwrap()
    }
}

fn identities() -> Vec<Identity> {
    let user = |id: &&str| {
        Identity::new("user", [("x-hasura-user-id".to_owned(), (*id).to_owned())].into())
    };
    let mut all: Vec<_> = OWNERS.iter().map(user).collect();
    all.extend([Identity::new("reader", Default::default()), Identity::admin()]);
    all
}

/// Whether these are rows of that identity: all that it may see of those that are always there, and
/// no others.
fn check(event: Option<Event>, identity: &Identity) -> Vec<u8> {
    let Some(Event::Result(payload)) = event else { panic!("{event:?}") };
    let result: Json = serde_json::from_slice(&payload.bytes).unwrap();
    let rows = result["data"]["note"].as_array().unwrap();
    let ids: Vec<usize> = rows.iter().map(|row| row["id"].as_u64().unwrap() as usize).collect();
    match identity.session.get("x-hasura-user-id") {
        Some(user) => {
            let owner = OWNERS.iter().position(|owner| *owner == user).unwrap();
            assert!(ids.contains(&owner), "not what {user} may see: {ids:?}");
            assert!(ids.iter().all(|id| id % OWNERS.len() == owner), "{user} sees {ids:?}");
        }
        None => {
            assert!((0..OWNERS.len()).all(|id| ids.contains(&id)), "too few rows: {ids:?}");
        }
    }
    payload.bytes.to_vec()
}

/// Changes some rows.
fn write(connection: &Connection, random: &mut Random) {
    let id = OWNERS.len() + random.below(12);
    let owner = OWNERS[id % OWNERS.len()];
    let sql = match random.below(4) {
        0 => format!("INSERT OR REPLACE INTO note VALUES ({id}, '{owner}', 0)"),
        1 => format!("DELETE FROM note WHERE id = {id}"),
        _ => format!("UPDATE note SET n = n + 1 WHERE owner = '{owner}'"),
    };
    connection.execute_batch(&sql).unwrap();
}

struct Subscriber {
    stream: Box<dyn ResultStream>,
    who: usize,
    last: Option<Vec<u8>>,
    /// Whose that was.
    last_of: Option<usize>,
}

/// Whether two of the identities see different rows whatever is written.
fn differ(one: usize, other: usize) -> bool {
    one != other && one.min(other) < OWNERS.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_result_is_of_the_identity_that_holds() {
    let identities = identities();
    let seed = setting("ARTESIAN_ORACLE_SEED", 1);
    for n in 0..setting("ARTESIAN_ORACLE_LIVE_WORLDS", 6) {
        let mut random = Random::new(seed.wrapping_mul(9_000_011).wrapping_add(n));
        let world = World::open(&format!("identities_{n}")).await;
        let connection = world.connection();
        let mut subscribers = Vec::new();
        for _ in 0..6 {
            let who = random.below(identities.len());
            let stream = world.subscribe(&identities[who]).await;
            subscribers.push(Subscriber { stream, who, last: None, last_of: None });
        }
        for _ in 0..400 {
            let which = random.below(subscribers.len());
            let Subscriber { stream, who, last, last_of } = &mut subscribers[which];
            match random.below(6) {
                0 => write(&connection, &mut random),
                1 => {
                    let before = std::mem::replace(who, random.below(identities.len()));
                    assert_eq!(stream.change_identity(&identities[*who]), before != *who);
                }
                // Something is to come, whatever is written.
                2 if last_of.is_none_or(|of| differ(of, *who)) => {
                    let event = tokio::time::timeout(LONG, stream.next()).await.unwrap();
                    (*last, *last_of) = (Some(check(event, &identities[*who])), Some(*who));
                }
                _ => {
                    let next = poll_fn(|cx| Poll::Ready(stream.poll_next(cx))).await;
                    if let Poll::Ready(event) = next {
                        let bytes = check(event, &identities[*who]);
                        assert_ne!(last.as_ref(), Some(&bytes), "told the same result twice");
                        (*last, *last_of) = (Some(bytes), Some(*who));
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
        for Subscriber { stream, who, last, .. } in &mut subscribers {
            let fresh = world.fresh(&identities[*who]).await;
            while last.as_ref() != Some(&fresh) {
                let event = tokio::time::timeout(LONG, stream.next()).await;
                let event = event.unwrap_or_else(|_| panic!("world {n}: a stale result: {last:?}"));
                *last = Some(check(event, &identities[*who]));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_see_it_any_more_is_told_so() {
    let world = World::open("identities_lost").await;
    for (role, code) in [("nobody", ErrorCode::ValidationFailed), ("user", ErrorCode::NotFound)] {
        let mut stream = world.subscribe(&Identity::admin()).await;
        check(stream.next().await, &Identity::admin());
        world.connection().execute_batch("UPDATE note SET n = n + 1").unwrap();
        assert!(stream.change_identity(&Identity::new(role, Default::default())));
        let Some(Event::Ended(errors)) = stream.next().await else { panic!("not ended") };
        assert_eq!(errors[0].extensions.code, code, "{role}");
    }
}

/// A socket whose client does not read is not asked on, also while its operations start.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_one_that_is_not_asked_on() {
    let world = World::open("identities_left").await;
    let ada = &identities()[0];
    let mut left = Box::pin(world.subscribe(ada));
    let is_ready = poll_fn(|cx| Poll::Ready(left.as_mut().poll(cx).is_ready())).await;
    assert!(!is_ready, "it must be under way");
    let mut stream = tokio::time::timeout(LONG, world.subscribe(ada)).await.unwrap();
    check(stream.next().await, ada);
    check(left.await.next().await, ada);
}
