//! Connections that the service closes in the moment in which the next request goes out over them.

use artesian_remote::{
    CircuitState, Credentials, End, Operation, RemoteError, Response, Transport, Upstream,
    config::{Method, UpstreamConfig},
};
use futures_util::future::join_all;

use crate::support::{
    Service, config, end, event, mutation, next, peer::Peer, query, settle, subscription,
};

const GOOD: &str = r#"{"data":{"n":1}}"#;
const JSON: &str = "application/json";

fn once(transport: Transport) -> UpstreamConfig {
    let mut config = config(transport);
    config.retry.attempts = 0;
    config.circuit.failures = 1;
    config
}

async fn ask(client: &Upstream, operation: &Operation) -> Result<Response, RemoteError> {
    client.request(operation, &Credentials::none()).await
}

/// Lets the client have so many connections without a request, each of which has carried one.
async fn keep(service: &Service, client: &Upstream, connections: usize) -> Vec<Peer> {
    let operation = query("{ n }");
    let asking = join_all((0..connections).map(|_| ask(client, &operation)));
    let answering = async {
        let mut peers = Vec::new();
        for _ in 0..connections {
            let mut peer = service.accept().await;
            peer.request().await;
            peers.push(peer);
        }
        for peer in &mut peers {
            peer.respond(200, JSON, GOOD).await;
        }
        peers
    };
    let (answers, peers) = tokio::join!(asking, answering);
    assert!(answers.iter().all(Result::is_ok));
    settle().await;
    assert_eq!(service.dialled(), connections);
    peers
}

/// Each takes a request, and is closed without an answer.
async fn close(peers: Vec<Peer>) -> usize {
    let closing = peers.into_iter().map(async |mut peer| peer.try_request().await.is_some());
    join_all(closing).await.into_iter().filter(|had_one| *had_one).count()
}

#[tokio::test(start_paused = true)]
async fn a_query_goes_out_again_at_once() {
    for connections in [1, 3] {
        let service = Service::new();
        let client = service.client(once(Transport::Auto));
        let peers = keep(&service, &client, connections).await;
        let operation = query("{ n }");
        let answering = async {
            let mut peer = service.accept().await;
            peer.request().await;
            peer.respond(200, JSON, GOOD).await;
            peer
        };
        let (answer, requests, _peer) =
            tokio::join!(ask(&client, &operation), close(peers), answering);
        assert_eq!(answer.unwrap().text, GOOD);
        assert_eq!((requests, service.dialled()), (connections, connections + 1));
        // It is no failure of the service.
        let stats = client.stats();
        assert_eq!((stats.retries, stats.circuit), (0, CircuitState::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_mutation_does_not() {
    let service = Service::new();
    let client = service.client(once(Transport::Auto));
    let peers = keep(&service, &client, 1).await;
    let operation = mutation("mutation { n }");
    let (answer, requests) = tokio::join!(ask(&client, &operation), close(peers));
    assert!(matches!(answer, Err(RemoteError::Lost { .. })), "{answer:?}");
    assert_eq!((requests, service.dialled()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn nor_does_a_query_where_that_is_configured() {
    let service = Service::new();
    let mut config = once(Transport::Auto);
    config.retry.queries = false;
    let client = service.client(config);
    let peers = keep(&service, &client, 1).await;
    let operation = query("{ n }");
    let (answer, requests) = tokio::join!(ask(&client, &operation), close(peers));
    assert!(matches!(answer, Err(RemoteError::Lost { .. })), "{answer:?}");
    assert_eq!((requests, service.dialled()), (1, 1));
}

/// What the first request of a connection meets is what the service is like.
#[tokio::test(start_paused = true)]
async fn a_fresh_connection_that_breaks_is_a_failure() {
    let service = Service::new();
    let client = service.client(once(Transport::Auto));
    let operation = query("{ n }");
    let breaking = async { close(vec![service.accept().await]).await };
    let (answer, requests) = tokio::join!(ask(&client, &operation), breaking);
    assert!(matches!(answer, Err(RemoteError::Lost { .. })), "{answer:?}");
    assert_eq!((requests, service.dialled()), (1, 1));
}

/// A service may be quick enough to close every connection; a request does not go out for ever.
#[tokio::test(start_paused = true)]
async fn many_of_them_are_given_up() {
    let service = Service::new();
    let client = service.client(once(Transport::Auto));
    let peers = keep(&service, &client, 20).await;
    let operation = query("{ n }");
    let asking = async {
        let answer = ask(&client, &operation).await;
        drop(client);
        answer
    };
    let (answer, requests) = tokio::join!(asking, close(peers));
    assert!(matches!(answer, Err(RemoteError::Lost { .. })), "{answer:?}");
    assert_eq!((requests, service.dialled()), (9, 20));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_opened_again_at_once() {
    for method in [Method::Get, Method::Post] {
        let service = Service::new();
        let client = service.client(once(Transport::Sse(method)));
        let operation = subscription("subscription { n }");
        let one = |operation: &Operation| {
            client.subscribe(operation.clone(), Credentials::none()).unwrap()
        };
        // A response without a stream leaves its connection for others.
        let mut first = one(&operation);
        let mut peer = service.accept().await;
        peer.request().await;
        peer.respond(200, JSON, GOOD).await;
        assert_eq!(event(&mut first).await, next(GOOD));
        assert_eq!(end(&mut first).await, End::Complete);
        settle().await;

        let mut second = one(&operation);
        assert_eq!(close(vec![peer]).await, 1);
        let mut peer = service.accept().await;
        peer.request().await;
        peer.begin("text/event-stream").await;
        peer.send(format!("event: next\ndata: {GOOD}\n\nevent: complete\ndata:\n\n")).await;
        assert_eq!(event(&mut second).await, next(GOOD), "without a word of a gap");
        assert_eq!(end(&mut second).await, End::Complete);
        assert_eq!(service.dialled(), 2);
    }
}
