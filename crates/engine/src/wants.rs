//! What services behind this server want to hear of its clients.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Which of a client's words are kept with its identity. What nobody wants is not kept, and does not
/// tell clients apart.
pub trait Wants: Send + Sync + 'static {
    /// Whether it is nothing at all.
    fn is_nothing(&self) -> bool;

    /// What to keep of a client's headers. `cookies` says whether its cookies may count: they are the
    /// browser's, and who made it send them may be in doubt.
    fn headers(&self, headers: &HeaderMap, cookies: bool) -> Vec<(HeaderName, HeaderValue)>;

    /// Whether the payload of `connection_init` is wanted.
    fn init_payload(&self) -> bool;

    /// Claims of a token, by their names on its top level.
    fn claims(&self) -> &[Box<str>];
}

/// What a source wants that has no services behind it.
struct Nothing;

impl Wants for Nothing {
    fn is_nothing(&self) -> bool {
        true
    }

    fn headers(&self, _: &HeaderMap, _: bool) -> Vec<(HeaderName, HeaderValue)> {
        Vec::new()
    }

    fn init_payload(&self) -> bool {
        false
    }

    fn claims(&self) -> &[Box<str>] {
        &[]
    }
}

/// Nothing is wanted.
pub fn nothing() -> Arc<dyn Wants> {
    Arc::new(Nothing)
}
