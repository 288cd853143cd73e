//! The service and the clients against each other, so that what they say of the gateway is its own.

use artesian_upstreams::{
    client::{Caller, Client, End, Transport, ask},
    script::Act,
    service::{Ended, Service},
};
use serde_json::json;

const DIRECT: [Transport; 4] =
    [Transport::TransportWs, Transport::LegacyWs, Transport::Events, Transport::Multipart];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_behaves() {
    for transport in DIRECT {
        let service = Service::start().await;
        let caller = Caller::header("a").and_token("b");
        let mut client = Client::connect(service.address, transport, &caller).await;
        let who = caller.who(transport);
        let operation = client.subscribe("x").await;
        assert_eq!(service.alive("x").await.who, who);
        for n in 0..3 {
            service.emit("x", n);
            let expected = json!({"data": {"feed": {"topic": "x", "who": who, "n": n}}});
            assert_eq!(operation.result(usize::try_from(n).unwrap()).await, expected);
        }
        service.tell(|_| true, &Act::Complete);
        assert_eq!(operation.end().await, End::Complete, "{transport:?}");
        let stopped = client.subscribe("y").await;
        service.alive("y").await;
        client.stop(&stopped).await;
        service.gone("y").await;
        let failed = client.subscribe("z").await;
        service.alive("z").await;
        service.tell(|_| true, &Act::Errors(r#"[{"message":"no"}]"#.into()));
        assert_eq!(failed.end().await, End::Errors(json!([{"message": "no"}])));
        let dead = client.subscribe("dead").await;
        service.alive("dead").await;
        client.kill().await;
        service.gone("dead").await;
        assert!(dead.log.with(|log| log.results.is_empty()));
        let ended: Vec<_> =
            service.state.with(|state| state.begun.iter().map(|begun| begun.ended).collect());
        assert_eq!(ended[..3], [Some(Ended::Ours), Some(Ended::Stopped), Some(Ended::Ours)]);
        assert_eq!(service.state.with(|state| state.faults.clone()), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_and_restarts() {
    let service = Service::start().await;
    let query = json!({"query": "{ who(topic: \"x\") other: who(topic: \"y\") }"});
    let (status, answer) = ask(service.address, &Caller::header("a"), &query).await;
    let who = |topic| json!({"topic": topic, "who": "a|-|-", "name": "who"});
    assert_eq!((status, answer), (200, json!({"data": {"who": who("x"), "other": who("y")}})));
    assert_eq!(service.asked("y").len(), 1);
    let query = json!({"query": "{ __schema { queryType { name } } nothing }"});
    let (_, answer) = ask(service.address, &Caller::default(), &query).await;
    assert!(answer["errors"].is_array());
    let caller = Caller::default();
    let mut client = Client::connect(service.address, Transport::TransportWs, &caller).await;
    let operation = client.subscribe("x").await;
    service.alive("x").await;
    service.down().await;
    assert!(matches!(operation.end().await, End::Cut(_)));
    service.up().await;
    let mut client = Client::connect(service.address, Transport::Multipart, &caller).await;
    let _operation = client.subscribe("x").await;
    service.alive("x").await;
}
