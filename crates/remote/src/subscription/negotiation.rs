//! Finding out how a service carries subscriptions ([`Transport::Auto`](crate::Transport::Auto)).
//!
//! A WebSocket is tried first. Where none comes about, since the service answers the upgrade like any
//! other request, an event stream is asked for, and then a multipart body. What worked is remembered for
//! the service, whoever asked. Only an answer that has nothing to do with the client or the moment says
//! that something is not spoken: neither a refusal of credentials does, nor a limit, nor a failure.
//!
//! A service may also take the upgrade and say nothing on it, as one does that speaks another protocol
//! over WebSockets. It is asked for streams too if it has never acknowledged a socket. Its silence may be
//! of the moment, though, or come of what one client said of itself. So a stream that is found in this way
//! is remembered only after [`BELIEVE_AFTER`] sockets in a row were left without an acknowledgement, and
//! until then nobody who has a payload of `connection_init` is moved to where there is no place for it.
//!
//! Where a service has acknowledged a socket once, who has a payload stays on sockets for good: what speaks
//! against them may come of a proxy that has no service behind it for a moment, and who lost the payload
//! would be somebody else to the service.

use parking_lot::Mutex;

use super::{AttemptEnd, Carrier, Key, Sink};
use crate::{
    RemoteError,
    config::Method,
    stream::{Asked, Outcome},
};

/// After how many answers in a row that speak against it is forgotten what worked before.
const FORGET_AFTER: u32 = 3;

/// After how many sockets in a row without an acknowledgement it is believed that there will be none.
const BELIEVE_AFTER: u32 = 3;

/// How a service carries subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    Socket,
    Stream(Asked),
}

/// What is known of a service.
#[derive(Debug, Default)]
pub(crate) struct Negotiation {
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    spoken: Option<Spoken>,
    /// Answers in a row that speak against it.
    doubts: u32,
    /// Sockets in a row that were not acknowledged, while nothing is known.
    unacknowledged: u32,
    /// Whether a socket was ever acknowledged.
    has_sockets: bool,
}

impl Memory {
    /// What stays of it when it turns out to be wrong.
    fn forget(&mut self) {
        *self = Self { has_sockets: self.has_sockets, ..Self::default() };
    }
}

impl Negotiation {
    fn known(&self) -> Option<Spoken> {
        self.memory.lock().spoken
    }

    fn works(&self, spoken: Spoken) {
        let mut memory = self.memory.lock();
        memory.forget();
        memory.spoken = Some(spoken);
        memory.has_sockets |= spoken == Spoken::Socket;
    }

    /// Whether the service has ever acknowledged a socket.
    fn has_sockets(&self) -> bool {
        self.memory.lock().has_sockets
    }

    /// A socket was opened and never acknowledged. Says whether that may mean that something else is
    /// spoken.
    pub fn unacknowledged(&self) -> bool {
        let mut memory = self.memory.lock();
        if memory.spoken.is_none() {
            memory.unacknowledged = memory.unacknowledged.saturating_add(1);
        }
        memory.spoken.is_none()
    }

    /// Whether sockets are left without an acknowledgement again and again.
    fn has_no_sockets(&self) -> bool {
        self.memory.lock().unacknowledged >= BELIEVE_AFTER
    }

    /// The service answered as if it did not speak this.
    fn doubt(&self, spoken: Spoken) {
        let mut memory = self.memory.lock();
        if memory.spoken == Some(spoken) {
            memory.doubts = memory.doubts.saturating_add(1);
            if memory.doubts >= FORGET_AFTER {
                memory.forget();
            }
        }
    }
}

/// Why there is no socket where streams are tried next.
enum NoSocket {
    /// The upgrade was answered like any other request.
    Declined,
    /// It was taken and not acknowledged.
    Unacknowledged,
}

impl Carrier {
    /// One attempt, over what is known to work or by trying one after the other.
    pub(super) async fn negotiate(&self, key: &Key, sink: Sink) -> Outcome {
        let negotiation = &self.shared.negotiation;
        let known = negotiation.known();
        let stays_on_sockets = negotiation.has_sockets() && self.has_payload(key);
        if let Some(Spoken::Stream(asked)) = known
            && !stays_on_sockets
        {
            if key.credentials.operation_payload().is_some() {
                return Outcome::failed(RemoteError::no_place_for_payload());
            }
            return self.try_streams(&[asked], NoSocket::Declined, None, key, &sink).await;
        }
        let error = match self.begin_on_socket(key, sink.clone()).await {
            Ok(running) => {
                negotiation.works(Spoken::Socket);
                return Outcome::of(running.end().await);
            }
            Err(error) => error,
        };
        if error.says_no_such_transport() {
            negotiation.doubt(Spoken::Socket);
        }
        let failed = Outcome::failed(error.clone());
        let may_leave = !stays_on_sockets && key.credentials.operation_payload().is_none();
        if known.is_some() || !may_leave {
            return failed;
        }
        let why = match error {
            error if error.says_no_such_transport() => NoSocket::Declined,
            error if error.is_unacknowledged() && self.may_leave_sockets(key) => {
                NoSocket::Unacknowledged
            }
            _ => return failed,
        };
        let all = [Asked::Sse(Method::Post), Asked::Multipart];
        self.try_streams(&all, why, Some(failed), key, &sink).await
    }

