//! What the task of a socket and the operations on it share.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use artesian_protocol::{OperationKey, session::client::ClientSession};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot, watch},
    time::Instant,
};

use crate::{
    RemoteError,
    subscription::{AttemptEnd, Sink},
};

/// How far a socket has come.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    Opening,
    /// Acknowledged.
    Ready,
    Over(RemoteError),
}

/// One socket.
pub(super) struct Socket {
    pub state: Mutex<State>,
    /// There is something to send, or the last operation is gone.
    pub wake: Notify,
    pub phase: watch::Sender<Phase>,
    /// Operations that are alive or about to begin. Grows under the pool's lock only.
    reserved: AtomicUsize,
}

#[derive(Default)]
pub(super) struct State {
    /// `None` before the handshake is done.
    pub session: Option<ClientSession>,
    pub operations: HashMap<OperationKey, Operation>,
    /// Bytes that wait to be sent.
    pub queued: usize,
    /// What has ended the connection, if we know better than the session.
    pub cause: Option<RemoteError>,
}

/// An operation that is alive.
pub(super) struct Operation {
    pub sink: Sink,
    pub done: oneshot::Sender<AttemptEnd>,
}

impl Socket {
    pub fn new() -> Self {
        Self {
            state: Mutex::default(),
            wake: Notify::new(),
            phase: watch::Sender::new(Phase::Opening),
            reserved: AtomicUsize::new(0),
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Over(_))
    }

    /// Acknowledged, and not over.
    pub fn is_ready(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Ready)
    }

    /// Ends the connection.
    pub fn close(&self) {
        if let Some(session) = self.state.lock().session.as_mut() {
            session.close(1000, "");
        }
        self.wake.notify_one();
    }

    pub fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Acquire)
    }

    /// Waits until the service has acknowledged the connection.
    async fn ready(&self) -> Result<(), RemoteError> {
        let mut phase = self.phase.subscribe();
        let settled = phase.wait_for(|phase| !matches!(phase, Phase::Opening)).await;
        match settled.as_deref() {
            Ok(Phase::Over(error)) => Err(error.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(RemoteError::lost()),
        }
    }
}

/// A place for one operation on a socket.
pub(super) struct Reservation {
    socket: Arc<Socket>,
}

impl Reservation {
    /// To be made under the pool's lock.
    pub fn new(socket: &Arc<Socket>) -> Self {
        socket.reserved.fetch_add(1, Ordering::AcqRel);
        Self { socket: Arc::clone(socket) }
    }

    /// Begins an operation once the socket is ready; `own` is what the client said of itself if that
    /// travels with the operation.
    pub async fn begin(
        self,
        request: Bytes,
        own: Option<&Bytes>,
        sink: Sink,
        queue_limit: usize,
    ) -> Result<Running, RemoteError> {
        self.socket.ready().await?;
        let mut state = self.socket.state.lock();
        if state.queued > queue_limit {
            return Err(RemoteError::Busy { what: "bytes waiting to be sent", limit: queue_limit });
        }
        let size = request.len().saturating_add(own.map_or(0, Bytes::len));
        let session = state.session.as_mut().ok_or_else(RemoteError::lost)?;
        let key = match own {
            None => session.subscribe(request),
            Some(own) => session.subscribe_for(request, own),
        };
        let key = key.map_err(RemoteError::of_subscribe)?;
        state.queued = state.queued.saturating_add(size);
        // Before the request is on its way, so that it stands before the results.
        sink.establish();
        let (done, ended) = oneshot::channel();
        state.operations.insert(key, Operation { sink, done });
        drop(state);
        self.socket.wake.notify_one();
        Ok(Running { reservation: self, key, ended })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.socket.reserved.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.socket.wake.notify_one();
        }
    }
}

/// An operation on a socket. Ends there when it is dropped.
pub(crate) struct Running {
    reservation: Reservation,
    key: OperationKey,
    ended: oneshot::Receiver<AttemptEnd>,
}

impl Running {
    /// How it ended.
    pub async fn end(mut self) -> AttemptEnd {
        (&mut self.ended).await.unwrap_or(AttemptEnd::Lost(RemoteError::lost()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let socket = &self.reservation.socket;
        let mut state = socket.state.lock();
        let now = Instant::now().into_std();
        let was_alive =
            state.session.as_mut().is_some_and(|session| session.unsubscribe(now, self.key));
        let operation = state.operations.remove(&self.key);
        drop(state);
        drop(operation);
        if was_alive {
            socket.wake.notify_one();
        }
    }
}
