//! What the query string asks for.

use artesian_protocol::http::query_parameters;

use crate::sockets::{Filter, Page};

/// Sockets of one answer unless it says otherwise, and at most.
const LIMIT: usize = 1000;
const MAX_LIMIT: usize = 10_000;

/// A request that makes sense.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Which sockets are open.
    List(Filter, Page),
    /// Close these.
    Close(Filter),
}

/// A query string that is not understood. A misspelt parameter that was passed over would close more
/// than was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unclear {
    /// Something that is none of ours.
    #[error("unknown parameter: there are {0}")]
    Unknown(&'static str),
    /// A name that comes twice.
    #[error("the parameter `{0}` is repeated")]
    Repeated(&'static str),
    /// A name without a value.
    #[error("the parameter `{0}` has no value")]
    Empty(&'static str),
    /// Malformed escapes.
    #[error("the query string is not properly encoded")]
    BadEscape,
    /// Not a number of sockets.
    #[error("`limit` must be a number from 1 to 10000")]
    Limit,
    /// Not an id.
    #[error("`after` must be the id of a socket")]
    After,
    /// Something else than `all=true`.
    #[error("`all` can only be `true`")]
    All,
    /// Something is to be done, and not to whom; or to some and to all.
    #[error("say which {0}")]
    Which(&'static str),
}

impl Question {
    /// Reads a query string without its leading `?`.
    pub fn new(is_delete: bool, query: &str) -> Result<Self, Unclear> {
        let mut given = Given(query_parameters(query).map_err(|_| Unclear::BadEscape)?);
        let filter = Filter { user: given.take("user")?, role: given.take("role")? };
        if is_delete {
            let is_all = given.take_all()?;
            given.end("user, role and all")?;
            return match is_all == (filter == Filter::default()) {
                true => Ok(Self::Close(filter)),
                false => Err(Unclear::Which("sockets: with user, role or both, or with all=true")),
            };
        }
        let limit = given.take("limit")?.map_or(Ok(LIMIT), |limit| {
            let limit = limit.parse().ok();
            limit.filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or(Unclear::Limit)
        })?;
        let after = given.take("after")?;
        let after = after.map_or(Ok(0), |after| after.parse().map_err(|_| Unclear::After))?;
        given.end("user, role, after and limit")?;
        Ok(Self::List(filter, Page { after, limit }))
    }
}

/// Which schemas are to be read: of the source with this name, or of all.
pub(super) fn which_sources(query: &str) -> Result<Option<String>, Unclear> {
    let mut given = Given(query_parameters(query).map_err(|_| Unclear::BadEscape)?);
    let (name, is_all) = (given.take("name")?, given.take_all()?);
    given.end("name and all")?;
    match name.is_none() == is_all {
        true => Ok(name),
        false => Err(Unclear::Which("source: with name, or with all=true")),
    }
}

/// Nothing is said where nothing can be.
pub(super) fn nothing(query: &str) -> Result<(), Unclear> {
    Given(query_parameters(query).map_err(|_| Unclear::BadEscape)?).end("none")
}

/// Parameters that were not looked at yet.
struct Given(Vec<(String, String)>);

impl Given {
    fn take_all(&mut self) -> Result<bool, Unclear> {
        match self.take("all")?.as_deref() {
            None => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Unclear::All),
        }
    }

    fn take(&mut self, name: &'static str) -> Result<Option<String>, Unclear> {
        let mut found = self.0.extract_if(.., |(given, _)| given == name);
        let value = found.next().map(|(_, value)| value);
        if found.next().is_some() {
            return Err(Unclear::Repeated(name));
        }
        match value {
            Some(value) if value.is_empty() => Err(Unclear::Empty(name)),
            value => Ok(value),
        }
    }

    /// `known` are the parameters that there are.
    fn end(self, known: &'static str) -> Result<(), Unclear> {
        if self.0.is_empty() { Ok(()) } else { Err(Unclear::Unknown(known)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: Option<&str>, role: Option<&str>) -> Filter {
        Filter { user: user.map(str::to_owned), role: role.map(str::to_owned) }
    }

    #[test]
    fn lists() {
        let list = |query| Question::new(false, query);
        let page = Page { after: 0, limit: 1000 };
        assert_eq!(list(""), Ok(Question::List(of(None, None), page)));
        let page = Page { after: 17, limit: 10_000 };
        let expected = Question::List(of(Some("a&b"), Some("é")), page);
        assert_eq!(list("role=%C3%A9&after=17&user=a%26b&limit=10000"), Ok(expected));
        for (query, error) in [
            ("limit=0", Unclear::Limit),
            ("limit=10001", Unclear::Limit),
            ("limit=-1", Unclear::Limit),
            ("limit=", Unclear::Empty("limit")),
            ("after=x", Unclear::After),
            ("after=99999999999999999999", Unclear::After),
            ("user=1&user=1", Unclear::Repeated("user")),
            ("user", Unclear::Empty("user")),
            ("all=true", Unclear::Unknown("user, role, after and limit")),
            ("role=a%", Unclear::BadEscape),
        ] {
            assert_eq!(list(query), Err(error), "{query}");
        }
    }

    #[test]
    fn closing_needs_to_know_whom() {
        let close = |query| Question::new(true, query);
        assert_eq!(close("user=7"), Ok(Question::Close(of(Some("7"), None))));
        assert_eq!(close("user=7&role=x"), Ok(Question::Close(of(Some("7"), Some("x")))));
        assert_eq!(close("all=true"), Ok(Question::Close(of(None, None))));
        let which = Unclear::Which("sockets: with user, role or both, or with all=true");
        let unknown = Unclear::Unknown("user, role and all");
        for (query, error) in [
            ("", which),
            ("all=true&user=7", which),
            ("all=false", Unclear::All),
            ("all=1&role=x", Unclear::All),
            ("user=7&rol=x", unknown),
            ("limit=5&user=7", unknown),
            ("user=&role=x", Unclear::Empty("user")),
            ("role=x&role=y", Unclear::Repeated("role")),
        ] {
            assert_eq!(close(query), Err(error), "{query}");
        }
    }

    #[test]
    fn sources_are_named() {
        assert_eq!(which_sources("name=a%20b"), Ok(Some("a b".to_owned())));
        assert_eq!(which_sources("all=true"), Ok(None));
        let which = Unclear::Which("source: with name, or with all=true");
        for (query, error) in [
            ("", which),
            ("name=a&all=true", which),
            ("name=", Unclear::Empty("name")),
            ("all=false", Unclear::All),
            ("nme=a", Unclear::Unknown("name and all")),
            ("name=a&name=b", Unclear::Repeated("name")),
        ] {
            assert_eq!(which_sources(query), Err(error), "{query}");
        }
        assert_eq!(nothing(""), Ok(()));
        assert_eq!(nothing("name=a"), Err(Unclear::Unknown("none")));
    }
}
