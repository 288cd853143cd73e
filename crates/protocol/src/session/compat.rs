//! Deviations from the protocols on which clients of other servers depend.
//!
//! The session asks for a behaviour, never for a product. What each product's name stands for is in
//! one place, [`Compat::add`], and in one table, docs/protocols.md ("Compatibility modes").

use super::envelope::Ids;

/// A server whose clients may switch to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompatProfile {
    /// Hasura graphql-engine, version 2.
    Hasura,
    /// Mercurius, and Mercurius gateways in front of this server.
    Mercurius,
    /// Tyk gateway.
    Tyk,
}

impl CompatProfile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hasura, Self::Mercurius, Self::Tyk];

    /// The name in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hasura => "hasura",
            Self::Mercurius => "mercurius",
            Self::Tyk => "tyk",
        }
    }

    /// The profile of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == name)
    }
}

/// Which deviations are on. None by default: the protocols as they are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compat {
    /// Either protocol takes the other's names: `start` is `subscribe`, `stop` is the client's
    /// `complete`.
    pub both_vocabularies: bool,
    /// `graphql-transport-ws`: a further `connection_init` authenticates and acknowledges again, as
    /// with the legacy protocol, and does not close with 4429. Operations that start later belong to
    /// the new identity.
    pub repeated_init: bool,
    /// The list `extensions` beside the payload of an operation may have a `connectionInit`: that
    /// operation alone runs under the identity that its payload proves, see
    /// [`Output::Start`](super::Output::Start). An unknown extension refuses the operation.
    pub operation_init: bool,
    /// `graphql-transport-ws`: `connection_terminate` closes without a code.
    pub terminate_everywhere: bool,
    /// `graphql-transport-ws`: the client's `complete` is answered with `complete` if the operation
    /// was alive.
    pub echo_complete: bool,
    /// `graphql-transport-ws`: ids may be numbers, and are echoed as such.
    pub numeric_ids: bool,
    /// Messages that a gateway sends by mistake are ignored: those without a type, `error`, `ka`.
    pub ignore_stray: bool,
    /// A binary message is read as if it were text.
    pub binary_is_text: bool,
    /// Legacy: the payload of `connection_error` is a string.
    pub connection_error_is_string: bool,
    /// Legacy: a refused `connection_init` closes with 4400 instead of 1011.
    pub refusal_closes_4400: bool,
    /// Legacy: an operation that is refused before it starts is answered with `error`, not with
    /// `data` and `complete`.
    pub refusal_is_error: bool,
    /// Legacy, with [`refusal_is_error`](Self::refusal_is_error): the payload of that `error` is
    /// `{"errors":[…]}`, and `complete` follows.
    pub refusal_has_errors_member: bool,
    /// Legacy: the payload of every `error` of an operation is the list of errors.
    pub error_is_list: bool,
    /// `graphql-transport-ws`: a query or mutation whose result has errors and no data is answered
    /// with `error` instead of `next` and `complete`.
    pub failure_is_error: bool,
    /// `graphql-transport-ws`: `ping` with `{"message":"keepalive"}` right after the acknowledgement
    /// and then at the interval of `ka`.
    pub ping_keep_alive: bool,
    /// `graphql-transport-ws`: `pong` with `{"type":"heartbeat"}` at the interval of `ka`.
    pub pong_keep_alive: bool,
    /// A result of a subscription that has no data has no member `data`, instead of null: gateways
    /// take that for the end.
    pub no_null_data: bool,
    /// The result of a query or mutation is also the payload of its `complete`.
    pub result_in_complete: bool,
    /// Legacy: `start` without `connection_init` counts as a `connection_init` without a payload,
    /// which is not acknowledged. The operation still waits until the client is authenticated.
    pub implicit_init: bool,
    /// Handshake: the first subprotocol of the client's list that is known is chosen, instead of the
    /// one that the server prefers.
    pub first_offered: bool,
}

impl Compat {
    /// Everything that these products do.
    pub fn of(profiles: &[CompatProfile]) -> Self {
        let mut compat = Self::default();
        profiles.iter().for_each(|profile| compat.add(*profile));
        compat
    }

    fn add(&mut self, profile: CompatProfile) {
        match profile {
            CompatProfile::Hasura => {
                self.both_vocabularies = true;
                self.repeated_init = true;
                self.connection_error_is_string = true;
                self.refusal_closes_4400 = true;
                self.refusal_is_error = true;
                self.refusal_has_errors_member = true;
                self.failure_is_error = true;
                self.ping_keep_alive = true;
            }
            CompatProfile::Mercurius => {
                self.repeated_init = true;
                self.operation_init = true;
                self.no_null_data = true;
                self.terminate_everywhere = true;
                self.echo_complete = true;
                self.numeric_ids = true;
                self.ignore_stray = true;
                self.binary_is_text = true;
                self.refusal_is_error = true;
                self.error_is_list = true;
                self.first_offered = true;
            }
            CompatProfile::Tyk => {
                self.echo_complete = true;
                self.binary_is_text = true;
                self.connection_error_is_string = true;
                self.refusal_is_error = true;
                self.error_is_list = true;
                self.pong_keep_alive = true;
                self.result_in_complete = true;
                self.implicit_init = true;
            }
        }
    }

    /// The ids of `graphql-transport-ws`.
    pub(super) fn ids(&self) -> Ids {
        if self.numeric_ids { Ids::StringsAndNumbers } else { Ids::Strings }
    }
}
