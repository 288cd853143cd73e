//! What must not be shared: plans, connections, sockets, operations of another identity.

use std::collections::{BTreeMap, BTreeSet};

use artesian_upstreams::{
    client::{Caller, Client, End, Transport, ask},
    gateway::{Gateway, Source},
    script::{Act, Door, Reply},
    seen,
    service::Service,
};
use futures_util::future::join_all;
use serde_json::json;

use super::who_query;
use crate::support::{Single, World, emit_until, everywhere, is_socket, living, living_as};

/// One text, many callers: what is prepared for the first holds nothing of the first. And one root
/// field with different arguments and selections is not one operation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_hold_nothing_of_the_first_caller() {
    everywhere(async |protocol| {
        let world = World::new(&Source::new(protocol)).await;
        let fixed = |topic: &str| json!({"query": format!("{{ who(topic: \"{topic}\") }}")});
        let callers = [
            (Caller::header("a"), "a|-|-"),
            (Caller::header("b"), "b|-|-"),
            (Caller::default(), "-|-|-"),
        ];
        let mut clients = Vec::new();
        for (caller, name) in &callers {
            for transport in Transport::ALL {
                clients.push((world.connect(transport, caller).await, *name));
            }
        }
        for _round in 0..2 {
            for (caller, name) in &callers {
                for topic in ["x", "y"] {
                    let (_, answer) = ask(world.gateway.address, caller, &fixed(topic)).await;
                    let who = &answer["data"]["who"];
                    assert_eq!((&who["who"], &who["topic"]), (&json!(name), &json!(topic)));
                }
            }
            for (client, name) in &mut clients {
                for topic in ["x", "y"] {
                    let one = client.start(fixed(topic)).await;
                    let other = format!("{{ b: who(topic: \"{topic}2\") }}");
                    let two = client.start(json!({ "query": other })).await;
                    let (one, two) = (one.result(0).await, two.result(0).await);
                    assert_eq!(one["data"]["who"]["who"], *name);
                    assert_eq!(one["data"]["who"]["topic"], topic);
                    assert_eq!(two["data"]["b"]["who"], *name);
                    assert_eq!(two["data"]["b"]["topic"], format!("{topic}2"));
                    let query = format!("subscription {{ feed(topic: \"{topic}\") }}");
                    let operation = client.start(json!({ "query": query })).await;
                    assert_eq!(world.service.alive(topic).await.who, *name, "{protocol}");
                    world.service.emit(topic, 1);
                    assert_eq!(operation.result(0).await["data"]["feed"]["who"], *name);
                    client.stop(&operation).await;
                    world.service.gone(topic).await;
                }
            }
        }
        for (client, _) in clients {
            client.kill().await;
        }
        world.end().await;
    })
    .await;
}

/// Connections of HTTP serve one caller after the other; the headers are each one's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_connections_keep_nobodys_headers() {
    let source = Source::new("sse").graphql("limits: { concurrent_requests: 2 }");
    let world = World::new(&source).await;
    let asking = (0..60).map(|n| {
        let world = &world;
        async move {
            let mut caller = Caller::header(&format!("t{}", n % 20));
            caller.header = caller.header.filter(|_| n % 3 != 0);
            let (_, answer) = ask(world.gateway.address, &caller, &who_query("same")).await;
            assert_eq!(answer["data"]["who"]["who"], caller.who(Transport::Events));
        }
    });
    join_all(asking).await;
    let mut by_connection = BTreeMap::<u64, BTreeSet<String>>::new();
    let asked = world.service.asked("same");
    assert_eq!(asked.len(), 60);
    for question in asked {
        by_connection.entry(question.connection).or_default().insert(question.seen.who());
    }
    assert!(by_connection.values().any(|callers| callers.len() > 1), "none was used again");
    world.end().await;
}

