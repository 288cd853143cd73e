//! The webhook: asks the judge, takes its time, and is wrong where the token says so.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    common::Common,
    credentials::{Fault, Headers, TENANT, USER},
    who::Who,
};

/// The longest that it thinks, in milliseconds.
const LONGEST: u64 = 60;

/// Listens, and answers by the judge of the run that it is given later.
pub async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Answers.
pub async fn serve(listener: TcpListener, common: Arc<Common>) {
    let serial = Arc::new(AtomicU64::new(1));
    while let Ok((stream, _)) = listener.accept().await {
        let (common, serial) = (common.clone(), serial.clone());
        let service = service_fn(move |request| answer(common.clone(), serial.clone(), request));
        tokio::spawn(async move {
            let builder = hyper::server::conn::http1::Builder::new();
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The client's headers, as each method has them.
async fn headers(request: Request<Incoming>) -> Headers {
    if request.method() == Method::POST {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let headers = body["headers"].as_object().unwrap();
        return headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    }
    let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
    let headers = request.headers().iter();
    headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

async fn answer(
    common: Arc<Common>,
    serial: Arc<AtomicU64>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, http::Error> {
    let webhook = request.uri().path().trim_start_matches('/').parse().unwrap();
    let headers = headers(request).await;
    let number = serial.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    if number.is_multiple_of(2) {
        tokio::time::sleep(Duration::from_millis(number % LONGEST)).await;
    }
    let say = |status: u16, body: String| {
        Response::builder().status(status).body(Full::new(Bytes::from(body)))
    };
    let token = headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
    match token.and_then(|text| common.judge.token(text)).and_then(|token| token.fault) {
        Some(Fault::Status(status)) => return say(status, "{}".to_owned()),
        Some(Fault::Nonsense) => return say(200, r#"{"x-hasura-user-id":"u1"}"#.to_owned()),
        _ => {}
    }
    let Some(grant) = common.judge.answer(&headers, webhook) else {
        return say(401, String::new());
    };
    let mut body = json!({"x-hasura-role": grant.who.role.name()});
    if let Some(user) = grant.who.user {
        body[USER] = Who::user_name(user).into();
    }
    if let Some(tenant) = grant.who.tenant {
        body[TENANT] = Who::tenant_name(tenant).into();
    }
    if let Some(expires) = grant.expires {
        body["expires"] = httpdate::fmt_http_date(expires).into();
    }
    say(200, body.to_string())
}