    /// Whether a service that does not acknowledge a socket for these credentials is asked for a stream.
    fn may_leave_sockets(&self, key: &Key) -> bool {
        !self.has_payload(key) || self.shared.negotiation.has_no_sockets()
    }

    /// Whether a socket for these credentials says something for which there is no place on a stream.
    fn has_payload(&self, key: &Key) -> bool {
        key.credentials.init_payload().is_some()
            || !matches!(self.shared.config.own_init_payload(), Ok(None))
    }

    /// Asks for one after the other; `outcome` is what came of the attempt over a socket.
    async fn try_streams(
        &self,
        all: &[Asked],
        why: NoSocket,
        mut outcome: Option<Outcome>,
        key: &Key,
        sink: &Sink,
    ) -> Outcome {
        let negotiation = &self.shared.negotiation;
        let is_declined = matches!(why, NoSocket::Declined);
        for &asked in all {
            let begun = self.streams.begin(asked, &key.operation, &key.credentials).await;
            match begun {
                Ok(begun) if begun.is_declined() => {
                    // Perhaps of the operation and not of the transport; nobody can tell.
                    negotiation.doubt(Spoken::Stream(asked));
                    if is_declined {
                        outcome = Some(begun.follow(sink).await);
                    }
                }
                Ok(begun) => {
                    if begun.is_stream() && (is_declined || negotiation.has_no_sockets()) {
                        negotiation.works(Spoken::Stream(asked));
                    }
                    return begun.follow(sink).await;
                }
                Err(error) if error.says_no_such_transport() => {
                    negotiation.doubt(Spoken::Stream(asked));
                    // Errors of the service say more than a status.
                    let has_errors =
                        matches!(outcome, Some(Outcome { end: AttemptEnd::Finished(_), .. }));
                    if is_declined && !has_errors {
                        outcome = Some(Outcome::failed(error));
                    }
                }
                Err(error) if is_declined => return Outcome::failed(error),
                Err(_) => break,
            }
        }
        // Where a socket was not acknowledged, that is said: it may be the next time.
        outcome.unwrap_or_else(|| Outcome::failed(RemoteError::lost()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_worked_is_forgotten_after_doubts_in_a_row() {
        let (socket, stream) = (Spoken::Socket, Spoken::Stream(Asked::Multipart));
        let negotiation = Negotiation::default();
        assert_eq!(negotiation.known(), None);
        negotiation.doubt(socket);
        negotiation.works(stream);
        for _ in 0..5 {
            negotiation.doubt(stream);
            negotiation.doubt(stream);
            negotiation.doubt(socket);
            assert_eq!(negotiation.known(), Some(stream));
            negotiation.works(stream);
        }
        for _ in 0..FORGET_AFTER {
            assert_eq!(negotiation.known(), Some(stream));
            negotiation.doubt(stream);
        }
        assert_eq!(negotiation.known(), None);
    }

    #[test]
    fn sockets_without_an_acknowledgement_count_in_a_row_and_while_nothing_is_known() {
        let negotiation = Negotiation::default();
        for _ in 0..2 {
            for _ in 0..BELIEVE_AFTER {
                assert!(!negotiation.has_no_sockets());
                assert!(negotiation.unacknowledged());
            }
            assert!(negotiation.has_no_sockets());
            negotiation.works(Spoken::Socket);
            for _ in 0..BELIEVE_AFTER {
                assert!(!negotiation.unacknowledged());
            }
            assert!(!negotiation.has_no_sockets());
            for _ in 0..FORGET_AFTER {
                negotiation.doubt(Spoken::Socket);
            }
            assert_eq!(negotiation.known(), None);
        }
    }

    #[test]
    fn that_there_were_sockets_is_not_forgotten() {
        let negotiation = Negotiation::default();
        negotiation.works(Spoken::Stream(Asked::Multipart));
        assert!(!negotiation.has_sockets());
        negotiation.works(Spoken::Socket);
        for _ in 0..FORGET_AFTER {
            negotiation.doubt(Spoken::Socket);
        }
        assert!(negotiation.has_sockets());
        negotiation.works(Spoken::Stream(Asked::Multipart));
        assert!(negotiation.has_sockets());
    }
}
