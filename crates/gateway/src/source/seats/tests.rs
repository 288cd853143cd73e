use std::time::Duration;

use artesian_engine::{Generation, GraphQLError, Plan, Source};
use artesian_graphql::{
    bind::BoundOperation,
    introspection_types::meta_fields,
    schema::{Field, TypeKind, TypeRef},
};
use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::json;

use super::*;
use crate::{
    config::Prefix,
    service::State,
    source::{
        DatabaseMember, Sources,
        testing::{gateway_of, member, schema},
    },
};

fn named(name: &str) -> Arc<Member> {
    member(&json!({"name": name, "graphql": {"url": "http://service/graphql"}}))
}

async fn gateway(names: &[&str]) -> (Arc<Gateway>, Vec<Arc<Member>>) {
    let members: Vec<_> = names.iter().map(|name| named(name)).collect();
    (gateway_of(&members).await, members)
}

/// A database whose tables change.
struct Tables {
    schema: Mutex<Arc<Schema>>,
    generation: Generation,
}

fn tables(names: &[&str]) -> Arc<Schema> {
    let mut schema = Schema::new("query_root");
    let field = |name: &&str| ((*name).into(), Field::new(TypeRef::named("Int")));
    let roots = names.iter().map(field).chain(meta_fields().map(|(n, f)| (n.into(), f)));
    schema.add("query_root", None, TypeKind::Object(roots.collect()));
    Arc::new(schema)
}

impl Tables {
    /// With one table, before these services.
    async fn before(members: &[Arc<Member>]) -> (Arc<Self>, Arc<Gateway>) {
        let schema = Mutex::new(tables(&["a"]));
        let source = Arc::new(Self { schema, generation: Generation::default() });
        let database = DatabaseMember {
            name: "data".into(),
            prefix: Prefix::default(),
            source: Arc::clone(&source) as _,
        };
        let sources = Sources { services: members.to_vec(), events: Vec::new() };
        let gateway = Gateway::start(Some(database), sources, Duration::ZERO).await.unwrap();
        (source, gateway)
    }

    fn change(&self, names: &[&str]) {
        *self.schema.lock() = tables(names);
        self.generation.advance();
    }
}

#[async_trait]
impl Source for Tables {
    fn schema(&self, _: &str) -> Option<Arc<Schema>> {
        Some(Arc::clone(&self.schema.lock()))
    }

    fn plan(&self, _: &str, _: &BoundOperation) -> Result<Arc<dyn Plan>, GraphQLError> {
        panic!("nobody asks")
    }

