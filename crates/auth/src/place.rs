//! URLs as they may be shown.

use std::fmt;

use http::Uri;

/// A URL without its query, which may hold a secret.
pub struct Place<'a>(pub &'a Uri);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) = (self.0.scheme_str().unwrap_or(""), self.0.host().unwrap_or(""));
        write!(f, "{scheme}://{host}")?;
        if let Some(port) = self.0.port_u16() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.0.path())
    }
}
