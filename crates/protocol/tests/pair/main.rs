//! A client's session and a server's session, joined by a network that delays, stalls and breaks,
//! under a clock of its own (as quinn's tests do with their `Pair`). Whatever happens:
//!
//! * every operation has exactly one end on each side, and no message after it;
//! * an operation starts under the credentials that were sent last before it;
//! * results reach the operation that they belong to, in order and none twice;
//! * when nothing is on its way, both sides agree on what is alive;
//! * the timers are those that are documented, at every moment, and none once a session is closed;
//! * nothing queues up without bound, and after the connection has ended both come to rest.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod link;
mod pair;
mod records;
mod script;
mod timers;

use artesian_protocol::Subprotocol;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn transport_ws(case in script::case(Subprotocol::TransportWs)) {
        pair::Pair::run(case);
    }

    #[test]
    fn legacy(case in script::case(Subprotocol::Legacy)) {
        pair::Pair::run(case);
    }
}
