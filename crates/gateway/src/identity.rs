//! What a service is told of a client: rules that turn what the client said into
//! [`Credentials`].
//!
//! | module | subject |
//! |---|---|
//! | [`names`] | headers that are never the client's to send on |
//! | `headers` | headers and cookies |
//! | `payload` | the payload of `connection_init` |
//! | `scope` | what templates look at |
//! | [`template`] | `{{root.path}}` |
//! | [`wants`] | what of the client's words must be kept for all this |

mod headers;
pub mod names;
mod payload;
mod scope;
pub mod template;
pub mod wants;

#[cfg(test)]
mod tests;

use artesian_remote::Credentials;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use self::{
    scope::Scope,
    template::{JsonTemplate, Template},
};
pub use wants::{WantedHeaders, Wants};

/// What is known of a client.
#[derive(Clone, Copy, Default)]
pub struct Subject<'a> {
    /// Session variables, names in lower case.
    pub session: &'a [(Box<str>, Box<str>)],
    /// Its headers, as far as [`Wants`] asks for them; several of one name are several entries. Cookies
    /// are here only if they may count (CORS).
    pub headers: &'a [(HeaderName, HeaderValue)],
    /// The payload of its `connection_init`: a JSON object as it was sent.
    pub init_payload: Option<&'a Bytes>,
    /// Claims of its verified token: a JSON object.
    pub claims: Option<&'a Bytes>,
}

/// Why a service cannot be told of a client. No value is part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A value that no header can carry, such as one with a line break.
    #[error("what the client said of itself cannot be sent as the header `{0}`")]
    IllegalValue(HeaderName),
    /// The client sent a header or cookie twice with different values.
    #[error("the client sent two different values for `{0}`")]
    TwoValues(String),
    /// More than [`MAX_HEADER_BYTES`] in one header, or than [`MAX_BYTES`] in all.
    #[error("what the client said of itself is too long for the header `{0}`")]
    TooLong(HeaderName),
    /// The payload cannot be sent.
    #[error("the payload of the client's connection_init cannot be passed on")]
    Payload,
}

/// The longest value of a header that a service is sent, in bytes.
pub const MAX_HEADER_BYTES: usize = 16 << 10;
/// The longest headers of a client together, in bytes.
pub const MAX_BYTES: usize = 64 << 10;

/// Which headers of a client are sent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forward {
    /// These. Where several become the same header, the first that the client sent counts.
    Named(Vec<Rename>),
    /// All but those that [`names::is_never_forwarded`] names.
    All,
}

impl Default for Forward {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

/// A header that is sent on, and its name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// Its name at the client.
    pub from: HeaderName,
    /// Its name at the service.
    pub to: HeaderName,
}

/// Which cookies of a client are sent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CookieNames {
    /// These.
    Named(Vec<Box<str>>),
    /// All.
    All,
}

impl Default for CookieNames {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

/// How the payload of a client's `connection_init` reaches the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionInit {
    /// With each operation on a socket that clients share (Mercurius' extension).
    Extension,
    /// As the payload of a socket for this client and its equals.
    #[default]
    PerClient,
    /// Not at all.
    None,
}

/// What a service is told of a client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IdentityRules {
    pub(crate) forward: Forward,
    /// Headers that depend on the client.
    pub(crate) set: Vec<(HeaderName, Template)>,
    /// Headers that the gateway sets for everybody: clients cannot replace them.
    pub(crate) taken: Vec<HeaderName>,
    pub(crate) cookies: CookieNames,
    pub(crate) connection_init: ConnectionInit,
    pub(crate) payload: Option<JsonTemplate>,
    /// Whether subscriptions carry the client's headers and cookies.
    pub(crate) forward_headers: bool,
    /// Whether it is not known if subscriptions have a place for a payload (`protocol: auto`).
    pub(crate) is_auto: bool,
}

impl IdentityRules {
    /// What goes with a query or a mutation of this client, which HTTP carries. A header that the client
    /// named in the payload of its `connection_init` counts as sent, and before one of the upgrade:
    /// browsers cannot set headers of an upgrade, and authentication reads it in the same way.
    ///
    /// # Errors
    /// What the client said cannot be sent.
    pub fn request_credentials(&self, subject: &Subject<'_>) -> Result<Credentials, IdentityError> {
        let scope = Scope::new(subject);
        Ok(Credentials::new(self.headers(&scope, true)?))
    }

    /// What goes with a subscription of this client.
    ///
    /// # Errors
    /// What the client said cannot be sent.
    pub fn subscription_credentials(
        &self,
        subject: &Subject<'_>,
    ) -> Result<Credentials, IdentityError> {
        let scope = Scope::new(subject);
        // Where the payload goes as such it need not go as headers too.
        let is_payload_sent = self.connection_init != ConnectionInit::None;
        let in_payload = !is_payload_sent || self.is_auto;
        let headers =
            if self.forward_headers { self.headers(&scope, in_payload)? } else { Vec::new() };
        let credentials = Credentials::new(headers);
        let sent = match self.connection_init {
            ConnectionInit::None => Ok(credentials),
            ConnectionInit::PerClient => match self.init_payload(&scope)? {
                Some(payload) => credentials.with_init_payload(payload),
                None => Ok(credentials),
            },
            ConnectionInit::Extension => {
                // Without one the service would take the operation for the gateway's own.
                let payload = self.init_payload(&scope)?;
                credentials
                    .with_operation_payload(payload.unwrap_or_else(|| Bytes::from_static(b"{}")))
            }
        };
        sent.map_err(|_| IdentityError::Payload)
    }
}
