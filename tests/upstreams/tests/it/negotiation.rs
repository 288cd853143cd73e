//! Services of which it must be found out what they speak.

use artesian_upstreams::{
    client::{Caller, Transport},
    gateway::Source,
    script::Door,
};

use crate::support::World;

/// What was asked for first, second and so on.
fn opened(world: &World) -> Vec<&'static str> {
    world.service.state.with(|state| {
        let kind = |seen: &artesian_upstreams::seen::Seen| {
            let accept = seen.all("accept").join(",");
            match accept.as_str() {
                _ if !seen.all("upgrade").is_empty() => "socket",
                text if text.contains("event-stream") => "events",
                _ => "parts",
            }
        };
        state.opened.iter().map(kind).collect()
    })
}

/// It takes upgrades and never acknowledges a connection, but has event streams.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_never_acknowledges() {
    let lines = "timeouts: { ack: 1s }\nretry: { first: 5ms, longest: 50ms }";
    let world = World::new(&Source::new("auto").graphql(lines)).await;
    for header in ["", "a", "b"] {
        world.service.door(header, Door::Init(Vec::new(), None));
    }
    let mut all = Vec::new();
    // Nothing is said of the first one on a socket, so nothing is left out of a stream.
    for (name, expected) in [
        ("", &["socket", "events"][..]),
        ("a", &["socket", "socket", "events"]),
        ("b", &["events"]),
    ] {
        let before = opened(&world).len();
        let caller = if name.is_empty() { Caller::default() } else { Caller::header(name) };
        let mut client = world.connect(Transport::TransportWs, &caller).await;
        let topic = format!("topic-{name}");
        let operation = client.subscribe(&topic).await;
        world.service.alive(&topic).await;
        assert_eq!(opened(&world)[before..], *expected, "{name:?}");
        world.service.emit(&topic, 1);
        let result = operation.result(0).await;
        assert_eq!(result["data"]["feed"]["who"], caller.who(Transport::Events));
        all.push((client, operation));
    }
    for (client, operation) in all {
        operation.log.with(|log| assert!(log.faults.is_empty() && log.end.is_none()));
        client.kill().await;
    }
    world.end().await;
}
