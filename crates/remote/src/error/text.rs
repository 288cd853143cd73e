//! What errors say, of a service with or without its name.
//!
//! By hand, since the texts of `thiserror` know nothing but the error itself.

use std::fmt::{self, Display, Formatter};

use super::{RemoteError, Step};

/// An error whose text calls the service by its name: `` the service `reviews` cannot be reached ``.
struct Named<'a> {
    error: &'a RemoteError,
    service: &'a str,
}

impl Display for Named<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write(self.error, f, &format_args!("service `{}`", self.service))
    }
}

/// Of a service without a name.
impl Display for RemoteError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write(self, f, &"service")
    }
}

impl std::error::Error for RemoteError {}

impl RemoteError {
    /// The text for clients, with the name of the source. Like that of [`Display`] it tells nothing of the
    /// network behind.
    pub fn of_service(&self, service: &str) -> String {
        Named { error: self, service }.to_string()
    }

    /// The text for those who run the gateway: with what the operating system or TLS said of a connection
    /// that did not come about.
    pub fn in_detail(&self) -> String {
        match self {
            Self::Unreachable(why) => format!("{self}: {why}"),
            _ => self.to_string(),
        }
    }
}

fn write(error: &RemoteError, f: &mut Formatter<'_>, service: &dyn Display) -> fmt::Result {
    match error {
        RemoteError::Unreachable(_) => write!(f, "the {service} cannot be reached"),
        RemoteError::Lost { code, reason } => {
            write!(f, "the connection to the {service} was lost{}", shown(*code, reason))
        }
        RemoteError::Timeout { what, limit } => {
            write!(f, "the {service} took longer than {} ms to {what}", limit.as_millis())
        }
        RemoteError::Silent => write!(f, "the {service} fell silent"),
        RemoteError::TooLarge(limit) => {
            write!(f, "the {service} sent more than {limit} bytes at once")
        }
        RemoteError::NotJson(status) => {
            write!(f, "the {service} answered with something else than JSON (status {status})")
        }
        RemoteError::NotGraphQL(status) => {
            write!(
                f,
                "the {service} answered with JSON that is no GraphQL response (status {status})"
            )
        }
        RemoteError::Status(status) => write!(f, "the {service} answered with status {status}"),
        RemoteError::Unavailable { status, retry_after } => {
            let seconds = retry_after.as_secs();
            write!(f, "the {service} answered with status {status} and asks to wait {seconds} s")
        }
        RemoteError::Redirect(status) => {
            write!(f, "the {service} redirects (status {status}); configure where it leads")
        }
        RemoteError::Refused { code, reason } => {
            write!(f, "the {service} refuses the connection{}", shown(*code, reason))
        }
        RemoteError::Protocol(why) => {
            write!(f, "the {service} does not speak the protocol: {why}")
        }
        RemoteError::TooSlow(limit) => {
            write!(f, "more than {limit} bytes of events were waiting to be read")
        }
        RemoteError::Busy { what, limit } => {
            write!(f, "too many {what} for the {service} (limit: {limit})")
        }
        RemoteError::CircuitOpen => {
            write!(f, "the {service} has failed several times and is not asked for a while")
        }
        RemoteError::Request(why) => write!(f, "the request cannot be sent: {why}"),
        RemoteError::ShutDown => write!(f, "the connection to the {service} is being shut down"),
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "accept a connection",
            Self::Acknowledge => "acknowledge the connection",
            Self::Respond => "respond",
            Self::FinishMessage => "finish a message",
            Self::Read => "read what was sent",
        })
    }
}

fn shown(code: Option<u16>, reason: &str) -> String {
    match code {
        Some(code) if reason.is_empty() => format!(" ({code})"),
        Some(code) => format!(" ({code}: {reason})"),
        None if reason.is_empty() => String::new(),
        None => format!(": {reason}"),
    }
}
