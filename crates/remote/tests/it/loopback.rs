//! Over real sockets, with real time and many threads.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use artesian_remote::{
    Credentials, RemoteError, Transport, Upstream, UpstreamConfig,
    config::Method,
    dial::{Dial, Network},
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::{
    COMPLETE, credentials, event, eventually, next,
    peer::Peer,
    query,
    server::{Live, Order, Server, result},
    subscription,
};

const JSON: &str = "application/json";
const GOOD: &str = r#"{"data":{"n":1}}"#;

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Where nobody listens.
async fn nowhere() -> SocketAddr {
    listen().await.1
}

fn plain() -> Arc<dyn Dial> {
    Arc::new(Network::with_roots(RootCertStore::empty()).unwrap())
}

fn at(scheme: &str, address: SocketAddr, transport: Transport) -> UpstreamConfig {
    let host = if scheme.ends_with('s') { "localhost" } else { "127.0.0.1" };
    let url = format!("{scheme}://{host}:{}/graphql", address.port()).parse().unwrap();
    UpstreamConfig { transport, ..UpstreamConfig::new(url) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_listens() {
    let mut config = at("http", nowhere().await, Transport::Auto);
    config.retry.first = Duration::from_millis(1);
    let client = Upstream::new(config, plain());
    let error = client.request(&query("{ n }"), &Credentials::none()).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable(_)), "{error:?}");
    assert_eq!(client.stats().retries, 2);
    // What clients are told, and what the log says.
    assert_eq!(error.to_string(), "the service cannot be reached");
    let text = error.in_detail();
    assert!(text.contains("refused") && !text.contains("127.0.0.1"), "{text}");
}

/// What accepts connections with TLS for `localhost`, and who trusts it.
fn tls(protocols: &[&[u8]]) -> (TlsAcceptor, Arc<dyn Dial>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    (TlsAcceptor::from(Arc::new(config)), Arc::new(Network::with_roots(roots).unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_checked() {
    let (acceptor, trusting) = tls(&[b"http/1.1"]);
    let (listener, address) = listen().await;
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // Who does not trust us goes away.
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let mut peer = Peer::new(stream);
            tokio::spawn(async move {
                let Some(head) = peer.try_request().await else { return };
                if head.all("upgrade").is_empty() {
                    peer.respond(200, JSON, GOOD).await;
                } else {
                    peer.respond(401, JSON, "").await;
                }
            });
        }
    });

    let client = Upstream::new(at("https", address, Transport::Auto), trusting);
    let response = client.request(&query("{ n }"), &Credentials::none()).await.unwrap();
    assert_eq!(response.text, GOOD);
    let mut running = client.subscribe(subscription("{ n }"), Credentials::none()).unwrap();
    let refused = RemoteError::Refused { code: Some(401), reason: "".into() };
    assert_eq!(crate::support::end(&mut running).await, artesian_remote::End::Failed(refused));

    let mut config = at("https", address, Transport::Auto);
    config.retry.attempts = 0;
    let client = Upstream::new(config, plain());
    let error = client.request(&query("{ n }"), &Credentials::none()).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable(_)), "{error:?}");
    serving.abort();
}

