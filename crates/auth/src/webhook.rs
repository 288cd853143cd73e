//! A service of the user's that says who a client is.
//!
//! Equal clients that come at once are asked about once. An answer is kept only if it says for how
//! long it is good (`Cache-Control` or `Expires` among its members, as Hasura has them); that is
//! also when the client's sockets end.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use artesian_engine::Identity;
use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use parking_lot::Mutex;
use quick_cache::{Equivalent, Weighter, sync::Cache};
use serde_json::{Map, Value, json};
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    AuthError, Counters, Credentials, Proof,
    config::{HookMethod, WebhookConfig},
    credentials::{ROLE_HEADER, SESSION_PREFIX},
    fetch::Client,
    freshness::{self, Freshness},
};

/// The longest answer in bytes.
const MAX_BYTES: usize = 64 << 10;
/// Bytes of credentials whose answers are kept.
const CACHE_BYTES: u64 = 16 << 20;

/// How many clients it is asked about at a time; others wait for their turn, as long as an answer may
/// take.
const CONCURRENCY: usize = 100;

/// Headers that Hasura does not pass on with GET.
const IGNORED: [&str; 12] = [
    "content-md5",
    "user-agent",
    "host",
    "origin",
    "referer",
    "accept",
    "accept-encoding",
    "accept-language",
    "accept-datetime",
    "cache-control",
    "dnt",
    "content-encoding",
];

/// Headers that name the request and not the client: equal clients differ in them.
const TRACES: [&str; 8] = [
    "traceparent",
    "tracestate",
    "baggage",
    "x-request-id",
    "x-correlation-id",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "b3",
];

/// What the webhook says of a client.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Who it is.
    pub identity: Identity,
    /// Until when that holds.
    pub expires: Option<SystemTime>,
    /// Cookies that the client is to get.
    pub set_cookies: Arc<[HeaderValue]>,
}

/// What the webhook is asked: everything that its answer may depend on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Question {
    headers: Vec<(Box<str>, Box<str>)>,
    request: Option<Bytes>,
}

/// The same before it is kept.
#[derive(Hash)]
struct Asked<'a> {
    headers: Vec<(&'a str, &'a str)>,
    request: Option<&'a Bytes>,
}

impl Equivalent<Question> for Asked<'_> {
    fn equivalent(&self, question: &Question) -> bool {
        let ours = self.headers.iter().copied();
        let theirs = question.headers.iter().map(|(name, value)| (&**name, &**value));
        self.request == question.request.as_ref() && ours.eq(theirs)
    }
}

#[derive(Clone)]
struct ByLength;

impl Weighter<Question, Answer> for ByLength {
    fn weight(&self, question: &Question, _: &Answer) -> u64 {
        let headers: usize = question.headers.iter().map(|(n, v)| n.len() + v.len()).sum();
        (512 + headers + question.request.as_ref().map_or(0, Bytes::len)) as u64
    }
}

type Asking = Shared<BoxFuture<'static, Result<Answer, AuthError>>>;

/// A question that is under way. Its drop ends that.
struct UnderWay<'a> {
    hook: &'a Webhook,
    question: &'a Question,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.hook.asking.lock().remove(self.question);
    }
}

/// A webhook.
pub struct Webhook {
    pub(crate) config: WebhookConfig,
    client: Client,
    kept: Cache<Question, Answer, ByLength>,
    asking: Mutex<HashMap<Question, Asking>>,
    turns: Semaphore,
    this: Weak<Self>,
    counters: Arc<Counters>,
    proof: Proof,
}

