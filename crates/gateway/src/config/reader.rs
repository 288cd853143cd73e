//! Reading settings: objects whose members are all known, and errors that say where.

use std::{collections::BTreeSet, fmt, time::Duration};

use serde_json::{Map, Value};

use super::suggest::hint;

/// A setting that cannot be used. No value is quoted but names, since values may be secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", place(path))]
pub struct ConfigError {
    /// The setting within its source: `graphql.subscriptions.protocol`. Empty: the source itself.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

fn place(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("`{path}`: ") }
}

/// The longest time that a setting may be.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A value with the place where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<'a> {
    pub path: String,
    pub value: &'a Value,
}

type Read<T> = Result<T, ConfigError>;

impl<'a> At<'a> {
    pub fn error(&self, message: impl fmt::Display) -> ConfigError {
        ConfigError { path: self.path.clone(), message: message.to_string() }
    }

    pub fn expected(&self, what: &str) -> ConfigError {
        let found = match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.error(format_args!("expected {what}, found {found}"))
    }

    pub fn object(self) -> Read<Object<'a>> {
        match self.value {
            Value::Object(members) => {
                Ok(Object { path: self.path, members, known: BTreeSet::new() })
            }
            _ => Err(self.expected("an object")),
        }
    }

    pub fn list(&self) -> Read<Vec<At<'a>>> {
        let Value::Array(items) = self.value else { return Err(self.expected("a list")) };
        let item = |(at, value)| At { path: format!("{}[{at}]", self.path), value };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// A list of texts, or one text.
    pub fn texts(&self) -> Read<Vec<(At<'a>, &'a str)>> {
        match self.value {
            Value::String(text) => Ok(vec![(self.clone(), text)]),
            _ => self.list()?.into_iter().map(|item| Ok((item.clone(), item.text()?))).collect(),
        }
    }

    pub fn text(&self) -> Read<&'a str> {
        self.value.as_str().ok_or_else(|| self.expected("a text"))
    }

    pub fn flag(&self) -> Read<bool> {
        match self.value {
            Value::Bool(flag) => Ok(*flag),
            // What the environment supplies is text.
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ => Err(self.expected("true or false")),
        }
    }

    /// A whole number.
    pub fn number(&self) -> Read<u64> {
        let number = match self.value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| self.error("expected a whole number that is not negative"))
    }

    /// A number or a size that is more than nothing.
    pub fn count(&self) -> Read<usize> {
        let count = self.number()?;
        if count == 0 {
            return Err(self.error("it must be more than 0"));
        }
        usize::try_from(count).map_err(|_| self.error("that is too many"))
    }

    /// A time: a number of milliseconds, or a text such as `500ms`, `1.5s`, `5m` or `1h`.
    pub fn time(&self) -> Read<Duration> {
        const EXPECTED: &str = "write a time like 500ms, 10s or 2m, or a number of milliseconds";
        let text = match self.value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.trim().to_owned(),
            _ => return Err(self.expected("a time like 500ms, 10s or 2m")),
        };
        let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(end).unwrap_or_default();
        let seconds = match unit.trim() {
            "" | "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return Err(self.error(EXPECTED)),
        };
        let number: f64 = number.parse().map_err(|_| self.error(EXPECTED))?;
        match Duration::try_from_secs_f64(number * seconds) {
            Ok(time) if time <= LONGEST => Ok(time),
            _ => Err(self.error("that is too long; at most a year")),
        }
    }

    /// A time that is more than nothing.
    pub fn positive_time(&self) -> Read<Duration> {
        match self.time()? {
            Duration::ZERO => Err(self.error("it must be more than 0")),
            time => Ok(time),
        }
    }

    /// A time; 0 stands for none.
    pub fn optional_time(&self) -> Read<Option<Duration>> {
        Ok(Some(self.time()?).filter(|time| !time.is_zero()))
    }

    /// One of several names.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Read<T> {
        let text = self.text()?;
        choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let hint = hint(text, names.iter().copied());
            self.error(format_args!("expected one of {}{hint}", names.join(", ")))
        })
    }
}

/// An object of which every member must be asked for.
pub(super) struct Object<'a> {
    path: String,
    members: &'a Map<String, Value>,
    known: BTreeSet<&'static str>,
}

impl<'a> Object<'a> {
    /// A member, unless it is absent or `null`: `key:` without a value is an absent one.
    pub fn get(&mut self, name: &'static str) -> Option<At<'a>> {
        self.known.insert(name);
        let value = self.members.get(name).filter(|value| !value.is_null())?;
        Some(At { path: self.path_of(name), value })
    }

    /// A member that must be there.
    pub fn need(&mut self, name: &'static str) -> Read<At<'a>> {
        self.get(name).ok_or_else(|| ConfigError {
            path: self.path.clone(),
            message: format!("`{name}` is missing"),
        })
    }

    /// Puts a member in its place if it is there.
    pub fn set<T>(
        &mut self,
        name: &'static str,
        place: &mut T,
        read: impl FnOnce(&At<'a>) -> Read<T>,
    ) -> Read<()> {
        if let Some(at) = self.get(name) {
            *place = read(&at)?;
        }
        Ok(())
    }

    /// All members, which are all known then: a map whose keys are names of the user's.
    pub fn entries(self) -> impl Iterator<Item = (&'a str, At<'a>)> {
        let path = self.path;
        self.members
            .iter()
            .map(move |(name, value)| (name.as_str(), At { path: format!("{path}.{name}"), value }))
    }

    /// An error if there is a member that nobody asked for.
    pub fn finish(self) -> Read<()> {
        let Some(unknown) = self.members.keys().find(|name| !self.known.contains(name.as_str()))
        else {
            return Ok(());
        };
        let known = || self.known.iter().copied();
        let mut hint = hint(unknown, known());
        if hint.is_empty() {
            let names: Vec<&str> = known().collect();
            hint = format!(" (known here: {})", names.join(", "));
        }
        Err(ConfigError { path: self.path_of(unknown), message: format!("unknown key{hint}") })
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}