/// `connection_init: extension`: one socket for all, each one's payload on its own operations.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_extension_carries_each_ones_payload() {
    let protocols = ["graphql-transport-ws", "graphql-ws"];
    join_all(protocols.map(async |protocol| {
        let source = Source::new(protocol)
            .subscriptions(
                "connection_init: extension\ninit_payload: { token: gateway }\nreconnect: resume",
            )
            .graphql("retry: { first: 1ms, longest: 50ms }");
        let world = World::new(&source).await;
        let joining = (0..20).map(|n| {
            let world = &world;
            async move {
                let transport =
                    if n % 2 == 0 { Transport::TransportWs } else { Transport::LegacyWs };
                // Two of each; and headers, which are none of the service's business.
                let caller = Caller::token(&format!("p{}", n / 2)).and_header("authorization", "h");
                let mut single = Single::new(world, transport, &caller, "same").await;
                single.who = seen::who("-", "gateway", &format!("p{}", n / 2));
                single
            }
        });
        let all = join_all(joining).await;
        for round in 0..2 {
            let mut expected: Vec<String> =
                (0..10).map(|n| seen::who("-", "gateway", &format!("p{n}"))).collect();
            expected.sort();
            living_as(&world.service, "same", &expected).await;
            let connections: BTreeSet<u64> = world
                .service
                .state
                .with(|state| state.live.values().map(|live| live.connection).collect());
            assert_eq!(connections.len(), 1, "{protocol}: one socket for all");
            let has_some = |s: &Single| s.operation.log.with(|log| log.results.len()) > round;
            emit_until(&world, "same", || all.iter().all(has_some)).await;
            for single in &all {
                single.operation.log.with(|log| {
                    for result in &log.results {
                        assert_eq!(result["data"]["feed"]["who"], single.who);
                    }
                    log.results.truncate(round + 1);
                });
            }
            if round == 0 {
                world.service.tell(|live| live.who.ends_with("p0"), &Act::Cut);
                world
                    .service
                    .until("the others begin again", |state| {
                        (state.begun.len() >= 20).then_some(())
                    })
                    .await;
            }
        }
        // Who has no payload is nobody, and not the gateway.
        let nobody = Single::new(&world, Transport::Events, &Caller::default(), "nobody").await;
        assert_eq!(world.service.alive("nobody").await.who, seen::who("-", "gateway", "-"));
        assert!(world.service.begun("nobody")[0].seen.operation.is_object());
        nobody.client.kill().await;
        for single in all {
            single.client.kill().await;
        }
        world.end().await;
    }))
    .await;
}

/// A socket whose client says again who it is: what was begun for the former ends or becomes the new
/// one's, and what is begun later is the new one's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fresh_credentials_on_an_open_socket() {
    everywhere(async |protocol| {
        let mut source = Source::new(protocol);
        if !is_socket(protocol) {
            source.graphql =
                "headers:\n  set: { authorization: \"{{connection_init.token}}\" }".to_owned();
        }
        let world = World::new(&source).await;
        let name = |token: &str| match is_socket(protocol) {
            true => seen::who("-", token, "-"),
            false => seen::who(token, "-", "-"),
        };
        for transport in [Transport::TransportWs, Transport::LegacyWs] {
            let topic = format!("{transport:?}");
            let mut client = world.connect(transport, &Caller::token("old")).await;
            let before = client.subscribe(&topic).await;
            assert_eq!(world.service.alive(&topic).await.who, name("old"));
            let payload = match transport {
                Transport::LegacyWs => json!({"token": "new"}),
                _ => json!({"token": "new", "headers": {}}),
            };
            client.refresh(payload).await;
            let after = client.subscribe(&format!("{topic}-after")).await;
            let live = world.service.alive(&format!("{topic}-after")).await;
            assert_eq!(live.who, name("new"), "{protocol} {transport:?}");
            // The former's operation is nobody's now.
            let is_over = |state: &mut artesian_upstreams::service::State| {
                let former = state.live.values().find(|live| live.who == name("old"));
                former.is_none().then_some(())
            };
            world.service.until("the former identity's operation ends", is_over).await;
            // It goes on as the new one's, and says that something may be missing.
            assert_eq!(world.service.alive(&topic).await.who, name("new"), "{protocol}");
            world.service.emit(&topic, 1);
            let result = before.result(0).await;
            assert_eq!(result["data"]["feed"]["who"], name("new"));
            assert!(result["extensions"].is_object(), "{result}");
            world.service.emit(&format!("{topic}-after"), 1);
            assert_eq!(after.result(0).await["data"]["feed"]["who"], name("new"));
            client.kill().await;
        }
        world.end().await;
    })
    .await;
}

