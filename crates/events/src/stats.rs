//! What is counted.

artesian_fanout::counters! {
    /// The figures of one broker since its start, and how things stand now.
    pub struct Stats {
        /// Distinct topics now, those included that the broker has not confirmed.
        pub topics: usize,
        /// Subscribers now; one of several topics counts several times.
        pub subscribers: usize,
        /// Bytes of events now that some subscriber has not read, each counted once.
        pub buffered_bytes: usize,
    }

    /// What only ever grows.
    pub(crate) enum Counter in Counters {
        /// Subscribers that came, each topic counted.
        Subscribed => subscribed,
        /// Those who joined a topic that was there.
        Shared => shared,
        /// Topics that the broker was asked for, those included that were asked for again after a loss of
        /// the connection.
        Started => started,
        /// Subscriptions that failed before they had begun.
        Refused => refused,
        /// Connections that were established; for Kafka those to one partition.
        Connected => connected,
        /// Connections that broke.
        Disconnected => disconnected,
        /// Attempts to connect that failed.
        ConnectFailed => connect_failed,
        /// Gaps that were told, each topic counted once however many subscribers it has.
        Gaps => gaps,
        /// Events from the broker, each counted once however many subscribers get it.
        Events => events,
        /// Bytes of these.
        EventBytes => event_bytes,
        /// Messages that were dropped because they are too large.
        Oversized => oversized,
        /// Messages that somebody wanted to read as JSON and that are none.
        Junk => junk,
        /// Subscribers that read too slowly and lost their subscription.
        TooSlow => too_slow,
    }
}
