//! Whatever a service does wrong: its client hears of it in order, and nobody else does.
//!
//! Each fault happens to clients of every transport at the same time, each with an identity of its own,
//! over every upstream transport that can have the fault. On a socket there is a second operation of the
//! same client, on which the first one's fault must not fall; and always there are clients of other
//! identities that notice nothing at all.

mod cases;
mod questions;

use std::{collections::BTreeSet, panic::AssertUnwindSafe};

use artesian_upstreams::{
    client::{Caller, Client, End, Operation, Transport},
    gateway::{Gateway, Source},
    schema::result,
    service::Service,
};
use futures_util::{
    FutureExt, StreamExt,
    future::{join_all, ready},
    stream,
};
use serde_json::Value;

use cases::{Case, Expect, Mate, cases};

/// Times in which a service must do something are short here, and yet so long that a service that does
/// it keeps them on a machine that has much else to do.
pub const SHORT: &str = "
timeouts: { connect: 5s, ack: 5s, request: 6s, message: 5s }
retry: { attempts: 1, first: 10ms, longest: 100ms, give_up_after: 8s }
circuit: { failures: 0 }";

fn source(protocol: &'static str) -> Source {
    Source::new(protocol).graphql(SHORT)
}

/// How many faults happen at the same time.
const AT_ONCE: usize = 40;

/// Runs everything, and fails with all that failed.
pub async fn all_of(running: Vec<impl Future<Output = ()>>) {
    let running = running.into_iter().map(|one| AssertUnwindSafe(one).catch_unwind());
    let running = stream::iter(running).buffer_unordered(AT_ONCE);
    let failures = running.filter(|one| ready(one.is_err())).count().await;
    assert_eq!(failures, 0, "see above");
}

/// Errors as a client may expect them: a list that is not empty, each with a text and a code, and
/// nothing of what the client or the gateway said of themselves.
pub fn check_errors(errors: &Value, what: &str) {
    let list = errors.as_array().unwrap_or_else(|| panic!("{what}: no list: {errors}"));
    assert!(!list.is_empty(), "{what}: errors of which there are none");
    for error in list {
        assert!(error["message"].is_string(), "{what}: no message in {error}");
        assert!(!error.to_string().contains("secret"), "{what}: a secret in {error}");
    }
}

/// Errors that the gateway itself has made: they tell nothing of the network behind it.
pub fn check_own_errors(errors: &Value, what: &str) {
    check_errors(errors, what);
    for error in errors.as_array().unwrap() {
        let text = error.to_string();
        let tells = text.contains("os error") || text.contains("127.0.0.1");
        assert!(!tells, "{what}: of the network in {error}");
        let code = &error["extensions"]["code"];
        assert!(code.is_string(), "{what}: no code in {error}");
    }
}

async fn check(case: &Case, transport: Transport, gateway: &Gateway, service: &Service) {
    let what = format!("{} for {transport:?}", case.name);
    let topic = format!("{}-{transport:?}", case.name);
    let caller = Caller::header(&format!("secret-{topic}"));
    let who = caller.who(transport);
    if let Some(door) = &case.door {
        service.door(caller.header.as_deref().unwrap(), door.clone());
    }
    service.play(&topic, case.plays.clone());
    let mut client = Client::connect(gateway.address, transport, &caller).await;
    let mate_topic = format!("{topic}-mate");
    let mut mate = None;
    if case.mate != Mate::None {
        mate = Some(client.subscribe(&mate_topic).await);
        service.alive(&mate_topic).await;
    }
    let operation = client.subscribe(&topic).await;
    let end = operation.log.until(|log| log.end.clone()).await;
    let Some(end) = end else {
        operation.log.with(|log| panic!("{what}: it hangs; there is {log:?}"))
    };
    let results = operation.log.with(|log| std::mem::take(&mut log.results));
    for (n, result) in results.iter().enumerate() {
        let own = &result["data"]["feed"];
        assert!(
            !own.is_object() || (own["topic"] == topic && own["who"] == who),
            "{what}: not its own: {result}"
        );
        if let Expect::Results(expected) = &case.expect {
            let expected: Value = match expected.get(n) {
                Some(Ok(number)) => {
                    serde_json::from_str(&self::result("feed", &topic, &who, *number)).unwrap()
                }
                Some(Err(payload)) => serde_json::from_str(payload).unwrap(),
                None => panic!("{what}: a result too many: {result}"),
            };
            assert_eq!(
                (&result["data"], &result["errors"]),
                (&expected["data"], &expected["errors"]),
                "{what}"
            );
        }
    }
    match &case.expect {
        Expect::Results(expected) => {
            assert_eq!((&end, results.len()), (&End::Complete, expected.len()), "{what}");
        }
        Expect::Errors(text) => {
            let End::Errors(errors) = &end else { panic!("{what}: {end:?}") };
            check_own_errors(errors, &what);
            let message = errors[0]["message"].as_str().unwrap();
            assert!(message.contains(text), "{what}: {message}");
        }
        Expect::Theirs(expected) => {
            let End::Errors(errors) = &end else { panic!("{what}: {end:?}") };
            check_errors(errors, &what);
            assert_eq!(errors[0]["message"], *expected, "{what}");
        }
        Expect::End => {
            if let End::Errors(errors) = &end {
                check_errors(errors, &what);
            }
            assert!(!matches!(end, End::Cut(_)), "{what}: {end:?}");
        }
    }
    service.gone(&topic).await;
    if let Some(mate) = mate {
        if case.mate == Mate::Lives {
            // Perhaps on another connection by now.
            service.alive(&mate_topic).await;
            service.emit(&mate_topic, 7);
            let result = mate.result(0).await;
            assert_eq!(result["data"]["feed"]["who"], who, "{what}");
            assert_eq!(service.begun(&mate_topic).len(), 1, "{what}: its mate is not touched");
        }
        client.stop(&mate).await;
        service.gone(&mate_topic).await;
    }
    let faults = operation.log.with(|log| log.faults.clone());
    assert!(faults.is_empty(), "{what}: {faults:?}");
    client.kill().await;
}

