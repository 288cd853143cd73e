//! A service comes, changes, goes and comes back.

use std::{sync::Arc, time::Duration};

use artesian_gateway::service::{Outcome, ServiceError, State};
use serde_json::json;

use crate::scripted::*;

#[tokio::test(start_paused = true)]
async fn a_service_that_is_down_at_start_joins_when_it_comes() {
    let scripted = Scripted::new(Script::Down);
    let service = start(&scripted, config(&json!({})));
    let mut changes = service.changes();
    assert_eq!(state(&service), State::Starting);
    scripted.was_dialled(20).await;
    let down = service.status();
    assert_eq!((down.state, down.digest.clone()), (State::Down, None));
    let error = down.error.unwrap();
    assert!(error.starts_with("the service cannot be reached"), "{error}");
    assert!(down.failures >= 2 && down.reads == 0);
    assert!(service.schema().is_none() && !changes.has_changed().unwrap());

    scripted.now(Script::Schema(&["a"]));
    let before = tokio::time::Instant::now();
    changed(&mut changes).await;
    // The circuit may be open for 30 s, and after that the pause is at most 10 s.
    assert!(before.elapsed() <= Duration::from_secs(45), "{:?}", before.elapsed());
    let up = service.status();
    assert_eq!((up.state, up.error, up.reads), (State::Up, None, 1));
    assert!(up.since >= down.since && up.changed.is_some() && up.read.is_some());
    assert_eq!(up.digest.unwrap().len(), 64);
    assert_eq!((&*up.name, &*up.url), ("reviews", "http://reviews/graphql"));
    assert_eq!(fields(&service), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_new_schema_is_seen_by_itself_and_an_equal_one_is_no_news() {
    let scripted = Scripted::new(Script::Schema(&["a", "b"]));
    let service = start(&scripted, config(&json!({})));
    let mut changes = service.changes();
    changed(&mut changes).await;
    let first = service.schema().unwrap();
    // The same in another order is the same.
    scripted.now(Script::Schema(&["b", "a"]));
    scripted.was_asked(3).await;
    assert_eq!(service.refresh_now().await, Ok(Outcome::Unchanged));
    assert!(!changes.has_changed().unwrap());
    assert!(Arc::ptr_eq(&first, &service.schema().unwrap()));

    scripted.now(Script::Schema(&["b", "c"]));
    let before = tokio::time::Instant::now();
    changed(&mut changes).await;
    assert!(before.elapsed() <= Duration::from_secs(61), "the default interval is 60 s");
    assert_eq!(fields(&service), ["b", "c"]);
    assert_ne!(service.schema().unwrap().digest(), first.digest());
}

#[tokio::test(start_paused = true)]
async fn on_demand_is_at_once_and_says_what_changed() {
    let scripted = Scripted::new(Script::Schema(&["a"]));
    let service = start(&scripted, config(&json!({"refresh": 0})));
    let mut changes = service.changes();
    changed(&mut changes).await;
    let asked = scripted.asked();
    tokio::time::sleep(Duration::from_secs(100_000)).await;
    assert_eq!(scripted.asked(), asked, "without an interval nobody is asked");

    scripted.now(Script::Schema(&["a", "b"]));
    let before = tokio::time::Instant::now();
    let Ok(Outcome::Changed(what)) = service.refresh_now().await else { panic!("no change") };
    assert_eq!(what, "added: Query.b");
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(fields(&service), ["a", "b"]);
    changed(&mut changes).await;

    scripted.now(Script::Down);
    let Err(ServiceError::Remote { .. }) = service.refresh_now().await else { panic!("no error") };
    assert_eq!((fields(&service).len(), state(&service)), (2, State::Down));
    // It is looked for until it is back, interval or not.
    scripted.now(Script::Schema(&["c"]));
    changed(&mut changes).await;
    assert_eq!(state(&service), State::Up);
}

#[tokio::test(start_paused = true)]
async fn many_who_ask_at_once_share_a_reading() {
    let scripted = Scripted::new(Script::Schema(&["a"]));
    let service = start(&scripted, config(&json!({"refresh": 0})));
    changed(&mut service.changes()).await;
    let asked = scripted.asked();
    let all = futures_util::future::join_all((0..50).map(|_| service.refresh_now())).await;
    assert!(all.iter().all(|one| *one == Ok(Outcome::Unchanged)));
    assert!(scripted.asked() - asked <= 2, "{} readings", scripted.asked() - asked);
}

#[tokio::test(start_paused = true)]
async fn who_asks_before_the_first_reading_gets_that_one() {
    let scripted = Scripted::new(Script::Schema(&["a"]));
    let service = start(&scripted, config(&json!({"refresh": 0})));
    assert_eq!(service.refresh_now().await, Ok(Outcome::Joined));
    assert_eq!(service.status().reads, 1);
}

#[tokio::test(start_paused = true)]
async fn who_asks_during_a_reading_gets_one_that_began_later() {
    let scripted = Scripted::new(Script::Silence);
    let service = start(&scripted, config(&json!({"refresh": 0, "retry": {"attempts": 0}})));
    scripted.was_asked(1).await;
    let (outcome, ()) = tokio::join!(service.refresh_now(), async {
        // It is on its way by the time that the service speaks again.
        tokio::time::sleep(Duration::from_secs(1)).await;
        scripted.now(Script::Schema(&["a"]));
    });
    assert_eq!(outcome, Ok(Outcome::Joined));
}

#[tokio::test(start_paused = true)]
async fn dropping_it_ends_what_is_under_way() {
    let scripted = Scripted::new(Script::Silence);
    let service = start(&scripted, config(&json!({})));
    let mut changes = service.changes();
    scripted.was_asked(1).await;
    let before = tokio::time::Instant::now();
    drop(service);
    scripted.was_left().await;
    assert!(changes.changed().await.is_err(), "the task is gone");
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_gateway_speaks_for_itself() {
    let scripted = Scripted::new(Script::Schema(&["a"]));
    let headers = json!({
        "forward": "*",
        "set": {"x-gateway": "artesian", "x-user": "{{session.x-hasura-user-id}}"},
        "introspection": {"authorization": "Bearer own"},
    });
    let service = start(&scripted, config(&json!({"headers": headers})));
    changed(&mut service.changes()).await;
    let heads = scripted.heads();
    assert!(heads[0].starts_with("post /graphql?token=geheim http/1.1\r\n"), "{}", heads[0]);
    assert!(heads[0].contains("\r\nx-gateway: artesian\r\n"));
    assert_eq!(heads[0].matches("\r\nauthorization: bearer own\r\n").count(), 1);
    assert!(!heads[0].contains("x-user"));
    // Of clients that is no header.
    let subject = artesian_gateway::identity::Subject::default();
    let of_client = service.config().identity.request_credentials(&subject).unwrap();
    assert!(of_client.headers().is_empty());
    assert!(!format!("{service:?}").contains("geheim"));
}
