//! Ten thousand clients who come at once and say who they are.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use serde_json::{Value, json};

use super::tokens::{ALL, AUDIENCE, ISSUER, key_set};
use crate::{
    notes::Notes,
    process::Cpu,
    server::Server,
    swarm::{Goal, Swarm},
};

const CLIENTS: usize = 10_000;
const ROUNDS: usize = 3;
const ADMIN_SECRET: &str = "an admin secret of usual length";

/// A service of the identity provider's, in this process.
struct Service {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Service {
    /// Answers everything with this, after a while, and counts.
    async fn start(answer: &Value) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (asked.clone(), answer.to_string());
        let answering = get(move || {
            count.fetch_add(1, SeqCst);
            let answer = answer.clone();
            async {
                // So much a service on the same network takes.
                tokio::time::sleep(Duration::from_millis(20)).await;
                answer
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let service = Router::new().route("/", answering);
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, SeqCst)
    }
}

/// What clients say in `connection_init`, in a file.
fn payloads(name: &str, payloads: impl Iterator<Item = Value>) -> PathBuf {
    let path = std::env::temp_dir().join(format!("artesian-bench-{}-{name}", std::process::id()));
    let lines: Vec<String> = payloads.map(|payload| payload.to_string()).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn bearer(token: &str) -> Value {
    json!({"headers": {"authorization": format!("Bearer {token}")}})
}

/// Prints what each way takes.
pub async fn run(artesian: &str) {
    println!(
        "{CLIENTS} sockets at once until the last is acknowledged; {ROUNDS} rounds, each with a new \
         server, median"
    );
    println!(
        "{:<40} {:>9} {:>14} {:>10} {:>8} {:>9} {:>16}",
        "", "all are in", "CPU of server", "verified", "known", "key sets", "webhook is asked"
    );
    let keys = Service::start(&key_set()).await;
    let user = json!({"x-hasura-role": "user", "x-hasura-user-id": "7"});
    let silent = Service::start(&user).await;
    let mut lasting = user.clone();
    lasting["cache-control"] = "max-age=600".into();
    let lasting = Service::start(&lasting).await;

    let jwt = json!({"jwk_url": keys.url, "issuer": ISSUER, "audience": AUDIENCE}).to_string();
    let tokens = ALL[1].tokens(CLIENTS);
    let secret = payloads("secret", [json!({"x-hasura-admin-secret": ADMIN_SECRET})].into_iter());
    let one = payloads("one", tokens.iter().take(1).map(|token| bearer(token)));
    let many = payloads("many", tokens.iter().map(|token| bearer(token)));
    let with_jwt = ["--jwt-secret", jwt.as_str()];
    let subjects: [(&str, &[&str], &PathBuf, &Service); 5] = [
        ("the admin secret", &[], &secret, &keys),
        ("JWT (RS256), one token", &with_jwt, &one, &keys),
        ("JWT (RS256), a token for each", &with_jwt, &many, &keys),
        ("webhook, which says for how long", &["--auth-hook", &lasting.url], &one, &lasting),
        ("webhook, which does not", &["--auth-hook", &silent.url], &one, &silent),
    ];
    for (name, flags, payloads, service) in subjects {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            service.asked();
            let notes = Notes::create();
            let flags = [&["--admin-secret", ADMIN_SECRET], flags].concat();
            let server = Server::start_with(artesian, &notes.url(), &flags).await;
            if flags.contains(&"--jwt-secret") {
                server.metric_is("artesian_auth_key_sets_total{outcome=\"ok\"}", 1.0).await;
            }
            let mut swarm = Swarm::start_as(&server.address, Some(payloads));
            let cpu = Cpu::of(server.pid());
            let opened = swarm.open(Goal::Acknowledged, CLIENTS, CLIENTS).await;
            let cpu = Cpu::of(server.pid()).since(cpu).total();
            assert_eq!(opened.retries, 0, "{name}: connections failed");
            let count = async |name: &str| server.metric(name).await;
            let verified = count("artesian_auth_tokens_total{outcome=\"verified\"}").await;
            let known = count("artesian_auth_tokens_total{outcome=\"cached\"}").await;
            let asked = service.asked();
            let (key_sets, hook) =
                if flags.contains(&"--auth-hook") { (0, asked) } else { (asked, 0) };
            rounds.push((opened.took, cpu, verified, known, key_sets, hook));
        }
        rounds.sort_by_key(|round| round.0);
        let (took, cpu, verified, known, key_sets, hook) = rounds[ROUNDS / 2];
        println!(
            "{name:<40} {:>7.2} s {:>12.2} s {verified:>10} {known:>8} {key_sets:>9} {hook:>16}",
            took.as_secs_f64(),
            cpu.as_secs_f64(),
        );
    }
    for path in [secret, one, many] {
        let _ = std::fs::remove_file(path);
    }
}
