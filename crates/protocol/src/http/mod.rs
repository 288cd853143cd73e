//! GraphQL over HTTP without I/O.
//!
//! * [`GraphQLRequest`]: the request every transport understands,
//! * [`decode_post`] and [`decode_get`]: from HTTP to a request,
//! * [`Posted`]: one request or a batch,
//! * [`Accepts`]: content negotiation,
//! * [`StatusProfile`]: the status code of a reply,
//! * [`CsrfRule`]: which requests a foreign web page could have sent.

mod batch;
mod csrf;
mod decode;
mod media;
mod negotiate;
mod request;
mod status;

pub use batch::Posted;
pub use csrf::{CsrfRule, PREFLIGHT_HEADERS};
pub use decode::{
    HttpError, check_content_encoding, check_content_type, decode_get, decode_post,
    query_parameter, query_parameters,
};
pub use negotiate::{Accepts, JsonMedia, Media, StreamMedia, accepts};
pub use request::{GraphQLRequest, Parameter, RequestError};
pub use status::{Outcome, StatusProfile};
