//! Finding out how a service carries subscriptions.

use std::{sync::Arc, time::Duration};

use artesian_remote::{
    CircuitState, Credentials, End, Event, RemoteError, Subscription, Transport, Upstream,
    config::Method,
};
use bytes::Bytes;

use crate::support::{
    Service, config, credentials, end, event, next,
    peer::{Head, Peer},
    server::{Live, Server, result},
    settle, subscription,
};

const SSE: &str = "text/event-stream";
const MULTIPART: &str = "multipart/mixed;boundary=b";
const JSON: &str = "application/json";
const MODERN: &str = "graphql-transport-ws";
const GOOD: &str = r#"{"data":{"n":1}}"#;
const ERRORS: &str = r#"{"errors":[{"message":"x"}]}"#;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    Socket,
    Events,
    Parts,
}

fn asks(head: &Head) -> Asks {
    if !head.all("upgrade").is_empty() {
        return Asks::Socket;
    }
    assert_eq!((head.method.as_str(), head.path.as_str()), ("POST", "/graphql?key=1"));
    assert_eq!(head.json()["query"], "{ n }");
    match head.all("accept")[..] {
        [SSE] => Asks::Events,
        [other] if other.starts_with("multipart/mixed") => Asks::Parts,
        ref other => panic!("{other:?}"),
    }
}

/// Known by a header alone, so that a stream carries all that a socket does.
fn by_header(token: &str) -> Credentials {
    let header = http::HeaderName::from_static("authorization");
    Credentials::new([(header, http::HeaderValue::try_from(token).unwrap())])
}

mod unacknowledged;

struct World {
    service: Service,
    client: Upstream,
}

fn world() -> World {
    let service = Service::new();
    let client = service.client(config(Transport::Auto));
    World { service, client }
}

impl World {
    fn join(&self, token: &str) -> Subscription {
        self.client.subscribe(subscription("{ n }"), credentials(token)).unwrap()
    }

    fn join_by_header(&self, token: &str) -> Subscription {
        self.client.subscribe(subscription("{ n }"), by_header(token)).unwrap()
    }

    /// The next connection, which must come within ten minutes of the test's time.
    async fn accept(&self) -> Peer {
        let next = tokio::time::timeout(Duration::from_secs(600), self.service.accept()).await;
        next.expect("a connection within ten minutes")
    }

    /// The next request, which must ask for this.
    async fn request(&self, expected: Asks) -> Peer {
        let mut peer = self.accept().await;
        let head = peer.request().await;
        assert_eq!(asks(&head), expected);
        peer
    }

    async fn decline(&self, asked: Asks, status: u16, kind: &str, body: &str) {
        self.request(asked).await.respond(status, kind, body).await;
    }

    /// Answers with a stream, and sends a result that the client gets.
    async fn stream(&self, asked: Asks, running: &mut Subscription) -> Peer {
        let mut peer = self.request(asked).await;
        if asked == Asks::Events {
            peer.begin(SSE).await;
            peer.send(format!("event: next\ndata: {GOOD}\n\n")).await;
        } else {
            peer.begin(MULTIPART).await;
            peer.send(format!("--b\r\n\r\n{{\"payload\":{GOOD}}}\r\n--b")).await;
        }
        assert_eq!(event(running).await, next(GOOD));
        peer
    }

