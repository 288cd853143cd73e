//! The providers of the guide: their key sets and tokens, made with the keys of `artesian-auth`'s tests.

use std::time::{SystemTime, UNIX_EPOCH};

use artesian_auth::{Auth, AuthConfig, Mode, jwt::config::KeySource};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{rand::SystemRandom, rsa, signature};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::json_sample;

pub struct Provider {
    pub name: &'static str,
    /// How it signs.
    pub algorithm: &'static str,
    /// Whom its token stands for.
    pub session: &'static [(&'static str, &'static str)],
    /// Another role that the token allows.
    pub other_role: Option<&'static str>,
}

pub const PROVIDERS: [Provider; 5] = [
    Provider {
        name: "auth0",
        algorithm: "RS256",
        session: &[("x-hasura-role", "user"), ("x-hasura-user-id", "auth0|65f1c0ffee")],
        other_role: Some("editor"),
    },
    Provider {
        name: "keycloak",
        algorithm: "RS256",
        session: &[
            ("x-hasura-role", "user"),
            ("x-hasura-user-id", "3f0c9b6e-6a0f-4f0e-9d5e-2b7c1a4d8e90"),
        ],
        other_role: Some("editor"),
    },
    Provider {
        name: "firebase",
        algorithm: "RS256",
        session: &[("x-hasura-role", "user"), ("x-hasura-user-id", "Yb3kQ9d2sXh1")],
        other_role: Some("editor"),
    },
    Provider {
        name: "supabase",
        algorithm: "ES256",
        session: &[
            ("x-hasura-is-anonymous", "false"),
            ("x-hasura-role", "authenticated"),
            ("x-hasura-user-id", "8ccaa7af-909f-44e7-84cb-67cdccb56be6"),
        ],
        other_role: None,
    },
    Provider {
        name: "clerk",
        algorithm: "RS256",
        session: &[("x-hasura-role", "user"), ("x-hasura-user-id", "user_2abcDEF")],
        other_role: None,
    },
];

fn der(pem: &str) -> Vec<u8> {
    STANDARD
        .decode(pem.lines().filter(|line| !line.starts_with("---")).collect::<String>())
        .unwrap()
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

macro_rules! key {
    ($name:literal) => {
        include_str!(concat!("../../../../auth/tests/it/keys/", $name, ".pem"))
    };
}

impl Provider {
    /// Whom its token stands for.
    pub fn session(&self) -> Vec<(String, String)> {
        let pairs = self.session.iter();
        pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Its key set, with the members that it has there, and with a key that is not ours.
    fn key_set(&self) -> Value {
        let pair = rsa::KeyPair::from_pkcs8(&der(key!("rsa"))).unwrap();
        let public: rsa::PublicKeyComponents<Vec<u8>> = pair.public().into();
        let (n, e) = (b64(&public.n), b64(&public.e));
        let other = b64([0xc5; 256]);
        let certificate = STANDARD.encode(der(key!("rsa.crt")));
        let (x5c, x5t) = (json!([certificate]), b64([7; 20]));
        let keys = match self.name {
            "auth0" => json!([
                {"kty": "RSA", "use": "sig", "n": n, "e": e, "kid": "ours", "x5t": x5t, "x5c": x5c,
                 "alg": "RS256"},
                {"kty": "RSA", "use": "sig", "n": other, "e": e, "kid": "next", "x5t": x5t,
                 "x5c": x5c, "alg": "RS256"},
            ]),
            "keycloak" => json!([
                {"kid": "for encryption", "kty": "RSA", "alg": "RSA-OAEP", "use": "enc", "x5c": x5c,
                 "x5t": x5t, "x5t#S256": b64([7; 32]), "n": other, "e": e},
                {"kid": "ours", "kty": "RSA", "alg": "RS256", "use": "sig", "x5c": x5c,
                 "x5t": x5t, "x5t#S256": b64([7; 32]), "n": n, "e": e},
            ]),
            "supabase" => {
                let key = der(key!("ec-P-256.pub"));
                let (x, y) = key[key.len() - 64..].split_at(32);
                json!([{"alg": "ES256", "crv": "P-256", "ext": true, "key_ops": ["verify"],
                        "kid": "ours", "kty": "EC", "use": "sig", "x": b64(x), "y": b64(y)}])
            }
            _ => json!([
                {"use": "sig", "kty": "RSA", "kid": "other", "alg": "RS256", "n": other, "e": e},
                {"use": "sig", "kty": "RSA", "kid": "ours", "alg": "RS256", "n": n, "e": e},
            ]),
        };
        json!({ "keys": keys })
    }

    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm, "kid": "ours", "typ": "JWT"});
        let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let random = SystemRandom::new();
        let signature = if self.algorithm == "ES256" {
            let kind = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            let key = der(key!("ec-P-256"));
            let pair = signature::EcdsaKeyPair::from_pkcs8(kind, &key, &random).unwrap();
            pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec()
        } else {
            let pair = rsa::KeyPair::from_pkcs8(&der(key!("rsa"))).unwrap();
            let mut out = vec![0; pair.public().modulus_len()];
            pair.sign(&signature::RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut out).unwrap();
            out
        };
        format!("{message}.{}", b64(signature))
    }

    /// The claims of the guide, as if the token had been made a moment ago.
    pub fn claims(&self) -> Value {
        let mut claims = json_sample(&format!("{} claims", self.name));
        let issued = claims["iat"].as_i64().unwrap();
        let shift = now() - 1 - issued;
        for name in ["iat", "exp", "nbf", "auth_time"] {
            if let Some(time) = claims.get(name).and_then(Value::as_i64) {
                claims[name] = json!(time + shift);
            }
        }
        claims
    }

    /// The settings of the guide with the key set on the loopback.
    pub async fn auth(&self, config: AuthConfig) -> Auth {
        let mut config = config;
        let Mode::Jwt(issuers) = &mut config.mode else { panic!("tokens") };
        let KeySource::Url(url) = &mut issuers[0].keys else { panic!("keys by URL") };
        assert_eq!(url.scheme_str(), Some("https"));
        *url = serve(self.key_set().to_string()).await.parse().unwrap();
        Auth::start(config).unwrap()
    }
}

pub fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap()
}

/// Answers everything with this JSON; says where.
async fn serve(body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                stream.read_buf(&mut request).await.unwrap();
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    format!("http://{address}/keys")
}
