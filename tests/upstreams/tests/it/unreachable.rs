//! A service that cannot be reached: clients hear which one, and nothing of the network behind; who runs
//! the gateway finds that in the log.

use artesian_upstreams::{
    client::{Caller, End, Transport, ask},
    gateway::Source,
};
use serde_json::{Value, json};

use crate::{
    faults::check_own_errors,
    support::{World, everywhere},
};

const TEXT: &str = "the service `service` cannot be reached";

fn source(protocol: &'static str) -> Source {
    Source::new(protocol).graphql(
        "refresh: 0\nretry: { attempts: 1, first: 5ms, longest: 20ms, give_up_after: 500ms }\n\
         circuit: { failures: 0 }",
    )
}

/// The only error, of this field if it is of one.
fn check(errors: &Value, path: Value, text: &str) {
    check_own_errors(errors, text);
    let [error] = &errors.as_array().unwrap()[..] else { panic!("{errors}") };
    assert_eq!((&error["message"], &error["path"]), (&json!(text), &path), "{error}");
    assert_eq!(error["extensions"]["code"], "remote-schema-error", "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_listens() {
    everywhere(async |protocol| {
        let mut world = World::new(&source(protocol)).await;
        let caller = Caller::default();
        let mut clients = Vec::new();
        for transport in Transport::ALL {
            let mut client = world.connect(transport, &caller).await;
            let there = client.subscribe("there").await;
            world.service.alive("there").await;
            clients.push((client, there));
        }
        world.service.down().await;
        for query in ["{ who(topic: \"x\") }", "mutation { change(topic: \"x\") }"] {
            let (_, answer) = ask(world.gateway.address, &caller, &json!({ "query": query })).await;
            let field = if query.starts_with('{') { "who" } else { "change" };
            check(&answer["errors"], json!([field]), TEXT);
        }
        for (mut client, there) in clients {
            let wanted = client.subscribe("wanted").await;
            for operation in [wanted, there] {
                match operation.end().await {
                    End::Errors(errors) => check(&errors, Value::Null, TEXT),
                    end => panic!("{protocol} {:?}: {end:?}", client.transport),
                }
            }
            // Those that are asked again and again, too.
            let live = json!({"query": "query @live { who(topic: \"x\") }"});
            let live = client.start(live).await;
            let hears = |log: &mut artesian_upstreams::client::Log| log.results.pop();
            if client.transport.is_socket() {
                let errors = live.until("a failure", hears).await["errors"].take();
                check_own_errors(&errors, protocol);
                let text = errors[0]["message"].as_str().unwrap();
                assert!(text.ends_with("cannot be reached"), "{text}");
            }
            client.kill().await;
        }
        let logs = world.gateway.logs();
        assert!(logs.contains("a request of a client failed"), "{logs}");
        assert!(logs.contains("the service cannot be reached: Connection refused"), "{logs}");
        assert!(world.gateway.is_alive());
    })
    .await;
}
