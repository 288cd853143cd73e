//! The limits by name.

macro_rules! limits {
    ($($name:ident $label:literal $help:literal;)*) => {
        /// A limit as metrics know it. `docs/limits.md` has a row for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Limit {
            $(#[doc = $help] $name,)*
        }

        impl Limit {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The value of the label `limit`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

limits! {
    Connections "connections" "Open TCP connections.";
    Sockets "sockets" "Open WebSockets and event streams.";
    SocketsPerIp "sockets_per_ip" "The same of one client address.";
    SocketsPerIdentity "sockets_per_identity" "The same of one identity.";
    OperationsPerIdentity "operations_per_identity" "Operations of one identity that run.";
    RequestRate "request_rate" "Operations that one identity starts a second.";
    PendingSockets "pending_sockets" "WebSockets that are not acknowledged yet.";
    ConnectRate "connect_rate" "Upgrades and event streams of one client address a second.";
    AckDelay "ack_delay" "Legacy clients that come back too quickly.";
    Preparations "preparations" "Operations that wait to be prepared.";
    Executions "executions" "Queries and mutations that wait to run.";
    EventBuffer "event_buffer" "Events that a slow client has not read.";
    MessageRate "message_rate" "Messages of a client a second.";
    ByteRate "byte_rate" "Bytes of a client a second.";
    Idle "idle" "Time without any operation.";
    MaxAge "max_age" "Age of a WebSocket.";
    HttpIdle "http_idle" "Time without any request.";
    InitTimeout "init_timeout" "Time until `connection_init`.";
    PingTimeout "ping_timeout" "Silence after a ping.";
    SocketOperations "socket_operations" "Operations of one WebSocket.";
    PreAckQueue "pre_ack_queue" "Messages before the acknowledgement.";
    MessageBytes "message_bytes" "Length and fragments of a message.";
    QueueBytes "queue_bytes" "Bytes that wait for a slow WebSocket.";
    WriteTimeout "write_timeout" "Time in which a connection takes nothing.";
    CloseTimeout "close_timeout" "Time of the closing handshake.";
    HeadBytes "head_bytes" "Length of a request's head.";
    ReadTimeout "read_timeout" "Time in which a request arrives.";
    BodyBytes "body_bytes" "Length of a request's body.";
    BatchSize "batch_size" "Requests in one body.";
    Reservations "reservations" "Event streams that are reserved and not open.";
    RequestTimeout "request_timeout" "Time of one answer.";
    Operation "operation" "Depth, fields, aliases and tokens of an operation.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn labels_differ() {
        let labels: HashSet<_> = Limit::ALL.iter().map(|limit| limit.as_str()).collect();
        assert_eq!(labels.len(), Limit::ALL.len());
    }
}