    fn generation(&self) -> Generation {
        self.generation.clone()
    }

    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Which of these root fields there are.
fn fields(gateway: &Gateway) -> Vec<&'static str> {
    let sdl = gateway.reader("admin").map(|reader| reader.sdl()).unwrap_or_default();
    let is_there = |field: &&str| sdl.contains(&format!("  {field}: "));
    ["a", "b", "c", "x", "y"].into_iter().filter(is_there).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_taken_when_it_can_be() {
    let (gateway, members) = gateway(&["one", "two", "three"]).await;
    let [one, two, three] = &members[..] else { panic!("three") };
    assert_eq!(gateway.accept(one, schema("type Query { a: Int x: Int }")), None);
    assert_eq!(fields(&gateway), ["a", "x"]);

    let generation = gateway.generation.now();
    let refused = gateway.accept(two, schema("type Query { b: Int x: String y: Int }")).unwrap();
    assert!(refused.contains('x') && refused.contains("two"), "{refused}");
    assert_eq!((fields(&gateway), gateway.generation.now()), (vec!["a", "x"], generation));
    assert_eq!(gateway.refused("two"), Some(Arc::clone(&refused)));
    assert_eq!(gateway.refused("one"), None);
    // It is told of what is so, if it asks again.
    let offered = gateway.members.load()[1].offered.clone().unwrap();
    assert_eq!(gateway.accept(two, offered), Some(refused));

    // This one has a place as long as the second one has none.
    assert_eq!(gateway.accept(three, schema("type Query { c: Int y: Int }")), None);
    assert_eq!(fields(&gateway), ["a", "c", "x", "y"]);
    // Room for half of it is not enough.
    assert_eq!(gateway.accept(one, schema("type Query { a: Int }")), None);
    assert_eq!(fields(&gateway), ["a", "c", "y"]);
    assert!(gateway.refused("two").unwrap().contains('y'));
    assert_eq!(gateway.accept(three, schema("type Query { c: Int }")), None);
    assert_eq!(fields(&gateway), ["a", "b", "c", "x", "y"]);
    assert_eq!(gateway.refused("two"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_schema_leaves_the_one_before_in_use() {
    let (gateway, members) = gateway(&["one", "two"]).await;
    let [one, two] = &members[..] else { panic!("two") };
    assert_eq!(gateway.accept(one, schema("type Query { a: Int }")), None);
    assert_eq!(gateway.accept(two, schema("type Query { b: Int }")), None);
    assert!(gateway.accept(two, schema("type Query { a: Int x: Int }")).is_some());
    assert_eq!(fields(&gateway), ["a", "b"]);
    // The fields change owners in an order in which they are twice for a moment.
    assert_eq!(gateway.accept(one, schema("type Query { c: Int }")), None);
    assert_eq!(fields(&gateway), ["a", "c", "x"]);
}

/// Taking one makes room for another, which makes room for a third that was looked at before.
#[tokio::test(flavor = "multi_thread")]
async fn room_is_made_one_after_the_other() {
    let (gateway, members) = gateway(&["one", "two", "three"]).await;
    let [one, two, three] = &members[..] else { panic!("three") };
    for (member, field) in [(one, "a"), (two, "b"), (three, "c")] {
        assert_eq!(gateway.accept(member, schema(&format!("type Query {{ {field}: Int }}"))), None);
    }
    assert!(gateway.accept(one, schema("type Query { b: Int }")).is_some());
    assert!(gateway.accept(two, schema("type Query { c: Int }")).is_some());
    assert_eq!(fields(&gateway), ["a", "b", "c"]);
    assert_eq!(gateway.accept(three, schema("type Query { x: Int }")), None);
    assert_eq!(fields(&gateway), ["b", "c", "x"]);
    assert!(["one", "two"].iter().all(|name| gateway.refused(name).is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_settings_may_make_room() {
    let (gateway, members) = gateway(&["one", "two"]).await;
    let [one, two] = &members[..] else { panic!("two") };
    assert_eq!(gateway.accept(one, schema("type Query { a: Int }")), None);
    assert!(gateway.accept(two, schema("type Query { a: Int b: Int }")).is_some());
    let alone = Sources { services: vec![Arc::clone(two)], events: Vec::new() };
    gateway.replace(alone).unwrap();
    assert_eq!((fields(&gateway), gateway.refused("two")), (vec!["a", "b"], None));
}

/// Tables cannot be refused. Who conflicts with a new one gives way, and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn services_give_way_to_tables() {
    let source =
        Arc::new(Tables { schema: Mutex::new(tables(&["a"])), generation: Generation::default() });
    let database = DatabaseMember {
        name: "data".into(),
        prefix: Prefix::default(),
        source: Arc::clone(&source) as _,
    };
    let members = [named("one"), named("two")];
    let sources = Sources { services: members.to_vec(), events: Vec::new() };
    let gateway = Gateway::start(Some(database), sources, Duration::ZERO).await.unwrap();
    let [one, two] = &members;
    assert_eq!(gateway.accept(one, schema("type Query { b: Int }")), None);
    assert_eq!(gateway.accept(two, schema("type Query { c: Int }")), None);
    assert_eq!(fields(&gateway), ["a", "b", "c"]);

    source.change(&["a", "b"]);
    assert_eq!(fields(&gateway), ["a", "b", "c"]);
    assert!(gateway.refused("one").unwrap().contains('b'));
    assert_eq!(gateway.refused("two"), None);
    // The others go on as before.
    assert_eq!(gateway.accept(two, schema("type Query { c: Int x: Int }")), None);
    assert!(gateway.accept(one, schema("type Query { b: Int y: Int }")).is_some());
    assert_eq!(fields(&gateway), ["a", "b", "c", "x"]);

    // A change is heard of whoever asks first: here it is a service.
    source.change(&["a", "c"]);
    assert!(gateway.accept(two, schema("type Query { c: Int }")).is_some());
    assert_eq!(fields(&gateway), ["a", "b", "c", "y"]);
    assert_eq!(gateway.refused("one"), None);
    source.change(&["a"]);
    let generation = gateway.generation.now();
    assert_eq!(fields(&gateway), ["a", "b", "c", "y"]);
    assert_eq!(gateway.refused("two"), None);
    assert!(gateway.generation.now() > generation, "what runs hears of who has come back");

    // Where all fits, schemas are made once for all roles that were seen, and nobody is told twice.
    for role in ["user", "manager"] {
        assert!(gateway.reader(role).is_some());
    }
    source.change(&["a", "x"]);
    let generation = gateway.generation.now();
    assert_eq!(fields(&gateway), ["a", "b", "c", "x", "y"]);
    assert_eq!(gateway.generation.now(), generation);
}

/// A service that goes on with a former schema does so when another has to give way.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_had_stays_in_use() {
    let members = [named("one"), named("two")];
    let (source, gateway) = Tables::before(&members).await;
    let [one, two] = &members;
    assert_eq!(gateway.accept(one, schema("type Query { b: Int }")), None);
    assert_eq!(gateway.accept(two, schema("type Query { c: Int }")), None);
    assert!(gateway.accept(two, schema("type Query { a: Int }")).is_some());
    source.change(&["a", "b"]);
    assert_eq!(fields(&gateway), ["a", "b", "c"]);
    assert!(gateway.refused("one").is_some() && gateway.refused("two").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_on_demand_tells_what_came_of_it() {
    let (gateway, members) = gateway(&["one", "two"]).await;
    let all = gateway.refresh(None).await;
    assert_eq!(all.iter().map(|one| &*one.name).collect::<Vec<_>>(), ["one", "two"]);
    assert!(all.iter().all(|one| one.read.is_err() && one.refused.is_none()), "{all:?}");
    assert_eq!(members[0].service.status().state, State::Down);
    assert_eq!(gateway.refresh(Some("two")).await.len(), 1);
    assert_eq!(gateway.refresh(Some("three")).await, []);
}
