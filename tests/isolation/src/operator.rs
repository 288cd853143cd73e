//! The administrator: changes settings, closes connections, reads the schema anew.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use artesian_auth::{
    AuthConfig, Mode as AuthMode,
    config::{HookMethod, WebhookConfig, jwt_secrets},
};
use artesian_oracle::random::Random;
use artesian_server::{Control, LimitsConfig, RateLimit, ServerConfig, WebSocketConfig};
use http::Method;
use serde_json::{Value, json};

use crate::{
    common::Common,
    credentials::{Headers, Key, RSA_PUBLIC, SECRET},
    judge::{Closing, Judge, Mode, Version},
    link::{Ask, Link, body},
    who::{Role, USERS, Who},
};

/// Settings of the server.
pub fn settings(mode: Mode, version: &Version, hook: SocketAddr, grace: Duration) -> ServerConfig {
    let secrets = version.secrets.iter().map(|number| format!("secret-{number}")).collect();
    let auth = match mode {
        Mode::Jwt => AuthConfig {
            admin_secrets: secrets,
            mode: AuthMode::Jwt(
                jwt_secrets(&json!([
                    {"type": "HS256", "key": Key::secret(version.hs)},
                    {"type": "RS256", "key": RSA_PUBLIC},
                ]))
                .unwrap(),
            ),
            unauthorized_role: Some("anonymous".to_owned()),
            ..AuthConfig::default()
        },
        Mode::Webhook => {
            let url = format!("http://{hook}/{}", version.webhook);
            let is_odd = !version.webhook.is_multiple_of(2);
            let method = if is_odd { HookMethod::Post } else { HookMethod::Get };
            AuthConfig {
                admin_secrets: secrets,
                mode: AuthMode::Webhook(WebhookConfig::new(&url, method).unwrap()),
                unauthorized_role: None,
                ..AuthConfig::default()
            }
        }
    };
    ServerConfig {
        auth,
        expiry_grace: grace,
        shutdown_window: Duration::ZERO,
        websocket: WebSocketConfig {
            // Pings are no part of this, and a machine may stand still for long.
            ping_interval: Duration::from_secs(600),
            ..WebSocketConfig::default()
        },
        limits: LimitsConfig {
            // Those whose visits are cut short, again and again, are what this is about.
            legacy_ack_delay: Duration::ZERO,
            message_rate: RateLimit::NONE,
            // So that some wait for their turn.
            max_preparations: 1,
            max_executions: 2,
            ..LimitsConfig::default()
        },
        ..ServerConfig::default()
    }
}

type Reload = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The administrator.
pub struct Operator {
    /// What all share.
    pub common: Arc<Common>,
    /// What it decides by.
    pub random: Random,
    /// The server's settings.
    pub control: Control,
    /// Where the webhook is.
    pub hook: SocketAddr,
    /// Reads the schema anew.
    pub reload: Reload,
}

impl Operator {
    /// Works until it is told to stop.
    pub async fn work(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) && !self.common.report.has_failed() {
            match self.random.below(80) {
                0 | 1 => {
                    self.rotate();
                    // Again while those come back who had to go.
                    while self.random.one_in(2) {
                        tokio::time::sleep(Duration::from_millis(self.random.bits() % 50)).await;
                        self.rotate();
                    }
                }
                2..=8 => self.close().await,
                9..=14 => self.list().await,
                15..=20 => (self.reload)().await,
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(self.random.bits() % 100)).await;
        }
    }

    /// Something that let clients in is configured no more.
    fn rotate(&mut self) {
        let judge = &self.common.judge;
        let is_secret = self.random.one_in(2);
        let version = judge.change(|version| match (is_secret, judge.mode()) {
            (true, _) => {
                version.secrets.remove(0);
                version.secrets.push(version.secrets[0] + 1);
            }
            (false, Mode::Jwt) => version.hs += 1,
            (false, Mode::Webhook) => version.webhook += 1,
        });
        let config = settings(judge.mode(), &version, self.hook, self.common.grace);
        self.control.prepare(config).unwrap().commit();
        judge.changed();
    }

    async fn close(&mut self) {
        let user = u8::try_from(self.random.below(USERS.into())).unwrap();
        let role = *self.random.pick(&[Role::User, Role::Reader, Role::Editor, Role::Anonymous]);
        let (user, role) = match self.random.below(6) {
            0 => (Some(user), None),
            1 => (None, Some(role)),
            _ => (Some(user), Some(role)),
        };
        let user_name = user.map(|user| format!("user={}", Who::user_name(user)));
        let role_name = role.map(|role| format!("role={}", role.name()));
        let query: Vec<String> = user_name.into_iter().chain(role_name).collect();
        self.common.judge.close(Closing::new(user, role));
        let path = format!("/v1/sockets?{}", query.join("&"));
        let answer = self.ask(Method::DELETE, path).await;
        self.common.judge.closed();
        if !answer["closed"].is_u64() {
            self.common.report.fail(format!("DELETE /v1/sockets: {answer}"));
        }
    }

    async fn list(&mut self) {
        let user = u8::try_from(self.random.below(USERS.into())).unwrap();
        let name = Who::user_name(user);
        let list = self.ask(Method::GET, format!("/v1/sockets?user={name}")).await;
        let sockets = list["sockets"].as_array();
        if sockets.is_none_or(|sockets| sockets.iter().any(|socket| socket["user"] != *name)) {
            self.common.report.fail(format!("GET /v1/sockets of {name}: {list}"));
        }
    }

    async fn ask(&self, method: Method, path: String) -> Value {
        let headers: Headers = [(SECRET.to_owned(), self.common.judge.secret())].into();
        let ask = Ask { method, path, ..Ask::get(&headers) };
        let Some(answer) = Link::Each.ask(&self.common, &ask).await else { return Value::Null };
        serde_json::from_str(&body(answer.response).await).unwrap_or_default()
    }
}

impl Judge {
    /// An admin secret that is good now and after the next change.
    pub fn secret(&self) -> String {
        format!("secret-{}", self.present().secrets[1])
    }
}
