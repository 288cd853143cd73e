use std::{io, time::Duration};

use artesian_compose::ReadLimits;
use artesian_engine::Source;
use artesian_remote::dial::{Dial, Target, Wire};
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::json;

use super::*;
use crate::{
    config::{SourceConfig, SourceKind},
    service::{Service, State},
    source::Sources,
};

/// A network that leads nowhere.
struct Nowhere;

impl Dial for Nowhere {
    fn dial(&self, _: Target) -> BoxFuture<'static, io::Result<Wire>> {
        async { Err(io::ErrorKind::ConnectionRefused.into()) }.boxed()
    }
}

fn schema(sdl: &str) -> Arc<ServiceSchema> {
    Arc::new(ServiceSchema::from_sdl(sdl, &ReadLimits::default()).unwrap())
}

fn member(name: &str) -> Arc<Member> {
    let settings = json!({"name": name, "graphql": {"url": "http://service/graphql"}});
    let source = SourceConfig::from_json(&settings, std::path::Path::new("/")).unwrap();
    let SourceKind::Service(config) = source.kind else { panic!("no service") };
    Arc::new(Member::new(Service::start(name, *config, Arc::new(Nowhere)), source.prefix))
}

async fn gateway(names: &[&str]) -> (Arc<Gateway>, Vec<Arc<Member>>) {
    let members: Vec<_> = names.iter().map(|name| member(name)).collect();
    let sources = Sources { services: members.clone(), events: Vec::new() };
    (Gateway::start(None, sources, Duration::ZERO).await.unwrap(), members)
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
