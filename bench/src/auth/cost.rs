//! CPU time of `Auth::authenticate` in this process, for each mode, against what it is made of and
//! against libraries of Node.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use artesian_auth::{
    Auth, AuthConfig, Credentials, Mode,
    config::{self, HookMethod, WebhookConfig},
};
use axum::{Router, routing::get};
use http::{HeaderMap, HeaderName};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use ring::{hmac, signature as sig};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use super::tokens::{ALL, AUDIENCE, ISSUER, Keys, SECRET, der, key_set};

const TOKENS: usize = 2_000;
/// Calls of one round where the answer is known.
const CALLS: usize = 20_000;
const ROUNDS: usize = 15;
const ADMIN_SECRET: &str = "an admin secret of usual length";

/// CPU time of this thread.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap(), now.tv_nsec.try_into().unwrap())
}

/// Rounds of one subject, in µs for each call.
struct Rounds(Vec<f64>);

impl Rounds {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn add(&mut self, used: Duration, calls: usize) {
        self.0.push(used.as_secs_f64() * 1e6 / calls as f64);
    }

    /// The median and, in brackets, the least: what it is while nothing else runs on the core.
    fn text(&mut self) -> String {
        self.0.sort_by(f64::total_cmp);
        format!("{:.2} ({:.2})", self.0[self.0.len() / 2], self.0[0])
    }
}

fn start(mode: Mode) -> Auth {
    let config = AuthConfig {
        admin_secrets: vec![ADMIN_SECRET.to_owned()],
        mode,
        unauthorized_role: None,
        ..AuthConfig::default()
    };
    Auth::start(config).unwrap()
}

fn jwt(settings: &Value) -> Auth {
    start(Mode::Jwt(config::jwt_secrets(settings).unwrap()))
}

fn settings(keys: &Keys) -> Value {
    let kind = if keys.algorithm == "EdDSA" { "Ed25519" } else { keys.algorithm };
    json!({"type": kind, "key": keys.public, "issuer": ISSUER, "audience": AUDIENCE})
}

