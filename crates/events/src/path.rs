//! Paths to values: `root.name.name`, `claims["https://example.org/claims"].tenant`, `payload.items.0`.

use std::fmt;

use thiserror::Error;

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Root {
    /// Arguments of the subscription field.
    Args,
    /// Session variables of the client (`x-hasura-…`). Names are in lower case.
    Session,
    /// Claims of the client's token.
    Claims,
    /// Headers of the client's request or upgrade. Names are in lower case.
    Headers,
    /// The client's payload of `connection_init`.
    ConnectionInit,
    /// The event's message.
    Payload,
}

impl Root {
    /// All roots.
    pub const ALL: [Self; 6] = [
        Self::Args,
        Self::Session,
        Self::Claims,
        Self::Headers,
        Self::ConnectionInit,
        Self::Payload,
    ];

    /// The name in templates.
    pub fn name(self) -> &'static str {
        match self {
            Self::Args => "args",
            Self::Session => "session",
            Self::Claims => "claims",
            Self::Headers => "headers",
            Self::ConnectionInit => "connection_init",
            Self::Payload => "payload",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|root| root.name() == name)
    }

    /// Whether names below it are case-insensitive.
    fn folds_case(self) -> bool {
        matches!(self, Self::Session | Self::Headers)
    }
}

/// One step of a path: a member of an object, or the index of a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    name: Box<str>,
    index: Option<usize>,
}

impl Segment {
    fn new(name: String) -> Self {
        let index = if name.starts_with('+') { None } else { name.parse().ok() };
        Self { name: name.into_boxed_str(), index }
    }

    /// The name of a member.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The index, if the name is a number.
    pub fn index(&self) -> Option<usize> {
        self.index
    }
}

/// A path to a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    root: Root,
    segments: Box<[Segment]>,
}

/// Why a text is no path.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PathError {
    /// It begins with something else than a root.
    #[error(
        "unknown root {0:?}: expected args, session, claims, headers, connection_init or payload"
    )]
    UnknownRoot(String),
    /// The root has only named values.
    #[error("{0} needs a name: `{0}.name`")]
    NeedsName(&'static str),
    /// Something else.
    #[error("{0:?} is no path: expected `root.name.name` or `root[\"name\"].name`")]
    Malformed(String),
    /// More than 32 steps or 1,024 bytes.
    #[error("the path is too long")]
    TooLong,
}

const MOST_SEGMENTS: usize = 32;
const LONGEST: usize = 1024;

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// The text is no path.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.len() > LONGEST {
            return Err(PathError::TooLong);
        }
        let malformed = || PathError::Malformed(text.to_owned());
        let (name, mut rest) = word(text).ok_or_else(malformed)?;
        let root = Root::named(name).ok_or_else(|| PathError::UnknownRoot(name.to_owned()))?;
        let mut segments = Vec::new();
        while !rest.is_empty() {
            let (mut name, after) = step(rest).ok_or_else(malformed)?;
            if segments.is_empty() && root.folds_case() {
                name.make_ascii_lowercase();
            }
            if segments.len() == MOST_SEGMENTS {
                return Err(PathError::TooLong);
            }
            segments.push(Segment::new(name));
            rest = after;
        }
        if segments.is_empty() && root.folds_case() {
            return Err(PathError::NeedsName(root.name()));
        }
        Ok(Self { root, segments: segments.into_boxed_slice() })
    }

    /// Where it begins.
    pub fn root(&self) -> Root {
        self.root
    }

    /// The steps below the root.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

/// A name without quotes, which is not empty, and what follows it.
fn word(text: &str) -> Option<(&str, &str)> {
    let is_end = |c: char| matches!(c, '.' | '[' | ']' | '{' | '}' | '"') || c.is_whitespace();
    let end = text.find(is_end).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    (!name.is_empty()).then_some((name, rest))
}

/// `.name` or `["name"]`, and what follows it.
fn step(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('.') {
        return word(rest).map(|(name, rest)| (name.to_owned(), rest));
    }
    let quoted = text.strip_prefix('[')?;
    let mut stream = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
    let name = stream.next()?.ok()?;
    let rest = quoted.get(stream.byte_offset()..)?;
    Some((name, rest.strip_prefix(']')?))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root.name())?;
        for segment in &self.segments {
            if word(&segment.name).is_some_and(|(_, rest)| rest.is_empty()) {
                write!(f, ".{}", segment.name)?;
            } else {
                write!(f, "[{}]", serde_json::Value::from(&*segment.name))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_read() {
        for text in [
            "args",
            "args.region",
            "claims.a.b.0",
            r#"claims["https://x.y/claims"].z"#,
            "payload[\"\"]",
        ] {
            assert_eq!(Path::parse(text).unwrap().to_string(), text);
        }
        let path = Path::parse("session.X-Hasura-User-Id").unwrap();
        assert_eq!(path.segments()[0].name(), "x-hasura-user-id");
        let path = Path::parse("payload.Items.1.+2").unwrap();
        let indexes: Vec<_> = path.segments().iter().map(Segment::index).collect();
        assert_eq!(indexes, [None, Some(1), None]);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in
            ["", ".", "args.", "args..a", "args[0]", "args[\"a\"", "args a", "args.a}", "args."]
        {
            assert!(matches!(Path::parse(text), Err(PathError::Malformed(_))), "{text}");
        }
        assert_eq!(Path::parse("arg.a"), Err(PathError::UnknownRoot("arg".into())));
        assert_eq!(Path::parse("headers"), Err(PathError::NeedsName("headers")));
        assert_eq!(Path::parse(&format!("args{}", ".a".repeat(33))), Err(PathError::TooLong));
    }

    proptest! {
        #[test]
        fn any_text_is_a_path_or_an_error(text in ".{0,60}") {
            if let Ok(path) = Path::parse(&text) {
                prop_assert_eq!(Path::parse(&path.to_string()), Ok(path));
            }
        }

        #[test]
        fn any_name_can_be_written(name in ".{0,20}") {
            let text = format!("claims[{}]", serde_json::Value::from(name.as_str()));
            let path = Path::parse(&text).unwrap();
            prop_assert_eq!(path.segments()[0].name(), name.as_str());
            prop_assert_eq!(Path::parse(&path.to_string()), Ok(path));
        }
    }
}
