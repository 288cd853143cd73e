//! Bodies that are refused before they were read.
//!
//! A socket that is closed with unread bytes in it is reset, and the client may never see the answer
//! (RFC 9112, section 9.6). So what still comes is read for a while, and dropped.

use std::time::Duration;

use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::server::State;

/// How long a client may go on sending.
const TIME: Duration = Duration::from_secs(2);

/// How long it may send nothing meanwhile.
const QUIET: Duration = Duration::from_millis(500);

/// How much it may send meanwhile, in bytes.
const BYTES: usize = 8 << 20;

/// Takes what is left of a request's body, once its answer is known.
pub(super) fn linger(state: &State, body: Incoming) {
    if !body.is_end_stream() {
        let draining = state.draining.clone();
        state.tasks.spawn(async move {
            tokio::select! {
                _ = timeout(TIME, discard(body)) => {}
                () = draining.cancelled() => {}
            }
        });
    }
}

async fn discard(mut body: Incoming) {
    let mut left = BYTES;
    while let Ok(Some(Ok(frame))) = timeout(QUIET, body.frame()).await {
        let length = frame.data_ref().map_or(0, bytes::Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
