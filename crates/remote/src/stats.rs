//! What is counted.

use crate::circuit::CircuitState;

artesian_fanout::counters! {
    /// The figures of one service since its start, and how things stand now.
    pub struct Stats {
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

    /// What only ever grows.
    pub(crate) enum Counter in Counters {
        /// Single operations that were asked for, those of polls included.
        Requests => requests,
        /// Those that got no GraphQL response.
        FailedRequests => failed_requests,
        /// Attempts beyond the first of single operations and of subscriptions that were not yet established.
        Retries => retries,
        /// Clients that subscribed.
        Subscribed => subscribed,
        /// Those who joined a subscription that was there.
        Shared => shared,
        /// Operations that were begun at the service, those that were begun again included.
        Started => started,
        /// Subscriptions whose connection broke.
        Lost => lost,
        /// Those that were brought back.
        Resumed => resumed,
        /// WebSockets that were asked for.
        SocketsOpened => sockets_opened,
        /// WebSockets that did not come to be acknowledged.
        SocketsFailed => sockets_failed,
        /// Events from the service, each counted once however many clients get it.
        Events => events,
        /// Bytes of these.
        EventBytes => event_bytes,
        /// Messages, events and parts of the service that mean nothing.
        Junk => junk,
        /// Clients that read too slowly and lost their subscription.
        TooSlow => too_slow,
        /// How often a query was run for a poll.
        PollsRun => polls_run,
        /// How often that was no news.
        PollsUnchanged => polls_unchanged,
        /// How often the circuit opened.
        CircuitOpenings => circuit_openings,
    }
}
