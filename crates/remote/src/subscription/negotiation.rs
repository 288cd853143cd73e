//! Finding out how a service carries subscriptions ([`Transport::Auto`](crate::Transport::Auto)).
//!
//! A WebSocket is tried first. Where none comes about, since the service answers the upgrade like any
//! other request, an event stream is asked for, and then a multipart body. What worked is remembered for
//! the service, whoever asked. Only an answer that has nothing to do with the client or the moment says
//! that something is not spoken: neither a refusal of credentials does, nor a limit, nor a failure.

use parking_lot::Mutex;

use super::{AttemptEnd, Carrier, Key, Sink};
use crate::{
    RemoteError,
    config::Method,
    stream::{Asked, Outcome},
};

/// After how many answers in a row that speak against it is forgotten what worked before.
const FORGET_AFTER: u32 = 3;

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
}

impl Negotiation {
    fn known(&self) -> Option<Spoken> {
        self.memory.lock().spoken
    }

    fn works(&self, spoken: Spoken) {
        *self.memory.lock() = Memory { spoken: Some(spoken), doubts: 0 };
    }

    /// The service answered as if it did not speak this.
    fn doubt(&self, spoken: Spoken) {
        let mut memory = self.memory.lock();
        if memory.spoken == Some(spoken) {
            memory.doubts = memory.doubts.saturating_add(1);
            if memory.doubts >= FORGET_AFTER {
                *memory = Memory::default();
            }
        }
    }
}

impl Carrier {
    /// One attempt, over what is known to work or by trying one after the other.
    pub(super) async fn negotiate(&self, key: &Key, sink: Sink) -> Outcome {
        let known = self.negotiation.known();
        let mut outcome = None;
        if matches!(known, None | Some(Spoken::Socket)) {
            match self.begin_on_socket(key, sink.clone()).await {
                Ok(running) => {
                    self.negotiation.works(Spoken::Socket);
                    return Outcome::of(running.end().await);
                }
                Err(error) => {
                    let is_no = error.says_no_such_transport();
                    if is_no {
                        self.negotiation.doubt(Spoken::Socket);
                    }
                    let failed = Outcome::failed(error);
                    if !is_no || known.is_some() || key.credentials.operation_payload().is_some() {
                        return failed;
                    }
                    outcome = Some(failed);
                }
            }
        } else if key.credentials.operation_payload().is_some() {
            return Outcome::failed(RemoteError::no_place_for_payload());
        }
        let all = [Asked::Sse(Method::Post), Asked::Multipart];
        for asked in all.into_iter().filter(|asked| match known {
            Some(Spoken::Stream(known)) => *asked == known,
            _ => true,
        }) {
            let begun = self.streams.begin(asked, &key.operation, &key.credentials).await;
            match begun {
                Ok(begun) if begun.is_declined() => {
                    // Perhaps of the operation and not of the transport; nobody can tell.
                    self.negotiation.doubt(Spoken::Stream(asked));
                    outcome = Some(begun.follow(&sink).await);
                }
                Ok(begun) => {
                    if begun.is_stream() {
                        self.negotiation.works(Spoken::Stream(asked));
                    }
                    return begun.follow(&sink).await;
                }
                Err(error) if error.says_no_such_transport() => {
                    self.negotiation.doubt(Spoken::Stream(asked));
                    // Errors of the service say more than a status.
                    if !matches!(outcome, Some(Outcome { end: AttemptEnd::Finished(_), .. })) {
                        outcome = Some(Outcome::failed(error));
                    }
                }
                Err(error) => return Outcome::failed(error),
            }
        }
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
}
