//! What is counted while it is there. The drop of a guard ends its count, whatever ended its owner.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use artesian_engine::Identity;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use http::Extensions;
use tokio::time::Instant;

use super::{Counted, Limits, address::ClientKey, identity::IdentityKey};
use crate::http::activity::{Activity, InUse};

/// One open TCP connection, also after it became a WebSocket.
pub(crate) struct TcpGuard(pub(super) Arc<Counted>);

impl Drop for TcpGuard {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The other end of a connection. Travels with every request in its extensions.
#[derive(Clone)]
pub(crate) struct Peer {
    /// Who connected: the client or a proxy.
    pub address: IpAddr,
    /// Keeps the connection counted.
    pub connection: Arc<TcpGuard>,
    /// What the connection does.
    pub activity: Arc<Activity>,
}

/// One open WebSocket or event stream.
pub(crate) struct SocketGuard {
    pub(super) counted: Arc<Counted>,
    pub(super) client: ClientKey,
    pub(super) is_pending: bool,
    pub(super) is_counted_by_ip: bool,
    pub(super) _connection: Option<Arc<TcpGuard>>,
    pub(super) in_use: Option<InUse>,
}

impl SocketGuard {
    /// The client's address as it is counted.
    pub fn client(&self) -> ClientKey {
        self.client
    }

    /// The socket is a stream of an HTTP/2 connection, which is in use as long as its sockets are.
    pub fn stays_on(&mut self, extensions: &Extensions) {
        self.in_use = extensions.get::<Peer>().map(|peer| peer.activity.in_use());
    }

    /// The client is known: the socket is no longer pending.
    pub fn acknowledged(&mut self) {
        if std::mem::take(&mut self.is_pending) {
            self.counted.leave_pending();
        }
    }
}

impl Drop for SocketGuard {
    fn drop(&mut self) {
        self.acknowledged();
        self.counted.sockets.fetch_sub(1, Ordering::AcqRel);
        if self.is_counted_by_ip {
            self.counted.per_ip.remove(&self.client);
        }
    }
}

/// One socket of an identity.
pub(crate) struct IdentityGuard {
    pub(super) counted: Arc<Counted>,
    pub(super) key: IdentityKey,
}

impl Drop for IdentityGuard {
    fn drop(&mut self) {
        self.counted.per_identity.remove(&self.key);
    }
}

/// The visit of a legacy client.
pub(crate) struct LegacyVisit {
    pub(super) limits: Arc<Limits>,
    pub(super) client: ClientKey,
    pub(super) identity: Identity,
    /// When its acknowledgement is due.
    pub(super) acknowledged: Instant,
    /// Whether the client itself ended it.
    pub(super) is_done: bool,
}

impl LegacyVisit {
    /// The client says goodbye: it has what it came for.
    pub fn done(&mut self) {
        self.is_done = true;
    }
}

impl Drop for LegacyVisit {
    fn drop(&mut self) {
        self.limits.end_visit(self);
    }
}

/// What an event stream is counted by.
pub(crate) struct StreamGuard {
    pub(super) _socket: SocketGuard,
    pub(super) _identity: Option<Box<IdentityGuard>>,
}

impl StreamGuard {
    /// The stream is counted until it is dropped.
    pub fn hold<T: 'static>(self, items: BoxStream<'static, T>) -> BoxStream<'static, T> {
        Held { items, _guard: self }.boxed()
    }
}

struct Held<T> {
    items: BoxStream<'static, T>,
    _guard: StreamGuard,
}

impl<T> Stream for Held<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.items.poll_next_unpin(cx)
    }
}
