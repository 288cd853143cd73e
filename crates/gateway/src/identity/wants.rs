//! What of a client's words must be kept for the services.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    ConnectionInit, CookieNames, Forward, IdentityRules,
    headers::cookies_of,
    names,
    template::{Path, Root},
};

/// What of a client's words some service may be told. Everything else need not be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Headers, cookies aside.
    pub headers: WantedHeaders,
    /// Cookies by name.
    pub cookies: CookieNames,
    /// Whether the payload of `connection_init` is looked at.
    pub init_payload: bool,
    /// Claims by their names on the top level of the token.
    pub claims: Vec<Box<str>>,
}

/// Headers that are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedHeaders {
    /// These.
    Named(Vec<HeaderName>),
    /// All that may be sent on, and these.
    All(Vec<HeaderName>),
}

impl Default for WantedHeaders {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

impl Wants {
    /// What either wants.
    #[must_use]
    pub fn union(mut self, other: Self) -> Self {
        let all = matches!(self.headers, WantedHeaders::All(_))
            || matches!(other.headers, WantedHeaders::All(_));
        let (WantedHeaders::Named(mut names) | WantedHeaders::All(mut names)) = self.headers;
        let (WantedHeaders::Named(more) | WantedHeaders::All(more)) = other.headers;
        names.extend(more);
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        self.headers = if all { WantedHeaders::All(names) } else { WantedHeaders::Named(names) };
        self.cookies = match (self.cookies, other.cookies) {
            (CookieNames::Named(mut names), CookieNames::Named(more)) => {
                names.extend(more);
                names.sort();
                names.dedup();
                CookieNames::Named(names)
            }
            _ => CookieNames::All,
        };
        self.init_payload |= other.init_payload;
        self.claims.extend(other.claims);
        self.claims.sort();
        self.claims.dedup();
        self
    }

    /// Whether a header is looked at, cookies aside.
    pub fn wants_header(&self, name: &HeaderName) -> bool {
        match &self.headers {
            WantedHeaders::Named(names) => names.contains(name),
            WantedHeaders::All(names) => !names::is_never_forwarded(name) || names.contains(name),
        }
    }
}

impl artesian_engine::Wants for Wants {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Headers that `connection` names are of that connection (RFC 9110, section 7.6.1).
    fn headers(&self, headers: &HeaderMap, cookies: bool) -> Vec<(HeaderName, HeaderValue)> {
        let of_connection = |name: &HeaderName| {
            let lists = headers.get_all(header::CONNECTION).iter();
            let mut named = lists.filter_map(|list| list.to_str().ok()).flat_map(|l| l.split(','));
            named.any(|one| one.trim().eq_ignore_ascii_case(name.as_str()))
        };
        let mut kept: Vec<_> = headers
            .iter()
            .filter(|(name, _)| **name != header::COOKIE)
            .filter(|(name, _)| self.wants_header(name) && !of_connection(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if cookies {
            let sent: Vec<&HeaderValue> = headers.get_all(header::COOKIE).iter().collect();
            kept.extend(
                cookies_of(sent.into_iter(), &self.cookies).map(|value| (header::COOKIE, value)),
            );
        }
        for (_, value) in &mut kept {
            value.set_sensitive(true);
        }
        kept
    }

    fn init_payload(&self) -> bool {
        self.init_payload
    }

    fn claims(&self) -> &[Box<str>] {
        &self.claims
    }
}

impl IdentityRules {
    /// What of a client's words these rules look at.
    pub fn wants(&self) -> Wants {
        let mut names = Vec::new();
        let mut claims: Vec<Box<str>> = Vec::new();
        let mut init_payload =
            self.connection_init != ConnectionInit::None && self.payload.is_none();
        let (is_all, is_any) = match &self.forward {
            Forward::Named(renames) => {
                names.extend(renames.iter().map(|rename| rename.from.clone()));
                (false, !renames.is_empty())
            }
            Forward::All => (true, true),
        };
        init_payload |= is_any;
        let mut look = |path: &Path| {
            let first = path.segments().first();
            match (path.root(), first) {
                (Root::Headers, Some(name)) => names.extend(name.parse::<HeaderName>()),
                (Root::Claims, Some(name)) => claims.push(name.clone()),
                (Root::ConnectionInit, _) => init_payload = true,
                _ => {}
            }
        };
        self.set.iter().flat_map(|(_, template)| template.paths()).for_each(&mut look);
        self.payload.iter().flat_map(|template| template.paths()).for_each(&mut look);
        let headers = if is_all { WantedHeaders::All(names) } else { WantedHeaders::Named(names) };
        let wants = Wants { headers, cookies: self.cookies.clone(), init_payload, claims };
        wants.union(Wants::default())
    }
}
