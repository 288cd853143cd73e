//! What is counted.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident, $field:ident;)*) => {
        /// What only ever grows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Counter {
            $($(#[doc = $doc])* $name,)*
        }

        /// The figures of one broker since its start, and how things stand now.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Stats {
            $($(#[doc = $doc])* pub $field: u64,)*
            /// Distinct topics now, those included that the broker has not confirmed.
            pub topics: usize,
            /// Subscribers now; one of several topics counts several times.
            pub subscribers: usize,
            /// Bytes of events now that some subscriber has not read, each counted once.
            pub buffered_bytes: usize,
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $($field: AtomicU64,)*
        }

        impl Counters {
            fn counter(&self, counter: Counter) -> &AtomicU64 {
                match counter {
                    $(Counter::$name => &self.$field,)*
                }
            }

            /// The counters; the rest is left at nothing.
            pub fn read(&self) -> Stats {
                Stats { $($field: self.$field.load(Ordering::Relaxed),)* ..Stats::default() }
            }
        }
    };
}

counters! {
    /// Subscribers that came, each topic counted.
    Subscribed, subscribed;
    /// Those who joined a topic that was there.
    Shared, shared;
    /// Topics that the broker was asked for, those included that were asked for again after a loss of
    /// the connection.
    Started, started;
    /// Subscriptions that failed before they had begun.
    Refused, refused;
    /// Connections that were established; for Kafka those to one partition.
    Connected, connected;
    /// Connections that broke.
    Disconnected, disconnected;
    /// Attempts to connect that failed.
    ConnectFailed, connect_failed;
    /// Gaps that were told, each topic counted once however many subscribers it has.
    Gaps, gaps;
    /// Events from the broker, each counted once however many subscribers get it.
    Events, events;
    /// Bytes of these.
    EventBytes, event_bytes;
    /// Messages that were dropped because they are too large.
    Oversized, oversized;
    /// Messages that somebody wanted to read as JSON and that are none.
    Junk, junk;
    /// Subscribers that read too slowly and lost their subscription.
    TooSlow, too_slow;
}

impl Counters {
    pub fn add(&self, counter: Counter) {
        self.add_many(counter, 1);
    }

    pub fn add_many(&self, counter: Counter, count: u64) {
        self.counter(counter).fetch_add(count, Ordering::Relaxed);
    }
}
