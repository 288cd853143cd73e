//! An HTTP service of a test: a webhook or a key set.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{net::TcpListener, sync::Notify};

/// What a service answers.
#[derive(Clone)]
pub enum Reply {
    /// Status, headers, body.
    Say(u16, Vec<(&'static str, String)>, String),
    /// Nothing at all.
    Silence,
}

impl Reply {
    pub fn json(value: &Value) -> Self {
        Self::Say(200, Vec::new(), value.to_string())
    }
}

/// An HTTP service of a test.
pub struct Service {
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    reply: Mutex<Reply>,
    requests: Mutex<Vec<(http::request::Parts, Bytes)>>,
    count: AtomicUsize,
    news: Notify,
    gate: Mutex<Option<Arc<Notify>>>,
}

impl Service {
    /// Says the same thing to everybody.
    pub async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            reply: Mutex::new(reply),
            requests: Mutex::default(),
            count: AtomicUsize::new(0),
            news: Notify::new(),
            gate: Mutex::new(None),
        });
        let serving = inner.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = serving.clone();
                let service = service_fn(move |request| answer(inner.clone(), request));
                tokio::spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, inner }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What it says from now on.
    pub fn say(&self, reply: Reply) {
        *self.inner.reply.lock() = reply;
    }

    /// Holds answers back until the gate is opened.
    pub fn hold(&self) -> Arc<Notify> {
        let gate = Arc::new(Notify::new());
        *self.inner.gate.lock() = Some(gate.clone());
        gate
    }

    pub fn count(&self) -> usize {
        self.inner.count.load(Ordering::SeqCst)
    }

    /// Returns once there were so many requests.
    pub async fn requests(&self, count: usize) {
        loop {
            let news = self.inner.news.notified();
            if self.count() >= count {
                return;
            }
            news.await;
        }
    }

    pub fn last(&self) -> (http::request::Parts, Bytes) {
        self.inner.requests.lock().last().unwrap().clone()
    }
}

async fn answer(
    inner: Arc<Inner>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, http::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    inner.requests.lock().push((parts, body));
    inner.count.fetch_add(1, Ordering::SeqCst);
    inner.news.notify_waiters();
    let gate = inner.gate.lock().clone();
    if let Some(gate) = gate {
        gate.notified().await;
        gate.notify_one();
    }
    let reply = inner.reply.lock().clone();
    match reply {
        Reply::Say(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Full::new(body.into()))
        }
        Reply::Silence => std::future::pending().await,
    }
}
