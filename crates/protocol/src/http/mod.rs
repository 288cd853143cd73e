//! GraphQL over HTTP without I/O.
//!
//! * [`GraphQLRequest`]: the request every transport understands,
//! * [`decode_post`] and [`decode_get`]: from HTTP to a request,
//! * [`Accepts`]: content negotiation,
//! * [`StatusProfile`]: the status code of a reply,
//! * [`CsrfRule`]: which requests a foreign web page could have sent.

mod csrf;
mod decode;
mod media;
mod negotiate;
mod request;
mod status;

pub use csrf::{CsrfRule, PREFLIGHT_HEADERS};
pub use decode::{HttpError, decode_get, decode_post};
pub use negotiate::{Accepts, JsonMedia, Media, StreamMedia};
pub use request::{GraphQLRequest, Parameter, RequestError};
pub use status::{Outcome, StatusProfile};
