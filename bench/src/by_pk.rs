//! `T_by_pk` over HTTP, against a server written by hand for just this query: axum, a round-robin
//! of prepared tokio-postgres connections, and `json_build_object` in the database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router, body::Bytes, extract::State, http::header, response::IntoResponse, routing::post,
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_postgres::{Client, Statement};

use crate::{
    load,
    server::{Server, database},
};

const ROWS: usize = 100_000;
const ROUNDS: usize = 5;

/// Sets the table up, runs both servers in turns, prints the ratio.
pub async fn run(artesian: &str, url: &str) {
    let client = database(url).await;
    client
        .batch_execute(&format!(
            "DROP TABLE IF EXISTS bench_users CASCADE;
             CREATE TABLE bench_users (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL,
                                       score numeric, created_at timestamptz NOT NULL);
             INSERT INTO bench_users SELECT i, 'user ' || i, 'user' || i || '@example.org',
                 i / 7.0, timestamptz '2026-01-01' + i * interval '1 minute'
             FROM generate_series(1, {ROWS}) AS i;"
        ))
        .await
        .unwrap();
    client.batch_execute("VACUUM ANALYZE bench_users").await.unwrap();
    let artesian = Server::start(artesian, url).await;
    let (peer, _process) = start_peer(url).await;
    println!("T_by_pk over HTTP, {ROWS} rows, closed loop, {ROUNDS} rounds of 4 s in turns");
    for connections in [1, 16, 64] {
        let mut rates: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        let mut p50 = [Duration::ZERO; 2];
        let mut p99 = [Duration::ZERO; 2];
        for round in 0..=ROUNDS {
            for (i, address) in [&artesian.address, &peer].into_iter().enumerate() {
                let report =
                    load::run(address, "/graphql", connections, Duration::from_secs(4), body).await;
                // The first round warms caches on both sides.
                if round > 0 {
                    rates[i].push(report.rate);
                    p50[i] = report.percentile(50);
                    p99[i] = report.percentile(99);
                }
            }
        }
        let [ours, theirs] = rates.map(|mut r| {
            r.sort_by(f64::total_cmp);
            r[r.len() / 2]
        });
        println!(
            "{connections:>3} connections: artesian {ours:.0}/s (p50 {:?}, p99 {:?}), hand-written {theirs:.0}/s \
             (p50 {:?}, p99 {:?}), ratio {:.2}",
            p50[0],
            p99[0],
            p50[1],
            p99[1],
            ours / theirs
        );
    }
    client.batch_execute("DROP TABLE bench_users").await.unwrap();
}

fn body(n: usize) -> String {
    let id = 1 + n.wrapping_mul(7919) % ROWS;
    format!(
        "{{\"query\":\"query ($id: Int!) {{ bench_users_by_pk(id: $id) {{ id name email score created_at }} }}\",\
         \"variables\":{{\"id\":{id}}}}}"
    )
}

struct Peer {
    connections: Vec<(Client, Statement)>,
    next: AtomicUsize,
}

/// Starts the hand-written server as a process of its own, as the other one is: within this process
/// it would share threads with the load and save the switches between them.
async fn start_peer(url: &str) -> (String, tokio::process::Child) {
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["hand-written", url])
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.next_line().await.unwrap().expect("the peer prints its address");
    (address, child)
}

/// Runs the hand-written server; prints its address.
pub async fn serve_peer(url: &str) {
    let mut connections = Vec::new();
    for _ in 0..16 {
        let client = database(url).await;
        let statement = client
            .prepare(
                "SELECT json_build_object('bench_users_by_pk', (SELECT row_to_json(r) FROM (SELECT \
                 id, name, email, score, created_at FROM bench_users WHERE id = $1) AS r))::text",
            )
            .await
            .unwrap();
        connections.push((client, statement));
    }
    let state = Arc::new(Peer { connections, next: AtomicUsize::new(0) });
    let app = Router::new().route("/graphql", post(handler)).with_state(state);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    axum::serve(listener, app).await.unwrap();
}

async fn handler(State(peer): State<Arc<Peer>>, body: Bytes) -> impl IntoResponse {
    let request: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let id = i32::try_from(request["variables"]["id"].as_i64().unwrap()).unwrap();
    let n = peer.next.fetch_add(1, Ordering::Relaxed) % peer.connections.len();
    let (client, statement) = &peer.connections[n];
    let row = client.query_one(statement, &[&id]).await.unwrap();
    let data: &str = row.get(0);
    ([(header::CONTENT_TYPE, "application/json")], format!("{{\"data\":{data}}}"))
}
