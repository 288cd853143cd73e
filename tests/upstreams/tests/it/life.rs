//! Services that restart, and services whose schema changes.

use artesian_upstreams::{
    client::{Caller, Client, End, Operation, Transport, ask},
    gateway::{Gateway, Source},
    schema,
    service::{Ended, Service},
};
use futures_util::future::join_all;
use serde_json::json;

use crate::{
    faults::{check_errors, check_own_errors},
    support::{Single, World, everywhere, living},
};

/// A client with operations, each with a topic of its own.
struct Party {
    client: Client,
    who: String,
    operations: Vec<(String, Operation)>,
}

/// Subscriptions of ten identities over all transports.
async fn crowd(world: &World, total: usize) -> Vec<Party> {
    let joining = (0..20).map(|n| async move {
        let transport = Transport::ALL[n % 5];
        let caller = Caller::header(&format!("t{}", n / 2));
        let mut client = world.connect(transport, &caller).await;
        let mut operations = Vec::new();
        for m in 0..total / 20 {
            let topic = format!("{n}-{m}");
            operations.push((topic.clone(), client.subscribe(&topic).await));
        }
        Party { client, who: caller.who(transport), operations }
    });
    let parties = join_all(joining).await;
    alive(&world.service, total).await;
    parties
}

async fn alive(service: &Service, count: usize) {
    let what = format!("{count} operations");
    service.until(&what, |state| (state.live.len() == count).then_some(())).await;
}

fn source(protocol: &'static str, reconnect: &str) -> Source {
    Source::new(protocol)
        .subscriptions(&format!("reconnect: {reconnect}"))
        .graphql("retry: { first: 5ms, longest: 100ms }\ncircuit: { first: 10ms, longest: 100ms }\nlimits: { sockets: 2000 }")
}

/// It goes on for all who are still there, and for nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_the_middle_of_a_thousand_is_survived() {
    for protocol in ["graphql-transport-ws", "graphql-ws", "sse", "multipart"] {
        let world = World::new(&source(protocol, "resume")).await;
        let mut parties = crowd(&world, 1000).await;
        world.service.down().await;
        // Some leave in the gap: nobody begins anything for them.
        for party in parties.split_off(18) {
            party.client.kill().await;
        }
        world.service.up().await;
        alive(&world.service, 900).await;
        for n in [7, 8] {
            for (topic, _) in parties.iter().flat_map(|party| &party.operations) {
                assert_eq!(world.service.emit(topic, n), 1, "{protocol}");
            }
        }
        for party in &parties {
            for (topic, operation) in &party.operations {
                let result = operation.result(0).await;
                assert_eq!(result["data"]["feed"]["who"], party.who);
                assert_eq!(result["data"]["feed"]["topic"], *topic);
                assert!(
                    result["extensions"].is_object(),
                    "{protocol}: the gap is marked: {result}"
                );
                let result = operation.result(1).await;
                assert!(result["extensions"].is_null(), "{protocol}: once: {result}");
                operation.log.with(|log| assert!(log.faults.is_empty() && log.end.is_none()));
            }
        }
        for party in parties {
            party.client.kill().await;
        }
        world.end().await;
    }
}

/// Or it ends for all, once, in the way that is configured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_ends_a_thousand() {
    for (protocol, reconnect) in [
        ("graphql-transport-ws", "error"),
        ("sse", "error"),
        ("multipart", "error"),
        ("graphql-ws", "error"),
        ("graphql-ws", "end"),
        ("graphql-transport-ws", "end"),
        ("sse", "end"),
        ("multipart", "end"),
    ] {
        // The whole thousand once for each; the others differ in nothing else.
        let total = if protocol == "graphql-transport-ws" { 1000 } else { 200 };
        let world = World::new(&source(protocol, reconnect)).await;
        let parties = crowd(&world, total).await;
        world.service.down().await;
        for party in &parties {
            for (topic, operation) in &party.operations {
                match (reconnect, operation.end().await) {
                    ("error", End::Errors(errors)) => check_own_errors(&errors, topic),
                    ("end", End::Complete) => {}
                    (_, end) => panic!("{protocol} {reconnect}: {end:?}"),
                }
            }
        }
        world.service.up().await;
        let caller = Caller::header("later");
        let single = Single::new(&world, Transport::TransportWs, &caller, "later").await;
        world.service.alive("later").await;
        world.service.emit("later", 1);
        single.check(0).await;
        for party in parties {
            for (_, operation) in &party.operations {
                operation.log.with(|log| assert!(log.faults.is_empty(), "{:?}", log.faults));
            }
            party.client.kill().await;
        }
        single.client.kill().await;
        let begun = world.service.state.with(|state| state.begun.len());
        assert_eq!(begun, total + 1, "{protocol} {reconnect}: nothing is begun again");
        world.end().await;
    }
}