impl Webhook {
    pub(crate) fn new(config: WebhookConfig, client: Client, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            proof: config.proof(),
            config,
            client,
            kept: Cache::with_weighter(4096, CACHE_BYTES, ByLength),
            asking: Mutex::new(HashMap::new()),
            turns: Semaphore::new(CONCURRENCY),
            this: this.clone(),
            counters,
        })
    }

    /// What lets clients in that it vouches for.
    pub(crate) fn proof(&self) -> Proof {
        self.proof
    }

    /// Asks who a client is. `request` is the GraphQL request as JSON, where there is one already:
    /// with POST the webhook gets it.
    pub async fn ask(
        &self,
        credentials: &Credentials,
        request: Option<&Bytes>,
    ) -> Result<Answer, AuthError> {
        let is_told = |name: &str| match self.config.method {
            HookMethod::Get => !IGNORED.contains(&name),
            HookMethod::Post => true,
        };
        let is_lasting = |name: &str| !TRACES.contains(&name) && !name.starts_with("x-b3-");
        let told = credentials.iter().filter(|(name, _)| is_told(name));
        let request = request.filter(|_| self.reads_requests());
        let asked =
            Asked { headers: told.clone().filter(|(name, _)| is_lasting(name)).collect(), request };
        if let Some(kept) = self.kept.get(&asked) {
            if kept.expires.is_some_and(|until| until > SystemTime::now()) {
                self.counters.webhook_cached.add();
                return Ok(kept);
            }
            self.kept.remove(&asked);
        }
        let owned = |(name, value): (&str, &str)| (name.into(), value.into());
        let question = Question {
            headers: asked.headers.into_iter().map(owned).collect(),
            request: request.cloned(),
        };
        let asking = {
            let mut asking = self.asking.lock();
            match asking.get(&question) {
                Some(running) => {
                    self.counters.webhook_shared.add();
                    running.clone()
                }
                None => {
                    let headers = told.map(owned).collect();
                    let new = self.start(question.clone(), headers, request.cloned());
                    asking.insert(question, new.clone());
                    new
                }
            }
        };
        asking.await
    }

    /// Asks in a task of its own, so that the first who asked may leave.
    fn start(
        &self,
        question: Question,
        headers: Vec<(Box<str>, Box<str>)>,
        request: Option<Bytes>,
    ) -> Asking {
        let this = self.this.clone();
        let task = tokio::spawn(async move {
            let this = this.upgrade().ok_or(AuthError::HookFailed)?;
            // Whatever ends the task, the next client is asked about anew.
            let _asking = UnderWay { hook: &this, question: &question };
            let answer = this.exchange(&headers, request.as_ref()).await;
            match &answer {
                Ok(_) => this.counters.webhook_allowed.add(),
                Err(AuthError::HookRefused) => this.counters.webhook_refused.add(),
                Err(_) => this.counters.webhook_failed.add(),
            }
            if let Ok(answer) = &answer
                && answer.expires.is_some()
            {
                // Cookies are for the client that was asked about, not for who comes later.
                let kept = Answer { set_cookies: Arc::from([]), ..answer.clone() };
                this.kept.insert(question.clone(), kept);
            }
            answer
        });
        async move { task.await.unwrap_or(Err(AuthError::HookFailed)) }.boxed().shared()
    }

    async fn exchange(
        &self,
        headers: &[(Box<str>, Box<str>)],
        request: Option<&Bytes>,
    ) -> Result<Answer, AuthError> {
        let message = self.message(headers, request).map_err(|error| {
            tracing::error!(%error, "the webhook cannot be asked");
            AuthError::HookFailed
        })?;
        let turn = timeout(self.config.timeout, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            tracing::error!("the webhook is too slow: too many clients wait to be asked about");
            return Err(AuthError::HookFailed);
        };
        let asked = SystemTime::now();
        let answer = self.client.send(message, self.config.timeout, MAX_BYTES).await;
        let answer = answer.map_err(|error| {
            tracing::error!(%error, "the webhook does not answer");
            AuthError::HookFailed
        })?;
        let read = read(&answer, asked);
        if let Err(AuthError::HookAnswer(reason)) = &read {
            tracing::error!(
                status = answer.status().as_u16(),
                reason,
                "the webhook's answer is bad"
            );
        }
        read
    }

    /// Sends one question past all that is kept, for `artesian check`. The error says why there is no
    /// answer.
    pub(crate) async fn look(
        &self,
        headers: &[(Box<str>, Box<str>)],
    ) -> Result<Response<Bytes>, String> {
        let message = self.message(headers, None).map_err(|error| error.to_string())?;
        let answer = self.client.send(message, self.config.timeout, MAX_BYTES).await;
        answer.map_err(|error| error.to_string())
    }

    fn message(
        &self,
        headers: &[(Box<str>, Box<str>)],
        request: Option<&Bytes>,
    ) -> Result<Request<Full<Bytes>>, http::Error> {
        let builder = Request::builder().uri(self.config.url.clone());
        match self.config.method {
            HookMethod::Get => {
                let mut message = builder.method("GET").body(Full::new(Bytes::new()))?;
                for (name, value) in headers {
                    message
                        .headers_mut()
                        .append(HeaderName::try_from(&**name)?, HeaderValue::try_from(&**value)?);
                }
                let agent = HeaderValue::from_static("artesian");
                message.headers_mut().insert(header::USER_AGENT, agent);
                Ok(message)
            }
            HookMethod::Post => {
                let headers: Map<String, Value> = headers
                    .iter()
                    .map(|(name, value)| (name.to_string(), Value::from(&**value)))
                    .collect();
                let body = if self.config.send_request {
                    // A request that is no JSON is not passed on.
                    let request = request.and_then(|text| serde_json::from_slice(text).ok());
                    json!({ "headers": headers, "request": request.unwrap_or(Value::Null) })
                } else {
                    json!({ "headers": headers })
                };
                builder
                    .method("POST")
                    .header(header::CONTENT_TYPE, "application/json")
                    .header(header::USER_AGENT, "artesian")
                    .body(Full::new(body.to_string().into()))
            }
        }
    }
}

