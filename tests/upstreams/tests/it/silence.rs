//! Services that fall silent: their connections are given up, what ran over them goes on over others,
//! and no client hangs.

use std::borrow::Cow;

use artesian_upstreams::{
    client::{Caller, Client, End, Operation, Transport},
    gateway::Source,
    script::Act,
    service::{Ended, Service},
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{faults::check_own_errors, support::World};

const RETRY: &str = "retry: { first: 5ms, longest: 50ms }\ncircuit: { failures: 0 }\n";

fn source(protocol: &'static str, timeouts: &str) -> Source {
    Source::new(protocol).graphql(&format!("{RETRY}timeouts: {{ {timeouts} }}"))
}

/// A subscription of a client with an identity of its own, which is the topic too.
struct Own {
    name: String,
    client: Client,
    operation: Operation,
}

impl Own {
    async fn new(world: &World, transport: Transport, name: &str) -> Self {
        let name = format!("{name}-{transport:?}");
        let mut client = world.connect(transport, &Caller::header(&name)).await;
        let operation = client.subscribe(&name).await;
        Self { name, client, operation }
    }

    /// The result with this index has this number, is its own, and says whether there was a gap.
    async fn check(&self, at: usize, n: u64, is_resumed: bool) {
        let what = format!("{} {at}", self.name);
        let result = self.operation.result(at).await;
        let own = &result["data"]["feed"];
        assert_eq!((&own["n"], &own["topic"]), (&json!(n), &json!(self.name)), "{what}");
        let expected = if is_resumed { json!({"resumed": true}) } else { Value::Null };
        assert_eq!(result["extensions"]["artesian"], expected, "{what}");
    }

    /// It was begun so often, and each time but the last its connection was given up.
    fn check_begun(&self, service: &Service, times: usize) {
        let begun = service.begun(&self.name);
        assert_eq!(begun.len(), times, "{}", self.name);
        for former in &begun[..times - 1] {
            assert!(matches!(former.ended, Some(Ended::Gone | Ended::Stopped)), "{former:?}");
            assert_eq!(former.seen.all("authorization"), [self.name.as_str()]);
        }
        assert_eq!(begun[times - 1].seen.all("authorization"), [self.name.as_str()]);
        self.operation.log.with(|log| assert!(log.faults.is_empty(), "{:?}", log.faults));
    }
}

async fn of_every_transport(world: &World, name: &str) -> Vec<Own> {
    join_all(Transport::ALL.map(|transport| Own::new(world, transport, name))).await
}

/// A machine that is gone, or a process that hangs: not even pings are answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_that_nobody_answers() {
    join_all(["graphql-transport-ws", "graphql-ws", "auto"].map(async |protocol| {
        let timeouts = "ping_interval: 100ms, pong_deadline: 5s";
        let world = World::new(&source(protocol, timeouts)).await;
        let service = &world.service;
        let bystander = Own::new(&world, Transport::TransportWs, "bystander").await;
        service.alive(&bystander.name).await;
        let all = of_every_transport(&world, "own").await;
        for own in &all {
            service.alive(&own.name).await;
            service.emit(&own.name, 1);
            own.check(0, 1, false).await;
        }
        assert_eq!(service.tell(|live| live.topic.starts_with("own"), &Act::Hush), 5);
        for own in &all {
            service.alive(&own.name).await;
            service.emit(&own.name, 2);
            service.emit(&own.name, 3);
        }
        service.emit(&bystander.name, 4);
        for own in all {
            own.check(1, 2, true).await;
            own.check(2, 3, false).await;
            own.check_begun(service, 2);
            assert_eq!(own.operation.log.with(|log| log.end.clone()), None);
            own.client.kill().await;
        }
        bystander.check(0, 4, false).await;
        bystander.check_begun(service, 1);
        bystander.client.kill().await;
        world.end().await;
    }))
    .await;
}