    async fn nothing_more(&self) {
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(self.service.accept_now().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_stream_where_there_is_no_websocket() {
    for status in [200, 400, 404, 405, 406, 415, 426] {
        let world = world();
        let mut a = world.join("a");
        // With 400 a service may mean that it does not know the subprotocol.
        for _ in 0..if status == 400 { 3 } else { 1 } {
            world.decline(Asks::Socket, status, "text/html", "<html>").await;
        }
        let peer = world.stream(Asks::Events, &mut a).await;
        assert_eq!(world.client.stats().streams, 1);
        assert_eq!(world.client.stats().sockets, 0);
        // That is remembered, for whoever comes.
        let mut b = world.join("b");
        let _peer = world.stream(Asks::Events, &mut b).await;
        // And when it is resumed.
        drop(peer);
        let mut peer = world.request(Asks::Events).await;
        peer.begin(SSE).await;
        assert_eq!(event(&mut a).await, Event::Resumed);
        world.nothing_more().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_multipart_body_where_there_is_no_event_stream_either() {
    for (status, kind, body) in [
        (406, JSON, ""),
        (404, "text/html", "<html>"),
        (200, "text/html", "<html>"),
        (200, JSON, r#"{"message":"no"}"#),
        (400, JSON, ERRORS),
        (200, JSON, ERRORS),
    ] {
        let world = world();
        let mut a = world.join("a");
        world.decline(Asks::Socket, 404, "text/html", "").await;
        world.decline(Asks::Events, status, kind, body).await;
        let peer = world.stream(Asks::Parts, &mut a).await;
        let mut b = world.join("b");
        let _peer = world.stream(Asks::Parts, &mut b).await;
        drop(peer);
        let mut peer = world.request(Asks::Parts).await;
        peer.begin(MULTIPART).await;
        assert_eq!(event(&mut a).await, Event::Resumed, "{status} {body}");
        world.nothing_more().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_has_none_of_them() {
    let errors = End::Errors(Bytes::from_static(br#"[{"message":"x"}]"#));
    for (events, parts, expected) in [
        ((404, ""), (404, ""), End::Failed(RemoteError::Status(404))),
        ((404, ""), (200, "<html>"), End::Failed(RemoteError::NotJson(200))),
        // What the service says is worth more than a status.
        ((400, ERRORS), (404, ""), errors.clone()),
        ((404, ""), (400, ERRORS), errors.clone()),
        ((400, ERRORS), (400, ERRORS), errors.clone()),
    ] {
        let world = world();
        // Nothing is remembered, since there is nothing.
        for _ in 0..5 {
            let mut running = world.join("a");
            world.decline(Asks::Socket, 404, "text/html", "").await;
            world.decline(Asks::Events, events.0, JSON, events.1).await;
            world.decline(Asks::Parts, parts.0, JSON, parts.1).await;
            assert_eq!(end(&mut running).await, expected);
        }
        world.nothing_more().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_result_is_taken_and_says_nothing() {
    let world = world();
    for _ in 0..2 {
        let mut running = world.join("a");
        world.decline(Asks::Socket, 404, "text/html", "").await;
        world.decline(Asks::Events, 200, JSON, GOOD).await;
        assert_eq!(event(&mut running).await, next(GOOD));
        assert_eq!(end(&mut running).await, End::Complete);
    }
    world.nothing_more().await;
}

/// Refusals, limits and failures are answers to this client at this moment.
#[tokio::test(start_paused = true)]
async fn what_says_nothing_of_the_transport() {
    for status in [401, 403, 408, 429, 500, 501, 502, 503, 504] {
        let service = Service::new();
        let mut config = config(Transport::Auto);
        config.retry.attempts = 0;
        let world = World { client: service.client(config), service };
        let mut running = world.join("a");
        world.decline(Asks::Socket, status, "text/html", "").await;
        let failed = end(&mut running).await;
        let refused = RemoteError::Refused { code: Some(status), reason: "".into() };
        let expected =
            if matches!(status, 401 | 403) { refused } else { RemoteError::Status(status) };
        assert_eq!(failed, End::Failed(expected.clone()), "{status}");
        world.nothing_more().await;

        // The same answer to the request for a stream.
        let mut running = world.join("a");
        world.decline(Asks::Socket, 404, "text/html", "").await;
        world.decline(Asks::Events, status, "text/html", "").await;
        assert_eq!(end(&mut running).await, End::Failed(expected.clone()), "{status}");
        world.nothing_more().await;

        // And where it is known that there are streams: that stays known.
        let mut running = world.join("a");
        world.decline(Asks::Socket, 404, "text/html", "").await;
        let _peer = world.stream(Asks::Events, &mut running).await;
        for _ in 0..4 {
            let mut other = world.join("b");
            world.decline(Asks::Events, status, "text/html", "").await;
            assert_eq!(end(&mut other).await, End::Failed(expected.clone()), "{status}");
        }
        let mut other = world.join("b");
        let _peer = world.stream(Asks::Events, &mut other).await;
    }
    let world = world();
    // A redirect wants to be configured.
    let mut running = world.join("a");
    world.decline(Asks::Socket, 302, "text/html", "").await;
    assert_eq!(end(&mut running).await, End::Failed(RemoteError::Redirect(302)));
    world.nothing_more().await;
}

#[tokio::test(start_paused = true)]
async fn what_worked_is_forgotten_when_it_does_not_any_more() {
    // From an event stream to a WebSocket.
    let world = world();
    let mut running = world.join("a");
    world.decline(Asks::Socket, 404, "text/html", "").await;
    drop(world.stream(Asks::Events, &mut running).await);
    drop(running);
    for body in ["", ERRORS, "<html>"] {
        let mut running = world.join("a");
        let mut peer = world.service.accept().await;
        let head = peer.request().await;
        assert_eq!(asks(&head), Asks::Events, "one failure may be anything");
        peer.respond(404, JSON, body).await;
        assert!(matches!(end(&mut running).await, End::Failed(_) | End::Errors(_)));
    }
    let mut running = world.join("a");
    let (mut ws, _) = world.service.accept().await.welcome(MODERN).await;
    let (id, _) = ws.started().await;
    ws.next("next", &id, 1).await;
    assert_eq!(event(&mut running).await, next(GOOD));
    // And back.
    drop(running);
    ws.close(1001, "").await;
    settle().await;
    for _ in 0..3 {
        let mut running = world.join_by_header("a");
        world.decline(Asks::Socket, 404, "text/html", "").await;
        assert_eq!(end(&mut running).await, End::Failed(RemoteError::Status(404)));
    }
    let mut running = world.join_by_header("a");
    world.decline(Asks::Socket, 404, "text/html", "").await;
    let _peer = world.stream(Asks::Events, &mut running).await;
}

/// A proxy that has no service behind it for a moment answers as one that has no WebSockets. Who says
/// something of itself on a socket must not become one who says nothing.
#[tokio::test(start_paused = true)]
async fn a_payload_is_not_left_out_where_there_were_sockets() {
    let world = world();
    let running = world.join("a");
    let (mut ws, _) = world.service.accept().await.welcome(MODERN).await;
    ws.started().await;
    drop(running);
    ws.close(1001, "").await;
    settle().await;
    // Many come while there is no service; nobody with a payload asks for anything but a socket.
    for _ in 0..5 {
        let mut running = world.join("a");
        world.decline(Asks::Socket, 404, "text/html", "").await;
        assert_eq!(end(&mut running).await, End::Failed(RemoteError::Status(404)));
    }
    // Others may, and find streams.
    let mut other = world.join_by_header("b");
    world.decline(Asks::Socket, 404, "text/html", "").await;
    let _stream = world.stream(Asks::Events, &mut other).await;
    // Which changes nothing for those who have one.
    let mut own = world.join("a");
    world.decline(Asks::Socket, 404, "text/html", "").await;
    assert_eq!(end(&mut own).await, End::Failed(RemoteError::Status(404)));
    let mut own = world.join("a");
    let (mut ws, payload) = world.accept().await.welcome(MODERN).await;
    assert!(!payload.is_null());
    let (id, _) = ws.started().await;
    ws.next("next", &id, 1).await;
    assert_eq!(event(&mut own).await, next(GOOD));
}

/// What a client says of itself on its operations is never left out.
#[tokio::test(start_paused = true)]
async fn a_payload_per_operation_stays_on_sockets() {
    let world = world();
    let join = || {
        let payload = Bytes::from_static(b"{\"token\":\"a\"}");
        let own = Credentials::none().with_operation_payload(payload).unwrap();
        world.client.subscribe(subscription("{ n }"), own).unwrap()
    };
    let mut own = join();
    world.decline(Asks::Socket, 404, "text/html", "").await;
    assert_eq!(end(&mut own).await, End::Failed(RemoteError::Status(404)));
    let mut other = world.join("b");
    world.decline(Asks::Socket, 404, "text/html", "").await;
    let _peer = world.stream(Asks::Events, &mut other).await;
    let mut own = join();
    assert!(matches!(end(&mut own).await, End::Failed(RemoteError::Request(_))));
    world.nothing_more().await;
}

/// Many at once, of different clients, before anything is known.
#[tokio::test(start_paused = true)]
async fn many_find_out_at_the_same_time() {
    for transport in [Transport::Sse(Method::Post), Transport::Multipart] {
        let service = Arc::new(Service::new());
        let server = Server::start(&service, transport);
        let client = service.client(config(Transport::Auto));
        let mut running = Vec::new();
        for n in 0..20 {
            let live = Live { token: format!("t{n}"), query: "subscription { n }".into() };
            let own = client.subscribe(subscription(&live.query), credentials(&live.token));
            running.push((live, own.unwrap()));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut expected: Vec<Live> = running.iter().map(|(live, _)| live.clone()).collect();
        expected.sort();
        assert_eq!(server.live(), expected, "{transport:?}: each one's own, exactly once");
        server.emit("subscription { n }", 1);
        for (live, own) in &mut running {
            assert_eq!(event(own).await, next(&result(live, 1)), "{transport:?}");
        }
        let stats = client.stats();
        assert_eq!((stats.streams, stats.sockets, stats.started), (20, 0, 20));
    }
}