/// What an answer says. Anything but 200 and 401 is a fault of the webhook, and never lets anybody
/// in. Its life is counted from when it was asked for: one that ended on the way here has ended, and is
/// not one without an end.
pub(crate) fn read(answer: &Response<Bytes>, asked: SystemTime) -> Result<Answer, AuthError> {
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED => return Err(AuthError::HookRefused),
        status if status.is_redirection() => {
            return Err(AuthError::HookAnswer("it redirects; configure where it leads"));
        }
        _ => return Err(AuthError::HookAnswer("its status is neither 200 nor 401")),
    }
    let members: Map<String, Value> = serde_json::from_slice(answer.body())
        .map_err(|_| AuthError::HookAnswer("it is no JSON object"))?;
    let mut session = BTreeMap::new();
    let (mut cache_control, mut expires) = (None, None);
    for (name, value) in members {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "cache-control" => cache_control = value.as_str().map(str::to_owned),
            "expires" => expires = value.as_str().map(str::to_owned),
            _ if name.starts_with(SESSION_PREFIX) => {
                let text = match value {
                    Value::String(text) => text,
                    Value::Number(number) => number.to_string(),
                    Value::Bool(flag) => flag.to_string(),
                    _ => return Err(AuthError::HookAnswer("a session variable is no text")),
                };
                if session.insert(name, text).is_some() {
                    return Err(AuthError::HookAnswer("a session variable is there twice"));
                }
            }
            _ => {}
        }
    }
    let role = session.remove(ROLE_HEADER).filter(|role| !role.trim().is_empty());
    let role = role.ok_or(AuthError::HookAnswer("x-hasura-role is missing"))?;
    let life = freshness::read(cache_control.as_deref(), expires.as_deref(), asked);
    let expires = match life {
        Freshness::Unknown => None,
        // Hasura ends such sockets at once; a client could never use one.
        Freshness::For(life) if life.is_zero() => None,
        Freshness::For(life) => Some(asked + life.min(LONGEST_LIFE)),
    };
    let set_cookies = answer.headers().get_all(header::SET_COOKIE).iter().cloned().collect();
    Ok(Answer { identity: Identity::new(role.trim(), session), expires, set_cookies })
}

/// So that times stay times.
const LONGEST_LIFE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn answer(status: u16, body: &str) -> Response<Bytes> {
        Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap()
    }

    #[test]
    fn answers_are_read() {
        let now = SystemTime::now();
        let good = r#"{"X-Hasura-Role":"user","x-hasura-user-id":7,"X-Hasura-Vip":true,"other":1,
                       "Cache-Control":"max-age=60"}"#;
        let read_good = read(&answer(200, good), now).unwrap();
        assert_eq!(&*read_good.identity.role, "user");
        let session = &read_good.identity.session;
        assert_eq!(session.get("x-hasura-user-id"), Some("7"));
        assert_eq!(session.get("x-hasura-vip"), Some("true"));
        assert_eq!(session.len(), 3);
        assert_eq!(read_good.expires, Some(now + Duration::from_secs(60)));
        let forever = read(&answer(200, r#"{"x-hasura-role":"user"}"#), now).unwrap();
        assert_eq!(forever.expires, None);
    }

    #[test]
    fn anything_else_lets_nobody_in() {
        let role = r#"{"x-hasura-role":"admin"}"#;
        let now = SystemTime::now();
        assert_eq!(read(&answer(401, role), now).unwrap_err(), AuthError::HookRefused);
        let rows = [
            (500, role),
            (204, ""),
            (201, role),
            (302, role),
            (403, role),
            (200, "<html>"),
            (200, ""),
            (200, "[]"),
            (200, "null"),
            (200, "{}"),
            (200, r#"{"x-hasura-role":""}"#),
            (200, r#"{"x-hasura-role":" "}"#),
            (200, r#"{"x-hasura-role":["admin"]}"#),
            (200, r#"{"x-hasura-role":null}"#),
            (200, r#"{"x-hasura-role":"user","X-Hasura-Role":"admin"}"#),
        ];
        for (status, body) in rows {
            let error = read(&answer(status, body), now).unwrap_err();
            assert!(matches!(error, AuthError::HookAnswer(_)), "{status} {body}: {error:?}");
        }
    }
}
