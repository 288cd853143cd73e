//! Events of message brokers.