/// Requests share a connection with HTTP/2; a stream has a connection of its own with HTTP/1.1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_is_for_requests() {
    let (acceptor, dial) = tls(&[b"h2", b"http/1.1"]);
    let (listener, address) = listen().await;
    let accepted = Arc::new(AtomicUsize::new(0));
    let serving = tokio::spawn({
        let accepted = Arc::clone(&accepted);
        async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, Ordering::SeqCst);
                let stream = acceptor.accept(stream).await.unwrap();
                let answer = service_fn(|request: hyper::Request<Incoming>| async move {
                    let version = format!("{:?}", request.version());
                    let is_stream = request.headers()["accept"] == "text/event-stream";
                    let payload = format!("{{\"data\":{{\"version\":\"{version}\"}}}}");
                    let (kind, body) = if is_stream {
                        let end = "event: complete\ndata:\n\n";
                        ("text/event-stream", format!("event: next\ndata: {payload}\n\n{end}"))
                    } else {
                        (JSON, payload)
                    };
                    let response = hyper::Response::builder().header("content-type", kind);
                    response.body(Full::new(Bytes::from(body)))
                });
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ended = server.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        }
    });
    let config = at("https", address, Transport::Sse(Method::Post));
    let client = Arc::new(Upstream::new(config, dial));
    let first = client.request(&query("{ n }"), &Credentials::none()).await.unwrap();
    assert_eq!(first.text, r#"{"data":{"version":"HTTP/2.0"}}"#);
    let asking = (0..50).map(|_| {
        let client = Arc::clone(&client);
        tokio::spawn(async move {
            let response = client.request(&query("{ n }"), &Credentials::none()).await.unwrap();
            assert_eq!(response.text, r#"{"data":{"version":"HTTP/2.0"}}"#);
        })
    });
    for one in asking.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
    let mut running = client.subscribe(subscription("{ n }"), Credentials::none()).unwrap();
    assert_eq!(event(&mut running).await, next(r#"{"data":{"version":"HTTP/1.1"}}"#));
    assert_eq!(event(&mut running).await, COMPLETE);
    assert_eq!(accepted.load(Ordering::SeqCst), 2);
    serving.abort();
}

/// Serves on a real listener.
async fn serve(transport: Transport) -> (Server, SocketAddr) {
    let (listener, address) = listen().await;
    let server = Server::new(transport);
    tokio::spawn({
        let server = server.clone();
        async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move { server.serve(Peer::new(stream)).await });
            }
        }
    });
    (server, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transport() {
    for transport in [
        Transport::Auto,
        Transport::LegacyWs,
        Transport::Sse(Method::Get),
        Transport::Sse(Method::Post),
        Transport::Multipart,
    ] {
        let (server, address) = serve(transport).await;
        let client = Upstream::new(at("http", address, transport), plain());
        let live = Live { token: "a".into(), query: "subscription { n }".into() };
        let operation = subscription(&live.query);
        let mut running = client.subscribe(operation, credentials("a")).unwrap();
        eventually("it is there", || server.live() == [live.clone()]).await;
        // Large enough for many reads.
        for n in 0..100 {
            let payload = format!("{{\"data\":{{\"n\":\"{}\"}}}}", "x".repeat(n * 1000));
            server.each(|_| true, |id, _| Order::Next(id, payload.clone()));
            assert_eq!(event(&mut running).await, next(&payload));
        }
        server.each(|_| true, |id, _| Order::Complete(id));
        assert_eq!(event(&mut running).await, COMPLETE);
        drop(running);
        let _left = client.subscribe(subscription(&live.query), credentials("a")).unwrap();
        eventually("it is there again", || server.live() == [live.clone()]).await;
        drop(_left);
        eventually("it is gone", || server.live().is_empty()).await;
    }
}

/// Many tasks at once on many threads: nothing hangs, nothing is mixed up, nothing is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd() {
    for transport in [Transport::TransportWs, Transport::Sse(Method::Post)] {
        let (server, address) = serve(transport).await;
        let mut config = at("http", address, transport);
        config.timeouts.idle = Duration::from_millis(20);
        config.retry.first = Duration::from_millis(1);
        config.retry.longest = Duration::from_millis(20);
        config.circuit.failures = 0;
        let client = Arc::new(Upstream::new(config, plain()));
        let emitting = tokio::spawn({
            let server = server.clone();
            async move {
                for n in 0.. {
                    for text in 0..4 {
                        server.emit(&format!("subscription {{ n{text} }}"), n);
                    }
                    if n % 16 == 0 {
                        server.tell(usize::try_from(n).unwrap(), Order::Break);
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
        let crowd: Vec<_> = (0..16_usize)
            .map(|who| {
                let client = Arc::clone(&client);
                tokio::spawn(async move {
                    for round in 0..40_usize {
                        let live = Live {
                            token: format!("t{}", who % 3),
                            query: format!("subscription {{ n{} }}", (who + round) % 4),
                        };
                        let operation = subscription(&live.query);
                        let own = client.subscribe(operation, credentials(&live.token));
                        let mut own = own.unwrap();
                        // Some leave before anything comes.
                        for _ in 0..round % 4 {
                            if let artesian_remote::Event::Next(payload) = event(&mut own).await {
                                let text = std::str::from_utf8(&payload).unwrap();
                                let n: serde_json::Value = serde_json::from_str(text).unwrap();
                                let n = n["data"]["n"].as_u64().unwrap();
                                assert_eq!(text, result(&live, n));
                            }
                        }
                    }
                })
            })
            .collect();
        for one in crowd {
            one.await.unwrap();
        }
        emitting.abort();
        eventually("nothing is left", || {
            let stats = client.stats();
            server.live().is_empty()
                && (stats.sockets, stats.streams, stats.subscriptions) == (0, 0, 0)
        })
        .await;
    }
}
