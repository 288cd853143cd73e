//! Metrics of sockets that have to go.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::Metrics;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Why WebSockets and event streams are told to close because of who their client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwelcome {
    /// By the administrator.
    Revoked,
    /// Its secret, issuer or webhook is no longer configured.
    Rotated,
    /// Its credentials have expired.
    Expired,
}

impl Unwelcome {
    const ALL: [Self; 3] = [Self::Revoked, Self::Rotated, Self::Expired];

    fn label(self) -> ReasonLabel {
        let reason = match self {
            Self::Revoked => "revoked",
            Self::Rotated => "rotated",
            Self::Expired => "expired",
        };
        ReasonLabel { reason }
    }
}

/// How many had to go.
#[derive(Default)]
pub(super) struct SocketMetrics {
    closed: Family<ReasonLabel, Counter>,
}

impl SocketMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        for reason in Unwelcome::ALL {
            drop(self.closed.get_or_create(&reason.label()));
        }
        registry.register(
            "sockets_closed",
            "WebSockets, event streams and operations closed because of who their client is, by reason",
            self.closed.clone(),
        );
    }
}

impl Metrics {
    /// A socket is told to close.
    pub(crate) fn socket_closed(&self, reason: Unwelcome) {
        self.sockets.closed.get_or_create(&reason.label()).inc();
    }
}
