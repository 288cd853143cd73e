use artesian_engine::Source;
use serde_json::json;

use super::*;
use crate::source::{
    Member, Sources,
    testing::{gateway_of, member, schema},
};

async fn gateway() -> (Arc<Gateway>, Arc<Member>) {
    let member = member(&json!({
        "name": "shop",
        "graphql": {
            "url": "http://shop/graphql",
            "permissions": [{"role": "a", "exclude": ["secret"]}, {"role": "b", "exclude": ["secret"]}],
        },
    }));
    (gateway_of(&[Arc::clone(&member)]).await, member)
}

/// The schema of a role, as it is asked for.
fn sdl(gateway: &Gateway, role: &str) -> Option<String> {
    gateway.reader(role).map(|reader| reader.sdl())
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_are_there_before_the_change_is_told() {
    let (gateway, member) = gateway().await;
    for role in ["a", "b", "stranger"] {
        assert_eq!(sdl(&gateway, role), None, "the service has not been read");
    }
    let (before, calls) = (gateway.generation.now(), gateway.roles.read().by_role.len());
    gateway.accept(&member, schema("type Query { one: Int secret: Int }"));
    let now = gateway.generation.now();
    assert_eq!(now, before + 1);
    // All who were seen before, and the administrator.
    let roles = gateway.roles.read();
    assert_eq!((roles.generation, roles.by_role.len()), (now, calls + usize::from(calls == 3)));
    assert_eq!(roles.by_view.len(), 3, "one each for the administrator, `a` and `b`");
    let of = |role: &str| roles.by_role[role].reader.clone();
    let prepared = of("a").unwrap();
    assert!(of("stranger").is_none());
    drop(roles);
    let seen = gateway.seen("a").reader.unwrap();
    assert!(Arc::ptr_eq(&prepared, &seen), "it is not made again");
    assert!(sdl(&gateway, "admin").unwrap().contains("secret"));
    let narrowed = sdl(&gateway, "b").unwrap();
    assert!(narrowed.contains("one") && !narrowed.contains("secret"), "{narrowed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_changes_nothing() {
    let (gateway, member) = gateway().await;
    gateway.accept(&member, schema("type Query { one: Int }"));
    let (sees, generation) = (sdl(&gateway, "a"), gateway.generation.now());
    let other = gateway.members().pop().unwrap();
    let twice = Sources { services: vec![Arc::clone(&member), other], events: Vec::new() };
    assert!(gateway.replace(twice).is_err(), "two members of one name");
    assert_eq!((sdl(&gateway, "a"), gateway.generation.now()), (sees, generation));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_by_an_older_state_is_not_kept() {
    let (gateway, member) = gateway().await;
    gateway.accept(&member, schema("type Query { one: Int }"));
    gateway.seen("a");
    // As if the change had come while somebody was at it.
    let late = gateway.generation.now() + 1;
    gateway.roles.write().generation = late;
    assert!(gateway.seen("b").reader.is_some());
    let roles = gateway.roles.read();
    assert_eq!(roles.generation, late);
    assert!(!roles.by_role.contains_key("b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_that_clients_invent_are_forgotten() {
    let (gateway, member) = gateway().await;
    gateway.accept(&member, schema("type Query { one: Int }"));
    for n in 0..3 * MAX_ROLES {
        assert!(gateway.seen(&format!("role {n}")).reader.is_none());
        assert!(gateway.roles.read().by_role.len() <= MAX_ROLES);
    }
}