/// What is valid in the new schema goes on; what is not ends with an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_changes() {
    everywhere(async |protocol| {
        let world = World::new(&Source::new(protocol).graphql("refresh: 1s")).await;
        let mut all = Vec::new();
        for transport in Transport::ALL {
            let caller = Caller::header(&format!("{transport:?}"));
            let mut client = world.connect(transport, &caller).await;
            let feed = client.subscribe("stays").await;
            let query = "subscription { other(topic: \"goes\") }";
            let other = client.start(json!({ "query": query })).await;
            all.push((client, feed, other));
        }
        living(&world.service, "goes", 5).await;
        living(&world.service, "stays", 5).await;
        let (_, answer) =
            ask(world.gateway.address, &Caller::default(), &json!({"query": "{ fresh }"})).await;
        assert!(answer["errors"].is_array());
        world.service.change(schema::CHANGED);
        for (_, feed, other) in &all {
            match other.end().await {
                End::Errors(errors) => check_errors(&errors, protocol),
                end => panic!("{protocol}: {end:?}"),
            }
            assert!(feed.log.with(|log| log.end.is_none()));
        }
        living(&world.service, "goes", 0).await;
        world.service.emit("stays", 3);
        for (_, feed, _) in &all {
            assert_eq!(feed.result(0).await["data"]["feed"]["n"], 3);
        }
        let begun = world.service.begun("stays");
        assert!(begun.len() == 5 && begun.iter().all(|begun| begun.ended.is_none()), "{protocol}");
        assert!(world.service.begun("goes").iter().all(|b| b.ended == Some(Ended::Stopped)));
        for (query, is_good) in [("{ fresh }", true), ("{ extra }", false)] {
            let request = json!({ "query": query });
            let (_, answer) = ask(world.gateway.address, &Caller::default(), &request).await;
            assert_eq!(answer["errors"].is_null(), is_good, "{answer}");
        }
        for (client, ..) in all {
            client.kill().await;
        }
        world.end().await;
    })
    .await;
}

/// A service that is not there at the start joins when it comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_comes_later() {
    let (there, late) = (Service::start().await, Service::start().await);
    late.down().await;
    let source = |name, prefix: &str| {
        let mut source = Source::new("graphql-transport-ws").graphql("refresh: 1s");
        source.name = name;
        source.beside = format!("prefix: {{ root_fields: {prefix}_, types: {prefix}_ }}");
        source
    };
    let (a, b) = (source("a", "a"), source("b", "b"));
    let gateway = Gateway::start(&[(&a, &there), (&b, &late)]).await;
    let caller = Caller::default();
    let query = json!({"query": "{ a_who(topic: \"x\") }"});
    let (_, answer) = ask(gateway.address, &caller, &query).await;
    assert_eq!(answer["data"]["a_who"]["topic"], "x");
    let mut client = Client::connect(gateway.address, Transport::TransportWs, &caller).await;
    let operation = client.start(json!({"query": "subscription { a_feed(topic: \"x\") }"})).await;
    there.alive("x").await;
    late.up().await;
    late.until("its schema is read", |state| (state.introspected > 0).then_some(())).await;
    let query = json!({"query": "{ b_who(topic: \"x\") }"});
    let joined = async {
        while ask(gateway.address, &caller, &query).await.1["data"]["b_who"].is_null() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), joined).await.unwrap();
    there.emit("x", 1);
    assert_eq!(operation.result(0).await["data"]["a_feed"]["n"], 1);
    assert_eq!(there.begun("x").len(), 1);
}