/// Somebody whom no fault concerns.
struct Bystander {
    operation: Operation,
    topic: String,
    client: Client,
}

async fn bystanders(gateway: &Gateway, service: &Service) -> Vec<Bystander> {
    let mut all = Vec::new();
    for transport in Transport::ALL {
        let topic = format!("bystander-{transport:?}");
        let caller = Caller::header(&topic);
        let mut client = Client::connect(gateway.address, transport, &caller).await;
        let operation = client.subscribe(&topic).await;
        service.alive(&topic).await;
        all.push(Bystander { operation, topic, client });
    }
    all
}

impl Bystander {
    /// Hears of every event, in order, over the first connection.
    async fn check(&self, service: &Service, n: u64) {
        assert_eq!(service.emit(&self.topic, n), 1);
        let result = self.operation.result(usize::try_from(n).unwrap()).await;
        assert_eq!(result["data"]["feed"]["n"], n);
        assert_eq!(service.begun(&self.topic).len(), 1);
        let is_clean =
            |log: &mut artesian_upstreams::client::Log| log.faults.is_empty() && log.end.is_none();
        assert!(self.operation.log.with(is_clean));
    }
}

async fn over(protocol: &'static str) {
    let service = Service::start().await;
    let mut gateway = Gateway::start(&[(&source(protocol), &service)]).await;
    let bystanders = bystanders(&gateway, &service).await;
    for bystander in &bystanders {
        bystander.check(&service, 0).await;
    }
    let mut cases = cases(protocol);
    if let Ok(only) = std::env::var("UPSTREAMS_CASE") {
        cases.retain(|case| case.name.contains(&only));
    }
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "names are topics");
    let running = cases.iter().flat_map(|case| Transport::ALL.map(|transport| (case, transport)));
    let running = running.map(|(case, transport)| check(case, transport, &gateway, &service));
    all_of(running.collect()).await;
    for bystander in &bystanders {
        bystander.check(&service, 1).await;
    }
    for bystander in bystanders {
        bystander.client.kill().await;
    }
    service.empty().await;
    assert!(gateway.is_alive());
    assert_eq!(service.state.with(|state| state.faults.clone()), [""; 0]);
    assert!(!gateway.logs().contains("secret"), "{}", gateway.logs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_transport_ws() {
    over("graphql-transport-ws").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_legacy_ws() {
    over("graphql-ws").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_event_streams() {
    over("sse").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_event_streams_by_get() {
    over("sse-get").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_multipart() {
    over("multipart").await;
}

/// A message of 50 MB is not kept, in any transport, however many get one at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_large_is_not_kept() {
    for protocol in ["graphql-transport-ws", "sse", "multipart"] {
        let service = Service::start().await;
        let gateway = Gateway::start(&[(&Source::new(protocol), &service)]).await;
        let bystanders = bystanders(&gateway, &service).await;
        let (before, _) = gateway.memory();
        let running = Transport::ALL.map(|transport| {
            let case = cases::big();
            let (gateway, service) = (&gateway, &service);
            async move { check(&case, transport, gateway, service).await }
        });
        join_all(running).await;
        let (_, most) = gateway.memory();
        // Five times 50 MB were sent; what may be kept of each is 4 MiB, in a buffer that grows by
        // doubling.
        let kept = most.saturating_sub(before) >> 20;
        assert!(kept < 100, "{protocol}: {kept} MiB more than before");
        for bystander in &bystanders {
            bystander.check(&service, 0).await;
        }
    }
}