/// Payloads differ and headers do not, and the other way round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_part_of_an_identity_counts() {
    everywhere(async |protocol| {
        let source = Source::new(protocol);
        let mut source = source;
        source.graphql =
            "headers: { forward: [authorization, x-tenant], cookies: [session] }".to_owned();
        let world = World::new(&source).await;
        let base = || Caller::header("h").and_token("p");
        let callers = [
            base(),
            Caller::header("h"),
            Caller::token("p"),
            Caller::header("h2").and_token("p"),
            Caller::header("h").and_token("p2"),
            base().and_header("x-tenant", "1"),
            base().and_header("x-tenant", "2"),
            base().and_header("cookie", "session=1"),
            base().and_header("cookie", "session=2"),
            Caller::default(),
        ];
        let mut all = Vec::new();
        for caller in &callers {
            for transport in [Transport::TransportWs, Transport::LegacyWs] {
                all.push(Single::new(&world, transport, caller, "same").await);
            }
        }
        // Without `connection_init` upstream payloads make no difference.
        let distinct = if is_socket(protocol) { 10 } else { 8 };
        let distinct = if is_socket(protocol) { distinct } else { distinct - 1 };
        living(&world.service, "same", distinct).await;
        assert_eq!(world.service.begun("same").len(), distinct, "{protocol}");
        for single in all {
            single.client.kill().await;
        }
        world.end().await;
    })
    .await;
}

/// That one is refused is nobody else's business.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_for_who_is_refused() {
    everywhere(async |protocol| {
        let world = World::new(&Source::new(protocol)).await;
        world.service.door("bad", Door::Reply(Reply::whole(401, "text/plain", "no")));
        for transport in Transport::ALL {
            let topic = format!("{transport:?}");
            let good = Single::new(&world, transport, &Caller::header("good"), &topic).await;
            world.service.alive(&topic).await;
            let bad = Single::new(&world, transport, &Caller::header("bad"), &topic).await;
            assert!(matches!(bad.operation.end().await, End::Errors(_)));
            world.service.emit(&topic, 1);
            good.check(0).await;
            assert!(bad.operation.log.with(|log| log.results.is_empty()));
            good.client.kill().await;
            bad.client.kill().await;
        }
        world.end().await;
    })
    .await;
}

/// Two services: what is meant for one is not told to the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_are_told_apart() {
    let (a, b) = (Service::start().await, Service::start().await);
    let mut first = Source::new("graphql-transport-ws");
    first.name = "a";
    first.beside = "prefix: { root_fields: a_, types: A_ }".to_owned();
    let mut second = first.clone();
    second.name = "b";
    second.beside = "prefix: { root_fields: b_, types: B_ }".to_owned();
    second.graphql = "headers: { forward: [x-b] }".to_owned();
    let gateway = Gateway::start(&[(&first, &a), (&second, &b)]).await;
    let caller = Caller::header("for a").and_header("x-b", "for b");
    let query = json!({"query": "{ a_who(topic: \"x\") b_who(topic: \"y\") }"});
    let (_, answer) = ask(gateway.address, &caller, &query).await;
    assert_eq!(answer["data"]["a_who"]["who"], "for a|-|-");
    assert_eq!(answer["data"]["b_who"]["who"], "-|-|-");
    let mut client = Client::connect(gateway.address, Transport::TransportWs, &caller).await;
    for (field, service) in [("a_feed", &a), ("b_feed", &b)] {
        let query = format!("subscription {{ {field}(topic: \"x\") }}");
        let operation = client.start(json!({ "query": query })).await;
        service.alive("x").await;
        service.emit("x", 1);
        assert_eq!(operation.result(0).await["data"][field]["topic"], "x");
    }
    for seen in
        a.asked("x").into_iter().map(|q| q.seen).chain(a.begun("x").into_iter().map(|b| b.seen))
    {
        assert_eq!((seen.all("authorization"), seen.all("x-b")), (vec!["for a"], vec![]));
    }
    for seen in
        b.asked("y").into_iter().map(|q| q.seen).chain(b.begun("x").into_iter().map(|b| b.seen))
    {
        assert_eq!((seen.all("authorization"), seen.all("x-b")), (vec![], vec!["for b"]));
    }
    client.kill().await;
    a.empty().await;
    b.empty().await;
}