/// A sign of life that nobody asked for, in the word of each transport.
fn sign_of_life(protocol: &str) -> Act {
    Act::Raw(Cow::Borrowed(match protocol {
        "graphql-ws" => r#"{"type":"ka"}"#,
        "multipart" => "\r\ncontent-type: application/json\r\n\r\n{}\r\n--graphql",
        _ => ":\n\n",
    }))
}

/// What has sent signs of life and stops is dead, though something on the way may answer pings; what
/// never sent any may be silent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signs_of_life_that_stop() {
    join_all(["graphql-ws", "sse", "sse-get", "multipart"].map(async |protocol| {
        let world = World::new(&source(protocol, "ping_interval: 100ms, keep_alive: 3s")).await;
        let service = &world.service;
        let bystander = Own::new(&world, Transport::TransportWs, "bystander").await;
        service.alive(&bystander.name).await;
        for transport in Transport::ALL {
            let lively = vec![Act::Event(1), sign_of_life(protocol)];
            service.play(&format!("own-{transport:?}"), vec![lively, vec![Act::Event(2)]]);
        }
        let all = of_every_transport(&world, "own").await;
        for own in all {
            own.check(0, 1, false).await;
            own.check(1, 2, true).await;
            service.emit(&own.name, 3);
            own.check(2, 3, false).await;
            own.check_begun(service, 2);
            assert_eq!(own.operation.log.with(|log| log.end.clone()), None);
            own.client.kill().await;
        }
        service.emit(&bystander.name, 4);
        bystander.check(0, 4, false).await;
        bystander.check_begun(service, 1);
        bystander.client.kill().await;
        world.end().await;
    }))
    .await;
}

/// Streams without any byte, where that is configured to mean something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_without_a_byte() {
    join_all(["sse", "sse-get", "multipart"].map(async |protocol| {
        let world = World::new(&source(protocol, "stream_idle: 3s")).await;
        for transport in Transport::ALL {
            let last = vec![Act::Event(3), Act::Complete];
            let plays = vec![vec![Act::Event(1)], vec![Act::Event(2)], last];
            world.service.play(&format!("own-{transport:?}"), plays);
        }
        for own in of_every_transport(&world, "own").await {
            own.check(0, 1, false).await;
            own.check(1, 2, true).await;
            own.check(2, 3, true).await;
            assert_eq!(own.operation.end().await, End::Complete, "{protocol}");
            own.check_begun(&world.service, 3);
            own.client.kill().await;
        }
        world.end().await;
    }))
    .await;
}

/// Or it ends for everybody, in the way that is configured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_ends_what_is_not_resumed() {
    let cases = ["graphql-transport-ws", "graphql-ws", "sse", "multipart"];
    let cases = cases.into_iter().flat_map(|protocol| ["error", "end"].map(|how| (protocol, how)));
    join_all(cases.map(async |(protocol, reconnect)| {
        let timeouts = "ping_interval: 100ms, pong_deadline: 3s, stream_idle: 3s";
        let source = source(protocol, timeouts).subscriptions(&format!("reconnect: {reconnect}"));
        let world = World::new(&source).await;
        for transport in Transport::ALL {
            let topic = format!("own-{transport:?}");
            world.service.play(&topic, vec![vec![Act::Event(1), Act::Hush]]);
        }
        for own in of_every_transport(&world, "own").await {
            own.check(0, 1, false).await;
            match (reconnect, own.operation.end().await) {
                ("end", End::Complete) => {}
                ("error", End::Errors(errors)) => {
                    check_own_errors(&errors, protocol);
                    let error = &errors[0];
                    assert_eq!(error["extensions"]["code"], "remote-schema-error", "{error}");
                    assert!(error["message"].as_str().unwrap().ends_with("fell silent"), "{error}");
                }
                (_, end) => panic!("{protocol} {reconnect}: {end:?}"),
            }
            own.check_begun(&world.service, 1);
            own.client.kill().await;
        }
        world.end().await;
    }))
    .await;
}