/// What a browser sends, and these.
fn headers(more: &[(&str, &str)]) -> HeaderMap {
    let usual = [
        ("host", "api.example.com"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"),
        ("accept", "application/graphql-response+json, application/json"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("content-type", "application/json"),
        ("content-length", "172"),
        ("origin", "https://app.example.com"),
        ("referer", "https://app.example.com/"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-site", "same-site"),
    ];
    let all = usual.iter().chain(more);
    all.map(|(name, value)| (HeaderName::try_from(*name).unwrap(), value.parse().unwrap()))
        .collect()
}

fn bearer(token: &str) -> HeaderMap {
    headers(&[("authorization", &format!("Bearer {token}"))])
}

/// From headers to an identity, as often as there are headers, `times` times over.
async fn ask(auth: &Auth, requests: &[HeaderMap], times: usize) -> Duration {
    let before = cpu();
    for _ in 0..times {
        for headers in requests {
            let credentials = Credentials::from_headers(headers, auth.wanted(), true);
            let found = auth.authenticate(&credentials, None).await.unwrap();
            std::hint::black_box(&found);
        }
    }
    cpu() - before
}

/// Prints all of it.
pub async fn run() {
    println!(
        "CPU time of a thread for each request, from its headers to the identity, in µs; median of \
         {ROUNDS} rounds (and the least)"
    );
    println!("tokens of {} to {} bytes", length(0), length(1));
    println!();
    known().await;
    println!();
    first_sight().await;
}

fn length(at: usize) -> usize {
    ALL[at].tokens(1)[0].len()
}

/// Whoever was seen before.
async fn known() {
    let service = Router::new().route(
        "/",
        get(|| async {
            let answer = json!({"x-hasura-role": "user", "x-hasura-user-id": "7",
                                "cache-control": "max-age=600"});
            answer.to_string()
        }),
    );
    let service = service.route("/keys", get(|| async { key_set().to_string() }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let hook = WebhookConfig::new(&format!("http://{address}/"), HookMethod::Get).unwrap();

    let mut subjects = vec![
        (
            "no secret: everybody is the administrator",
            Auth::start(AuthConfig::default()).unwrap(),
            headers(&[]),
        ),
        ("admin secret", start(Mode::Secrets), headers(&[("x-hasura-admin-secret", ADMIN_SECRET)])),
    ];
    for keys in &ALL {
        let name = match keys.algorithm {
            "HS256" => "JWT, HS256",
            "RS256" => "JWT, RS256",
            "ES256" => "JWT, ES256",
            _ => "JWT, EdDSA",
        };
        subjects.push((name, jwt(&settings(keys)), bearer(&keys.tokens(1)[0])));
    }
    let mut in_cookie = settings(&ALL[1]);
    in_cookie["header"] = json!({"type": "Cookie", "name": "session"});
    let token = &ALL[1].tokens(1)[0];
    let cookie = format!("theme=dark; session={token}; consent=all");
    subjects.push(("JWT in a cookie, RS256", jwt(&in_cookie), headers(&[("cookie", &cookie)])));
    let by_url = json!({"jwk_url": format!("http://{address}/keys"), "issuer": ISSUER});
    let with_role =
        headers(&[("authorization", &format!("Bearer {token}")), ("x-hasura-role", "editor")]);
    subjects.push(("JWT by key set, RS256, another role", jwt(&by_url), with_role));
    subjects.push(("webhook, its answer kept", start(Mode::Webhook(hook)), bearer(token)));

    println!("known already");
    let mut rounds: Vec<Rounds> = subjects.iter().map(|_| Rounds(Vec::new())).collect();
    for round in 0..=ROUNDS {
        for ((_, auth, headers), rounds) in subjects.iter().zip(&mut rounds) {
            let used = ask(auth, std::slice::from_ref(headers), CALLS).await;
            if round > 0 {
                rounds.add(used, CALLS);
            }
        }
    }
    for ((name, ..), rounds) in subjects.iter().zip(&mut rounds) {
        println!("  {name:<44} {:>14}", rounds.text());
    }
}

/// New tokens by known keys.
async fn first_sight() {
    println!(
        "{:<8} {:>16} {:>24} {:>16} {:>16} {:>18}",
        "new",
        "artesian-auth",
        "jsonwebtoken::decode",
        "signature alone",
        "npm jose",
        "npm jsonwebtoken"
    );
    for keys in &ALL {
        let tokens = keys.tokens(TOKENS);
        let requests: Vec<HeaderMap> = tokens.iter().map(|token| bearer(token)).collect();
        let mut ours = Rounds(Vec::new());
        let mut decode = Rounds(Vec::new());
        let mut bare = Rounds(Vec::new());
        for round in 0..=ROUNDS {
            // A new one each time, so that it has not seen any of them.
            let auth = jwt(&settings(keys));
            let used =
                [ask(&auth, &requests, 1).await, decoded(keys, &tokens), verified(keys, &tokens)];
            assert_eq!(auth.stats().tokens_verified, TOKENS as u64);
            if round > 0 {
                for (rounds, used) in [&mut ours, &mut decode, &mut bare].into_iter().zip(used) {
                    rounds.add(used, TOKENS);
                }
            }
        }
        let node = in_node(keys, &tokens);
        println!(
            "{:<8} {:>16} {:>24} {:>16} {:>16} {:>18}",
            keys.algorithm,
            ours.text(),
            decode.text(),
            bare.text(),
            node[0],
            node[1]
        );
    }
}

/// The same by the library alone, with the same checks.
fn decoded(keys: &Keys, tokens: &[String]) -> Duration {
    let pem = keys.public.as_bytes();
    let (algorithm, key) = match keys.algorithm {
        "HS256" => (Algorithm::HS256, DecodingKey::from_secret(SECRET.as_bytes())),
        "RS256" => (Algorithm::RS256, DecodingKey::from_rsa_pem(pem).unwrap()),
        "ES256" => (Algorithm::ES256, DecodingKey::from_ec_pem(pem).unwrap()),
        _ => (Algorithm::EdDSA, DecodingKey::from_ed_pem(pem).unwrap()),
    };
    super::provider::install();
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[ISSUER]);
    let before = cpu();
    for token in tokens {
        let data = jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap();
        std::hint::black_box(&data.claims);
    }
    cpu() - before
}

/// The signature alone, without Base64 and JSON.
fn verified(keys: &Keys, tokens: &[String]) -> Duration {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let parts: Vec<(&[u8], Vec<u8>)> = tokens
        .iter()
        .map(|token| {
            let (message, signature) = token.rsplit_once('.').unwrap();
            (message.as_bytes(), URL_SAFE_NO_PAD.decode(signature).unwrap())
        })
        .collect();
    let secret = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    // The key is the end of the structure: after the algorithm's identifier, of a fixed length.
    let (algorithm, from): (&'static dyn sig::VerificationAlgorithm, _) = match keys.algorithm {
        "RS256" => (&sig::RSA_PKCS1_2048_8192_SHA256, 24),
        "ES256" => (&sig::ECDSA_P256_SHA256_FIXED, 26),
        _ => (&sig::ED25519, 12),
    };
    let key = (keys.algorithm != "HS256")
        .then(|| sig::UnparsedPublicKey::new(algorithm, der(keys.public).split_off(from)));
    let before = cpu();
    for (message, signature) in &parts {
        match &key {
            None => hmac::verify(&secret, message, signature).unwrap(),
            Some(key) => key.verify(message, signature).unwrap(),
        }
    }
    cpu() - before
}

/// `jose` and `jsonwebtoken` of npm, CPU time of their process.
fn in_node(keys: &Keys, tokens: &[String]) -> [String; 2] {
    let missing = || ["–".to_owned(), "–".to_owned()];
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
    if !std::path::Path::new(&format!("{folder}/node_modules/jose")).exists() {
        return missing();
    }
    let input = json!({"algorithm": keys.algorithm, "key": keys.public, "tokens": tokens,
                       "issuer": ISSUER, "audience": AUDIENCE, "rounds": ROUNDS});
    let mut node = Command::new("node")
        .arg("tokens.js")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    node.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "tokens.js failed");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |name: &str| found[name].as_str().unwrap_or("–").to_owned();
    [text("jose"), text("jsonwebtoken")]
}
