//! The server, its administrator, the writer, and clients of every transport, all at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use artesian_database::{Backend, Database, DatabaseConfig};
use artesian_engine::{Engine, EngineConfig, Source};
use artesian_oracle::random::Random;
use artesian_server::{Metrics, Server};
use artesian_sql::metadata::Metadata;
use futures_util::future::join_all;
use serde_json::Value;
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    channel::ChannelClient,
    common::{Client, Common, LIMIT},
    document::metadata,
    frames::Format,
    judge::{Judge, Mode},
    link::{Ask, Link, body},
    operator::{Operator, settings},
    post::Post,
    rows::transaction,
    socket::{Protocol, Socket},
    store::Store,
    stream::Streams,
    webhook,
};

/// How long the server lets sockets live after the end of their credentials. Longer than what the
/// judge allows for, so that what comes within it is seen.
const GRACE: Duration = Duration::from_secs(3);

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What a failure is told of.
    pub what: String,
    /// Where the random numbers come from.
    pub seed: u64,
    /// How many things each client does.
    pub steps: u64,
    /// How clients are told apart.
    pub mode: Mode,
}

/// Things that each client does between two times of rest.
const ROUND: u64 = 40;

fn clients(common: &Arc<Common>, random: &mut Random) -> Vec<Box<dyn Client>> {
    let mut next = || Random::new(random.bits());
    let mut clients: Vec<Box<dyn Client>> = Vec::new();
    for protocol in [Protocol::Modern, Protocol::Legacy] {
        for _ in 0..4 {
            clients.push(Box::new(Socket::new(common.clone(), next(), protocol)));
        }
    }
    for is_shared in [false, true] {
        for format in [Format::Events, Format::Multipart] {
            clients.push(Box::new(Streams::new(common.clone(), next(), format, is_shared)));
        }
        clients.push(Box::new(ChannelClient::new(common.clone(), next(), is_shared)));
        clients.push(Box::new(Post::new(common.clone(), next(), is_shared)));
    }
    clients
}

/// Writes until it is told to stop.
async fn write(common: &Common, store: &dyn Store, random: &mut Random, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) && !common.report.has_failed() {
        let (state, number) = common.history.last();
        let next = transaction(random, &state, i64::try_from(number).unwrap());
        let commits = next.result.is_some();
        if next.statements.is_empty() {
            continue;
        }
        if let Some(state) = next.result {
            common.history.begin(state);
        }
        if timeout(LIMIT, store.run(&next.statements, commits)).await.is_err() {
            common.report.fail("the database does not take a transaction".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(2 + random.bits() % 16)).await;
    }
}

/// Runs a plan against a database.
pub async fn run<B: Backend>(plan: Plan, backend: B, kind: &str, store: &dyn Store) {
    say(&format!("{plan:?}"));
    let mut random = Random::new(plan.seed);
    let metrics = Arc::new(Metrics::new("isolation"));
    let config = DatabaseConfig {
        name: "default".into(),
        metadata: Some(Metadata::parse(metadata(kind)).unwrap()),
        live: artesian_live::Config {
            refetch_interval: Duration::from_millis(50),
            ..artesian_live::Config::default()
        },
        ..DatabaseConfig::default()
    };
    let database = Database::open(Arc::new(backend), config, metrics.live()).await.unwrap();
    let source = Arc::clone(&database) as Arc<dyn Source>;
    let engine = Arc::new(Engine::new(source, EngineConfig::default()));

    let judge = Judge::new(plan.mode);
    let (hook, hook_address) = webhook::listen().await;
    let config = settings(plan.mode, &judge.present(), hook_address, GRACE);
    let server = Server::new(engine, config, metrics.clone()).unwrap();
    let control = server.control();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let common = Common::new(listener.local_addr().unwrap(), GRACE, judge);
    let hook = tokio::spawn(webhook::serve(hook, common.clone()));
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.serve(listener, stop.clone().cancelled_owned()));

    let mut operator = Operator {
        common: common.clone(),
        random: Random::new(random.bits()),
        control,
        hook: hook_address,
        reload: {
            let database = database.clone();
            Box::new(move || {
                let database = database.clone();
                Box::pin(async move { database.reload().await.unwrap() })
            })
        },
    };
    let mut clients = clients(&common, &mut random);
    let rounds = plan.steps.div_ceil(ROUND);
    for round in 0..rounds {
        let is_done = AtomicBool::new(false);
        let acting = async {
            let acts = clients.iter_mut().map(|client| async {
                for _ in 0..ROUND {
                    if !common.report.has_failed() {
                        client.act().await;
                    }
                }
            });
            join_all(acts).await;
            is_done.store(true, Ordering::Release);
        };
        let writing = write(&common, store, &mut random, &is_done);
        tokio::join!(acting, writing, operator.work(&is_done));
        let settling = clients.iter_mut().map(|client| client.settle(round + 1 == rounds));
        join_all(settling).await;
        common.report.check(&format!("{}, seed {}, round {round}", plan.what, plan.seed));
    }
    join_all(clients.iter_mut().map(|client| client.leave())).await;
    drop(clients);
    let what = format!("{}, seed {}", plan.what, plan.seed);
    common.report.check(&what);
    empty(&common, &metrics, &what).await;
    let stats = || {
        let stats = database.live().stats();
        (stats.cohorts == 0 && stats.subscribers == 0).then_some(()).ok_or(format!("{stats:?}"))
    };
    eventually(&what, stats).await;
    say(&format!("{what}: {:?}", common.report.tally));
    common.report.tally.check(&what, plan.steps);
    stop.cancel();
    timeout(LIMIT, serving).await.unwrap().unwrap();
    hook.abort();
}

/// For who looks at the test, or at its failure.
#[expect(clippy::print_stdout, reason = "the output of a test")]
fn say(text: &str) {
    println!("{text}");
}

/// Nothing is left of the clients.
async fn empty(common: &Common, metrics: &Metrics, what: &str) {
    eventually(what, || {
        let text = metrics.encode();
        let gauges = ["artesian_connections{", "artesian_operations_active{"];
        let is_left =
            |line: &&str| gauges.iter().any(|name| line.starts_with(name)) && !line.ends_with(" 0");
        let left: Vec<&str> = text.lines().filter(is_left).collect();
        if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
    })
    .await;
    let headers = [("x-hasura-admin-secret".to_owned(), common.judge.secret())].into();
    let ask = Ask { path: "/v1/sockets".to_owned(), ..Ask::get(&headers) };
    let answer = Link::Each.ask(common, &ask).await.unwrap();
    let list: Value = serde_json::from_str(&body(answer.response).await).unwrap();
    assert_eq!(list["total"], 0, "{what}: {list}");
}

async fn eventually(what: &str, mut f: impl FnMut() -> Result<(), String>) {
    let deadline = SystemTime::now() + LIMIT;
    while let Err(text) = f() {
        assert!(SystemTime::now() < deadline, "{what}: still there at the end:\n{text}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
