//! A service that fails again and again is left alone: nobody waits for it, it is not asked, one trial
//! finds out that it is back, and other services do not notice.

use artesian_upstreams::{
    client::{Caller, Client, End, Transport, ask},
    gateway::{Gateway, Source},
    script::{Act, Door, Reply},
    service::Service,
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    faults::check_own_errors,
    support::{World, everywhere},
};

const OPEN: &str = "artesian_upstream_circuit_open";
const OPENINGS: &str = "artesian_upstream_circuit_openings_total";
const FAILING: &str = "source=\"service\"";
const SOUND: &str = "source=\"sound\"";
/// Failures after which the service is left alone here.
const FAILURES: usize = 3;

fn source(protocol: &'static str, circuit: &str) -> Source {
    Source::new(protocol).graphql(&format!(
        "refresh: 0\nretry: {{ attempts: 0, first: 5ms, longest: 50ms }}\ncircuit: {{ failures: {FAILURES}, {circuit} }}"
    ))
}

/// So long that nothing in a test comes after it.
const FOR_EVER: &str = "first: 10m, longest: 10m";

fn unavailable() -> Reply {
    Reply::whole(503, "text/plain", "")
}

fn who(topic: &str) -> Value {
    json!({"query": "query($topic: String!) { who(topic: $topic) }", "variables": {"topic": topic}})
}

/// The only error is this, of the field `who`.
fn check_error(answer: &Value, text: &str) {
    check_own_errors(&answer["errors"], text);
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "remote-schema-error", "{answer}");
    assert!(error["message"].as_str().unwrap().contains(text), "{answer}");
}

const LEFT_ALONE: &str = "is not asked for a while";

/// Whatever is wanted of the service by whomever fails at once, and nothing of it reaches the service.
async fn check_left_alone(gateway: &Gateway, service: &Service, protocol: &str) {
    assert!((gateway.metric_of(OPEN, &[FAILING]).await - 1.0).abs() < 0.5, "{protocol}");
    assert!((gateway.metric_of(OPENINGS, &[FAILING]).await - 1.0).abs() < 0.5, "{protocol}");
    let seen = |service: &Service| {
        service.state.with(|state| {
            (state.accepted(), state.asked.len(), state.opened.len(), state.begun.len())
        })
    };
    let before = seen(service);
    for n in 0..10 {
        let caller = Caller::header(&format!("other-{n}"));
        let (_, answer) = ask(gateway.address, &caller, &who("wanted")).await;
        assert_eq!(answer["data"]["who"], Value::Null);
        assert_eq!(answer["errors"][0]["path"], json!(["who"]));
        check_error(&answer, LEFT_ALONE);
    }
    let change = json!({"query": "mutation { change(topic: \"wanted\") }"});
    let (_, answer) = ask(gateway.address, &Caller::default(), &change).await;
    check_error(&answer, LEFT_ALONE);
    for transport in Transport::ALL {
        let caller = Caller::header(&format!("other-{transport:?}"));
        let mut client = Client::connect(gateway.address, transport, &caller).await;
        match client.subscribe("wanted").await.end().await {
            End::Errors(errors) => check_error(&json!({ "errors": errors }), LEFT_ALONE),
            end => panic!("{protocol} {transport:?}: {end:?}"),
        }
        client.kill().await;
    }
    assert_eq!(seen(service), before, "{protocol}: the service was asked");
}

/// Failures of queries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_fails_is_not_asked_and_others_are() {
    let (failing, sound) = (Service::start().await, Service::start().await);
    let source = source("graphql-transport-ws", FOR_EVER);
    let mut other = Source::new("graphql-transport-ws");
    other.name = "sound";
    other.beside = "prefix: { root_fields: sound_, types: sound_ }".to_owned();
    let mut gateway = Gateway::start(&[(&source, &failing), (&other, &sound)]).await;
    let caller = Caller::header("a");
    let mut client = Client::connect(gateway.address, Transport::TransportWs, &caller).await;
    let there = client.subscribe("there").await;
    failing.alive("there").await;

    failing.answer("bad", unavailable());
    for n in 0..FAILURES {
        assert!(gateway.metric_of(OPEN, &[FAILING]).await < 0.5, "after {n} failures");
        let (_, answer) = ask(gateway.address, &caller, &who("bad")).await;
        check_error(&answer, "503");
    }
    assert_eq!(failing.asked("bad").len(), FAILURES);
    check_left_alone(&gateway, &failing, "queries").await;

    // What was established goes on.
    assert_eq!(failing.emit("there", 1), 1);
    assert_eq!(there.result(0).await["data"]["feed"]["n"], 1);
    // The other service's share of a request comes, and its subscriptions.
    let both = json!({"query": "{ who(topic: \"x\") sound_who(topic: \"x\") }"});
    let (_, answer) = ask(gateway.address, &caller, &both).await;
    assert_eq!(answer["data"]["sound_who"]["who"], "a|-|-", "{answer}");
    assert_eq!(answer["data"]["who"], Value::Null);
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1, "{answer}");
    check_error(&answer, LEFT_ALONE);
    let query = json!({"query": "subscription { sound_feed(topic: \"x\") }"});
    let operation = client.start(query).await;
    sound.alive("x").await;
    sound.emit("x", 2);
    assert_eq!(operation.result(0).await["data"]["sound_feed"]["n"], 2);
    assert!(
        gateway.metric_of(OPEN, &[SOUND]).await + gateway.metric_of(OPENINGS, &[SOUND]).await < 0.5
    );
    assert!(gateway.is_alive());
}

