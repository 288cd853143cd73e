//! Clients whose every operation is a stream.

use std::{collections::BTreeMap, net::SocketAddr};

use artesian_isolation::frames::{Format, Frame, Frames};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{
    Caller, Transport,
    http::send,
    log::{End, Watched},
};

/// A client with streams.
pub struct Streams {
    address: SocketAddr,
    format: Format,
    caller: Caller,
    open: BTreeMap<String, Vec<JoinHandle<()>>>,
}

impl Streams {
    pub fn new(address: SocketAddr, transport: Transport, caller: &Caller) -> Self {
        let is_multipart = transport == Transport::Multipart;
        let format = if is_multipart { Format::Multipart } else { Format::Events };
        Self { address, format, caller: caller.clone(), open: BTreeMap::new() }
    }

    /// The answer is waited for elsewhere: what never comes holds up nobody.
    pub async fn start(&mut self, id: &str, request: Value, log: Watched) {
        let (address, format, caller) = (self.address, self.format, self.caller.clone());
        let task = tokio::spawn(async move {
            let mut headers = caller.pairs();
            headers.push(("accept", format.accept()));
            let answer = send(address, ("POST", "/graphql"), &headers, &request).await;
            // Ends with this task.
            let _connection = AbortOnDrop(answer.connection);
            let kind = answer.response.headers()["content-type"].to_str().unwrap().to_owned();
            if kind.contains("json") {
                let text = answer.response.into_body().collect().await.unwrap().to_bytes();
                log.with(|log| {
                    log.payload(serde_json::from_slice(&text).unwrap());
                    log.end(End::Complete);
                });
                return log.changed();
            }
            read(answer.response.into_body(), Frames::new(format), |frame| {
                log.with(|log| match frame {
                    Some(Frame::Result(payload)) => log.payload(payload),
                    Some(Frame::End) => log.end(End::Complete),
                    None => log.end(End::Cut(String::new())),
                });
                log.changed();
            })
            .await;
        });
        self.open.insert(id.to_owned(), vec![task]);
    }

    pub async fn stop(&mut self, id: &str) {
        for task in self.open.remove(id).into_iter().flatten() {
            task.abort();
            let _ = task.await;
        }
    }

    pub async fn kill(mut self) {
        let ids: Vec<String> = self.open.keys().cloned().collect();
        for id in ids {
            self.stop(&id).await;
        }
    }
}

/// A connection that ends with what it belongs to.
pub struct AbortOnDrop(pub JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads a body up to its end, which is told as nothing.
pub async fn read(mut body: Incoming, mut frames: Frames, mut take: impl FnMut(Option<Frame>)) {
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.into_data().unwrap_or_default();
        frames.push(&bytes).into_iter().for_each(|frame| take(Some(frame)));
    }
    take(None);
}
