//! Services that take an upgrade and say nothing on it.

use super::*;
use crate::support::peer::WsPeer;

impl World {
    /// Takes an upgrade, and waits until the client gives the socket up.
    async fn take_and_say_nothing(&self) {
        let mut ws = self.accept().await.upgrade(Some(MODERN)).await;
        assert_eq!(ws.message().await["type"], "connection_init");
        ws.closed().await;
    }

    /// Begins an operation of a client on a socket.
    async fn on_socket(&self, running: &mut Subscription) -> WsPeer {
        let (mut ws, _) = self.accept().await.welcome(MODERN).await;
        let (id, _) = ws.started().await;
        ws.next("next", &id, 1).await;
        assert_eq!(event(running).await, next(GOOD));
        ws
    }
}

fn unacknowledged() -> End {
    let what = artesian_remote::error::Step::Acknowledge;
    End::Failed(RemoteError::Timeout { what, limit: Duration::from_secs(10) })
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_for_streams_and_believed_the_third_time() {
    for asked in [Asks::Events, Asks::Parts] {
        let world = world();
        let mut peers = Vec::new();
        for token in ["a", "b", "c"] {
            let mut running = world.join_by_header(token);
            world.take_and_say_nothing().await;
            if asked == Asks::Parts {
                world.decline(Asks::Events, 406, JSON, ERRORS).await;
            }
            peers.push((world.stream(asked, &mut running).await, running));
        }
        // From now on without a socket, for those with a payload too.
        for running in [world.join_by_header("d"), world.join("e")] {
            let mut running = running;
            peers.push((world.stream(asked, &mut running).await, running));
        }
        assert_eq!(world.client.stats().circuit, CircuitState::Closed);
        world.nothing_more().await;
    }
}

/// What a client says of itself in its payload would be left out of a stream.
#[tokio::test(start_paused = true)]
async fn a_payload_is_not_left_out_before_that() {
    let world = world();
    let mut own = world.join("a");
    for _ in 0..2 {
        world.take_and_say_nothing().await;
    }
    // The attempt after that is the last.
    world.take_and_say_nothing().await;
    let _peer = world.stream(Asks::Events, &mut own).await;
    let mut other = world.join("b");
    let _peer = world.stream(Asks::Events, &mut other).await;
    world.nothing_more().await;

    // Nor is what the gateway's own sockets say.
    let service = Service::new();
    let mut config = config(Transport::Auto);
    config.init_payload = Some(Bytes::from_static(b"{\"token\":\"ours\"}"));
    config.retry.attempts = 0;
    let world = World { client: service.client(config), service };
    let mut running = world.join_by_header("a");
    world.take_and_say_nothing().await;
    assert_eq!(end(&mut running).await, unacknowledged());
    world.nothing_more().await;
}

/// One that has acknowledged a socket is slow for a moment, or does not like what somebody says.
#[tokio::test(start_paused = true)]
async fn who_speaks_it_is_not_asked_for_streams() {
    let world = world();
    let mut first = world.join_by_header("a");
    let _ws = world.on_socket(&mut first).await;
    let mut other = world.join_by_header("b");
    for _ in 0..3 {
        world.take_and_say_nothing().await;
    }
    assert_eq!(end(&mut other).await, unacknowledged());
    drop(first);
    world.nothing_more().await;
}

/// One that speaks nothing else is slow at first: what it says of streams does not end what waits.
#[tokio::test(start_paused = true)]
async fn no_stream_either() {
    for (status, body) in [(404, ""), (400, ERRORS), (500, "<html>"), (401, "")] {
        let world = world();
        let mut running = world.join_by_header("a");
        world.take_and_say_nothing().await;
        world.decline(Asks::Events, status, JSON, body).await;
        if matches!(status, 400 | 404) {
            world.decline(Asks::Parts, status, JSON, body).await;
        }
        let _ws = world.on_socket(&mut running).await;
        let mut other = world.join_by_header("b");
        let _ws = world.on_socket(&mut other).await;
        drop((running, other));
        world.nothing_more().await;
    }
    // If it stays so, that it did not acknowledge is what is told.
    let world = world();
    let mut running = world.join_by_header("a");
    for _ in 0..3 {
        world.take_and_say_nothing().await;
        world.decline(Asks::Events, 404, JSON, "").await;
        world.decline(Asks::Parts, 404, JSON, "").await;
    }
    assert_eq!(end(&mut running).await, unacknowledged());
    world.nothing_more().await;
}

/// More clients at once than may fail in a row.
#[tokio::test(start_paused = true)]
async fn the_circuit_lets_streams_be_asked_for() {
    let world = world();
    let mut running: Vec<_> = (0..20).map(|n| world.join_by_header(&format!("t{n}"))).collect();
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(world.accept().await.upgrade(Some(MODERN)).await);
    }
    let mut peers = Vec::new();
    for _ in 0..20 {
        let mut peer = world.request(Asks::Events).await;
        peer.begin(SSE).await;
        peer.send(format!("event: next\ndata: {GOOD}\n\n")).await;
        peers.push(peer);
    }
    for running in &mut running {
        assert_eq!(event(running).await, next(GOOD));
    }
    let stats = world.client.stats();
    assert_eq!((stats.circuit_openings, stats.streams, stats.sockets), (0, 20, 0));
}