/// Failures of subscriptions, over every transport.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_that_fail_count_too() {
    everywhere(async |protocol| {
        let world = World::new(&source(protocol, FOR_EVER)).await;
        let mut client = world.connect(Transport::Events, &Caller::header("there")).await;
        let there = client.subscribe("there").await;
        world.service.alive("there").await;
        world.service.door("bad", Door::Reply(unavailable()));
        let opened = || world.service.state.with(|state| state.opened.len());
        let before = opened();
        for n in 0..FAILURES {
            let open = world.gateway.metric_of(OPEN, &[FAILING]).await;
            assert!(open < 0.5, "{protocol}: after {n} failures");
            let mut client = world.connect(Transport::TransportWs, &Caller::header("bad")).await;
            match client.subscribe("bad").await.end().await {
                End::Errors(errors) => check_error(&json!({ "errors": errors }), "503"),
                end => panic!("{protocol}: {end:?}"),
            }
            client.kill().await;
        }
        assert_eq!(opened(), before + FAILURES, "{protocol}");
        check_left_alone(&world.gateway, &world.service, protocol).await;
        assert_eq!(world.service.emit("there", 1), 1);
        assert_eq!(there.result(0).await["data"]["feed"]["n"], 1);
        client.kill().await;
        world.end().await;
    })
    .await;
}

/// After a pause one asks, and all others wait for what comes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trial_finds_out() {
    let world = World::new(&source("none", "first: 500ms, longest: 1m")).await;
    let (service, gateway) = (&world.service, &world.gateway);
    let caller = Caller::default();
    service.answer("bad", unavailable());
    for _ in 0..FAILURES {
        check_error(&ask(gateway.address, &caller, &who("bad")).await.1, "503");
    }
    // What is asked now is answered by nobody until there is a trial, which the service keeps waiting.
    service.answer("trial", unavailable());
    service.hold("trial");
    let trial = async || loop {
        let (_, answer) = ask(gateway.address, &caller, &who("trial")).await;
        if !answer["errors"][0]["message"].as_str().is_some_and(|text| text.contains(LEFT_ALONE)) {
            return answer;
        }
    };
    let watching = async {
        let is_asked = |state: &mut artesian_upstreams::service::State| {
            state.asked.iter().any(|asked| asked.topics == ["trial"]).then_some(())
        };
        service.until("a trial", is_asked).await;
        assert!((gateway.metric_of(OPEN, &[FAILING]).await - 1.0).abs() < 0.5, "not yet closed");
        let requests = "artesian_upstream_requests_total";
        let before = gateway.metric(requests).await;
        let waiting = join_all((0..5).map(|_| async {
            ask(gateway.address, &Caller::header("other"), &who("other")).await.1
        }));
        let releasing = async {
            gateway.until_metric(requests, &[], before + 5.0).await;
            service.release("trial");
        };
        let (answers, ()) = tokio::join!(waiting, releasing);
        for answer in answers {
            check_error(&answer, LEFT_ALONE);
        }
    };
    let (answer, ()) = tokio::join!(trial(), watching);
    check_error(&answer, "503");
    assert_eq!(service.asked("trial").len(), 1);
    assert_eq!(service.asked("other").len(), 0, "while it was not known whether it is back");
    assert!((gateway.metric_of(OPENINGS, &[FAILING]).await - 2.0).abs() < 0.5);

    // The next one is answered, so everybody may ask again.
    service.answer("trial", Reply::whole(200, "application/json", r#"{"data":{"who":1}}"#));
    assert_eq!(trial().await["data"]["who"], 1);
    assert_eq!(service.asked("trial").len(), 2);
    assert!(gateway.metric_of(OPEN, &[FAILING]).await < 0.5);
    let request = who("x");
    for (_, answer) in join_all((0..5).map(|_| ask(gateway.address, &caller, &request))).await {
        assert_eq!(answer["data"]["who"]["topic"], "x");
    }
    // Failures in a row count from nothing again.
    for _ in 1..FAILURES {
        check_error(&ask(gateway.address, &caller, &who("bad")).await.1, "503");
    }
    assert_eq!(ask(gateway.address, &caller, &who("x")).await.1["data"]["who"]["topic"], "x");
    world.end().await;
}

/// What was established waits, and goes on when the service is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_established_waits() {
    everywhere(async |protocol| {
        let world = World::new(&source(protocol, "first: 50ms, longest: 200ms")).await;
        let service = &world.service;
        let mut all = Vec::new();
        for transport in Transport::ALL {
            let name = format!("{transport:?}");
            let mut client = world.connect(transport, &Caller::header(&name)).await;
            let operation = client.subscribe(&name).await;
            service.alive(&name).await;
            service.emit(&name, 1);
            operation.result(0).await;
            service.door(&name, Door::Reply(unavailable()));
            all.push((name, client, operation));
        }
        service.tell(|_| true, &Act::Cut);
        world.gateway.until_metric(OPEN, &[FAILING], 1.0).await;
        for (name, ..) in &all {
            service.open_door(name);
        }
        for (name, client, operation) in all {
            service.alive(&name).await;
            service.emit(&name, 2);
            service.emit(&name, 3);
            let result = operation.result(1).await;
            assert_eq!(result["data"]["feed"]["n"], 2, "{protocol}");
            assert_eq!(result["extensions"]["artesian"]["resumed"], true, "{protocol}");
            let result = operation.result(2).await;
            assert_eq!(
                (&result["data"]["feed"]["n"], &result["extensions"]),
                (&json!(3), &json!(null))
            );
            assert!(operation.log.with(|log| log.faults.is_empty() && log.end.is_none()));
            assert_eq!(service.begun(&name).len(), 2, "{protocol}");
            client.kill().await;
        }
        world.gateway.until_metric(OPEN, &[FAILING], 0.0).await;
        world.end().await;
    })
    .await;
}
