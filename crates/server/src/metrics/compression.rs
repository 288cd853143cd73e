//! Compression of WebSocket messages.

use prometheus_client::{metrics::counter::Counter, registry::Registry};

/// What was compressed. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct CompressionMetrics {
    payloads: Counter,
    messages: Counter,
    saved: Counter,
}

impl CompressionMetrics {
    /// Nothing so far.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            payloads: Counter::default(),
            messages: Counter::default(),
            saved: Counter::default(),
        };
        registry.register(
            "compressed_payloads",
            "Payloads that were compressed, once for all their receivers",
            metrics.payloads.clone(),
        );
        registry.register(
            "compressed_messages",
            "WebSocket messages that were sent compressed",
            metrics.messages.clone(),
        );
        registry.register(
            "compression_saved_bytes",
            "Bytes that those messages are shorter than without compression",
            metrics.saved.clone(),
        );
        metrics
    }

    /// The compressor ran.
    pub fn compressed(&self) {
        self.payloads.inc();
    }

    /// A message was handed to a socket.
    pub fn sent(&self, saved: usize) {
        self.messages.inc();
        self.saved.inc_by(saved as u64);
    }

    #[cfg(test)]
    pub fn payloads(&self) -> u64 {
        self.payloads.get()
    }

    #[cfg(test)]
    pub fn messages(&self) -> u64 {
        self.messages.get()
    }
}
