//! The sockets of one service. Clients share a socket only if their credentials are equal.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicUsize},
};

use artesian_protocol::session::client::ClientConfig;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    driver,
    socket::{Reservation, Running, Socket},
};
use crate::{
    Credentials, RemoteError,
    circuit::Circuit,
    config::UpstreamConfig,
    dial::Dial,
    stats::{Counter, Counters},
    subscription::{Negotiation, Sink},
};

/// What everything about one service shares.
pub(crate) struct Shared {
    pub config: UpstreamConfig,
    pub dial: Arc<dyn Dial>,
    pub circuit: Arc<Circuit>,
    pub negotiation: Negotiation,
    pub counters: Arc<Counters>,
    /// A permit for each socket and each stream.
    pub connections: Arc<Semaphore>,
    pub stop: CancellationToken,
}

impl Shared {
    /// A place for one more socket or stream.
    pub fn connection(&self) -> Result<OwnedSemaphorePermit, RemoteError> {
        let limit = self.config.limits.sockets;
        let permit = Arc::clone(&self.connections).try_acquire_owned();
        permit.map_err(|_| RemoteError::Busy { what: "connections", limit })
    }
}

/// The sockets of one service.
pub(crate) struct Pool {
    pub(super) shared: Arc<Shared>,
    pub(super) session: Arc<ClientConfig>,
    sockets: Mutex<HashMap<Credentials, Vec<Arc<Socket>>>>,
    /// Which of the transport's offers came to something the last time.
    pub(super) agreed: AtomicUsize,
}

impl Pool {
    pub fn new(shared: Arc<Shared>) -> Arc<Self> {
        let session = Arc::new(shared.config.session());
        let agreed = AtomicUsize::new(0);
        Arc::new(Self { shared, session, sockets: Mutex::default(), agreed })
    }

    /// How many sockets there are.
    pub fn len(&self) -> usize {
        self.sockets.lock().values().map(Vec::len).sum()
    }

    /// Begins an operation on a socket for clients with these credentials; opens one if there is none
    /// with room.
    pub async fn begin(
        self: &Arc<Self>,
        credentials: &Credentials,
        request: Bytes,
        sink: Sink,
    ) -> Result<Running, RemoteError> {
        let of_socket = credentials.of_socket();
        let reservation = match self.reserve(&of_socket, None) {
            Err(busy @ RemoteError::Busy { .. }) => {
                let connection = self.make_room().await.ok_or(busy)?;
                self.reserve(&of_socket, Some(connection))?
            }
            reserved => reserved?,
        };
        let own = credentials.operation_payload();
        let limit = self.shared.config.limits.socket_queue_bytes;
        reservation.begin(request, own, sink, limit).await
    }

    /// Closes a socket that nobody uses, and gives its place.
    async fn make_room(&self) -> Option<OwnedSemaphorePermit> {
        let idle = {
            let mut sockets = self.sockets.lock();
            let mut all = sockets.iter().flat_map(|(of, own)| own.iter().map(move |s| (of, s)));
            let idle = all.find(|(_, socket)| socket.is_ready() && socket.reserved() == 0);
            let (credentials, socket) =
                idle.map(|(of, socket)| (of.clone(), Arc::clone(socket)))?;
            take_out(&mut sockets, &socket, &credentials);
            socket
        };
        idle.close();
        let place = Arc::clone(&self.shared.connections).acquire_owned();
        tokio::time::timeout(self.shared.config.timeouts.connect, place).await.ok()?.ok()
    }

    /// A place on a socket for clients with these credentials. `connection` is a place for a new one.
    fn reserve(
        self: &Arc<Self>,
        credentials: &Credentials,
        connection: Option<OwnedSemaphorePermit>,
    ) -> Result<Reservation, RemoteError> {
        let room = self.shared.config.limits.operations_per_socket;
        let mut sockets = self.sockets.lock();
        let own = sockets.get(credentials).map(Vec::as_slice).unwrap_or_default();
        let free = own.iter().find(|socket| !socket.is_over() && socket.reserved() < room);
        if let Some(socket) = free {
            return Ok(Reservation::new(socket));
        }
        if self.shared.stop.is_cancelled() {
            return Err(RemoteError::ShutDown);
        }
        let connection = connection.map_or_else(|| self.shared.connection(), Ok)?;
        let permit = self.shared.circuit.admit()?;
        self.shared.counters.add(Counter::SocketsOpened);
        let socket = Arc::new(Socket::new());
        let reservation = Reservation::new(&socket);
        sockets.entry(credentials.clone()).or_default().push(Arc::clone(&socket));
        let (pool, credentials) = (Arc::clone(self), credentials.clone());
        tokio::spawn(async move {
            driver::run(&pool, &socket, &credentials, permit).await;
            pool.remove(&socket, &credentials);
            drop(connection);
        });
        Ok(reservation)
    }

    /// Takes away a socket that nobody uses, so that nobody can come to use it. Says whether it did.
    pub(super) fn retire(&self, socket: &Arc<Socket>, credentials: &Credentials) -> bool {
        let mut sockets = self.sockets.lock();
        if socket.reserved() > 0 {
            return false;
        }
        take_out(&mut sockets, socket, credentials);
        true
    }

    fn remove(&self, socket: &Arc<Socket>, credentials: &Credentials) {
        take_out(&mut self.sockets.lock(), socket, credentials);
    }
}

fn take_out(
    sockets: &mut HashMap<Credentials, Vec<Arc<Socket>>>,
    socket: &Arc<Socket>,
    credentials: &Credentials,
) {
    if let Some(own) = sockets.get_mut(credentials) {
        own.retain(|other| !Arc::ptr_eq(other, socket));
        if own.is_empty() {
            sockets.remove(credentials);
        }
    }
}
