//! What is counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::circuit::CircuitState;

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident, $field:ident;)*) => {
        /// What only ever grows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Counter {
            $($(#[doc = $doc])* $name,)*
        }

        /// The figures of one service since its start, and how things stand now.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Stats {
            $($(#[doc = $doc])* pub $field: u64,)*
            /// WebSockets that are open or being opened now.
            pub sockets: usize,
            /// Event streams and multipart bodies that are open or being opened now.
            pub streams: usize,
            /// Distinct subscriptions now, those included that wait for a connection.
            pub subscriptions: usize,
            /// Distinct queries that are polled now.
            pub polls: usize,
            /// Where the circuit stands.
            pub circuit: CircuitState,
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
    /// Single operations that were asked for, those of polls included.
    Requests, requests;
    /// Those that got no GraphQL response.
    FailedRequests, failed_requests;
    /// Attempts beyond the first of single operations and of subscriptions that were not yet established.
    Retries, retries;
    /// Clients that subscribed.
    Subscribed, subscribed;
    /// Those who joined a subscription that was there.
    Shared, shared;
    /// Operations that were begun at the service, those that were begun again included.
    Started, started;
    /// Subscriptions whose connection broke.
    Lost, lost;
    /// Those that were brought back.
    Resumed, resumed;
    /// WebSockets that were asked for.
    SocketsOpened, sockets_opened;
    /// WebSockets that did not come to be acknowledged.
    SocketsFailed, sockets_failed;
    /// Events from the service, each counted once however many clients get it.
    Events, events;
    /// Bytes of these.
    EventBytes, event_bytes;
    /// Messages, events and parts of the service that mean nothing.
    Junk, junk;
    /// Clients that read too slowly and lost their subscription.
    TooSlow, too_slow;
    /// How often a query was run for a poll.
    PollsRun, polls_run;
    /// How often that was no news.
    PollsUnchanged, polls_unchanged;
    /// How often the circuit opened.
    CircuitOpenings, circuit_openings;
}

impl Counters {
    pub fn add(&self, counter: Counter) {
        self.add_many(counter, 1);
    }

    pub fn add_many(&self, counter: Counter, count: u64) {
        self.counter(counter).fetch_add(count, Ordering::Relaxed);
    }
}
