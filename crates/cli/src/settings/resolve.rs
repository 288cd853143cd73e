//! Finds each setting's value: flag, then environment, then file, then default.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    net::IpAddr,
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;

use super::{
    definitions::{self, Definition, Kind},
    file::{File, Place},
    suggest,
};

/// Why settings cannot be used. No message shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The configuration file cannot be read.
    #[error("the configuration file {} cannot be read: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A value that makes no sense, or a key that is not known.
    #[error("{origin}: {message}")]
    At {
        /// Where it comes from.
        origin: String,
        /// What is wrong.
        message: String,
    },
    /// Values that do not go together, or something missing.
    #[error("{0}")]
    Whole(String),
}

/// The environment variables.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Those of this process. What is not UTF-8 is left out: no setting can be.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().collect() }
    }
}

/// Values of flags, by the flag's name.
pub type Flags = BTreeMap<&'static str, Vec<String>>;

/// What was set, by the setting's name.
pub type Values = BTreeMap<&'static str, Vec<String>>;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag(&'static str),
    /// An environment variable.
    Environment(String),
    /// The configuration file.
    File {
        /// The setting's path in it.
        path: String,
        /// Where.
        place: Place,
    },
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::File { path, place } => write!(f, "{place}: {path}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting's value before it is understood.
#[derive(Clone, Debug)]
pub struct Raw {
    definition: &'static Definition,
    items: Vec<String>,
    /// Where it comes from.
    pub origin: Origin,
}

/// All the places where values come from.
pub struct Resolver {
    flags: Flags,
    environment: Environment,
    /// What the configuration file says.
    pub file: File,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl Resolver {
    /// Values come from these.
    pub fn new(flags: Flags, environment: Environment, file: File) -> Self {
        Self { flags, environment, file, asked: RefCell::default() }
    }

    /// The settings that somebody asked for so far.
    #[cfg(test)]
    pub fn asked(&self) -> BTreeSet<&'static str> {
        self.asked.borrow().clone()
    }

    /// The value that counts; `None` if nobody gave one and there is no default.
    pub fn raw(&self, name: &'static str) -> Option<Raw> {
        self.asked.borrow_mut().insert(name);
        self.look(name)
    }

    /// The values of all settings, to be compared with those of another time.
    pub fn values(&self) -> Values {
        let value = |d: &Definition| Some((d.name, self.look(d.name)?.items));
        definitions::ALL.iter().filter_map(value).collect()
    }

    fn look(&self, name: &'static str) -> Option<Raw> {
        let definition = definitions::find(name)?;
        let raw = |items, origin| Some(Raw { definition, items, origin });
        if let Some(items) = self.flags.get(name) {
            return raw(items.clone(), Origin::Flag(definition.name));
        }
        let mut empty = None;
        for variable in definition.all_env() {
            match self.environment.get(&variable) {
                None => {}
                Some("") => empty = empty.or(Some(variable)),
                Some(value) => return raw(vec![value.to_owned()], Origin::Environment(variable)),
            }
        }
        // An empty variable is how compose files say "not set". For a secret that would open the
        // door, so it counts there and is refused later.
        if let Some(variable) = empty.filter(|_| definition.says_who_clients_are()) {
            return raw(vec![String::new()], Origin::Environment(variable));
        }
        if let Some(value) = self.file.values.iter().find(|v| v.path == definition.file) {
            let (path, place) = (value.path.clone(), value.place.clone());
            if !value.is_list || takes_lists(definition.kind) {
                return raw(value.items.clone(), Origin::File { path, place });
            }
        }
        if definition.default.is_empty() {
            return None;
        }
        raw(vec![definition.default.to_owned()], Origin::Default)
    }

    fn parsed<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&Raw) -> Result<T, SettingsError>,
    ) -> Result<Option<T>, SettingsError> {
        self.raw(name).map(|raw| parse(&raw)).transpose()
    }

    fn required<T>(&self, name: &'static str, found: Option<T>) -> Result<T, SettingsError> {
        found.ok_or_else(|| SettingsError::Whole(format!("the setting `{name}` is not given")))
    }

    /// A text.
    pub fn text(&self, name: &'static str) -> Option<String> {
        self.raw(name).and_then(|raw| raw.items.into_iter().next())
    }

    /// A text that has a default.
    pub fn word(&self, name: &'static str) -> Result<String, SettingsError> {
        let found = self.parsed(name, |raw| raw.choice())?;
        self.required(name, found)
    }

    /// `true` or `false`.
    pub fn switch(&self, name: &'static str) -> Result<bool, SettingsError> {
        let found = self.parsed(name, Raw::switch)?;
        self.required(name, found)
    }

    /// A number that has a default.
    pub fn number(&self, name: &'static str) -> Result<usize, SettingsError> {
        let found = self.parsed(name, |raw| raw.number::<usize>())?;
        self.required(name, found)
    }

    /// A number of at most 32 bits that has a default.
    pub fn number_u32(&self, name: &'static str) -> Result<u32, SettingsError> {
        let found = self.parsed(name, |raw| raw.number::<u32>())?;
        self.required(name, found)
    }

    /// A number of at least 1.
    pub fn positive(&self, name: &'static str) -> Result<usize, SettingsError> {
        let found = self.parsed(name, |raw| match raw.number::<usize>()? {
            0 => Err(raw.error("must be at least 1")),
            number => Ok(number),
        })?;
        self.required(name, found)
    }

    /// A port.
    pub fn port(&self, name: &'static str) -> Result<Option<u16>, SettingsError> {
        self.parsed(name, |raw| raw.number::<u16>())
    }

    /// A time.
    pub fn time(&self, name: &'static str) -> Result<Duration, SettingsError> {
        let found = self.parsed(name, Raw::time)?;
        self.required(name, found)
    }

    /// A time that is not 0.
    pub fn positive_time(&self, name: &'static str) -> Result<Duration, SettingsError> {
        let found = self.parsed(name, |raw| match raw.time()? {
            Duration::ZERO => Err(raw.error("must be more than 0")),
            time => Ok(time),
        })?;
        self.required(name, found)
    }

    /// Values with commas between them, or a list.
    pub fn list(&self, name: &'static str) -> Vec<String> {
        let items = self.raw(name).map(|raw| raw.items).unwrap_or_default();
        let parts = items.iter().flat_map(|item| item.split(','));
        parts.map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// Values of a closed set, with commas between them, or a list.
    pub fn choices(&self, name: &'static str) -> Result<Vec<String>, SettingsError> {
        let items = self.list(name);
        if let Some(raw) = self.raw(name) {
            items.iter().try_for_each(|item| raw.is_choice(item))?;
        }
        Ok(items)
    }

    /// IP addresses and networks.
    pub fn networks(&self, name: &'static str) -> Result<Vec<IpNet>, SettingsError> {
        let Some(raw) = self.raw(name) else { return Ok(Vec::new()) };
        let parse = |text: String| {
            let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
            address.or_else(|_| text.parse::<IpNet>()).map_err(|_| {
                raw.error(format!(
                    "`{text}` is no address and no network: write 192.0.2.1 or 10.0.0.0/8"
                ))
            })
        };
        self.list(name).into_iter().map(parse).collect()
    }

    /// Several secrets: a JSON array of texts, or a list in the file.
    pub fn secrets(&self, name: &'static str) -> Result<Vec<String>, SettingsError> {
        let found = self.parsed(name, |raw| match (&raw.origin, raw.items.as_slice()) {
            (Origin::File { .. }, items) => Ok(items.to_vec()),
            (_, [one]) => serde_json::from_str(one)
                .map_err(|_| raw.error("must be a JSON array of texts: [\"first\", \"second\"]")),
            (_, _) => Err(raw.error("must be given once, as a JSON array of texts")),
        })?;
        match (found, self.raw(name)) {
            (Some(none), Some(raw)) if none.is_empty() => {
                Err(raw.error("is an empty list: name a secret, or take it away"))
            }
            (found, _) => Ok(found.unwrap_or_default()),
        }
    }

    /// What in the environment is misspelt or not supported, one line each.
    pub fn environment_warnings(&self) -> Vec<String> {
        let known: Vec<String> = definitions::ALL.iter().flat_map(Definition::all_env).collect();
        let is_known = |name: &str| name == super::CONFIG_ENV || known.iter().any(|k| k == name);
        let candidates = || known.iter().map(String::as_str).chain([super::CONFIG_ENV]);
        let mut out = Vec::new();
        for name in self.environment.names().filter(|name| !is_known(name)) {
            if name.starts_with("ARTESIAN_") {
                let own = candidates().filter(|c| c.starts_with("ARTESIAN_"));
                let hint = suggest::hint(name, own);
                out.push(format!("the environment variable {name} is not known{hint}"));
            } else if name.starts_with("HASURA_GRAPHQL_") && !definitions::QUIET.contains(&name) {
                let hint =
                    suggest::closest(name, candidates().filter(|c| distance_is_small(name, c)));
                let hint = hint.map_or_else(String::new, |c| format!("; did you mean {c}?"));
                out.push(format!("{name} has no effect: this version does not support it{hint}"));
            }
        }
        out
    }
}

fn takes_lists(kind: Kind) -> bool {
    matches!(kind, Kind::List | Kind::SecretList | Kind::Choices(_))
}

/// Hasura has many variables with similar names: only a slip of the fingers is worth a hint.
fn distance_is_small(name: &str, candidate: &str) -> bool {
    candidate.starts_with("HASURA_GRAPHQL_")
        && name.len().abs_diff(candidate.len()) <= 1
        && name.chars().zip(candidate.chars()).filter(|(a, b)| a != b).count() <= 2
}

impl Raw {
    /// An error of this value.
    pub fn error(&self, message: impl fmt::Display) -> SettingsError {
        SettingsError::At { origin: self.origin.to_string(), message: message.to_string() }
    }

    /// An error that shows the value, if it may be shown.
    fn refuse(&self, expected: impl fmt::Display) -> SettingsError {
        if self.definition.is_secret() {
            return self.error(format!("this value cannot be used: {expected}"));
        }
        self.refuse_item(self.one(), expected)
    }

    fn refuse_item(&self, item: &str, expected: impl fmt::Display) -> SettingsError {
        self.error(format!("`{item}` cannot be used: {expected}"))
    }

    /// The value itself.
    pub fn one(&self) -> &str {
        self.items.first().map_or("", String::as_str)
    }

    fn choice(&self) -> Result<String, SettingsError> {
        let value = self.one();
        match self.definition.kind {
            Kind::Choice(choices) if !choices.contains(&value) => {
                let later =
                    self.definition.name == "changes" && ["wal", "triggers"].contains(&value);
                if later {
                    return Err(self.error(format!(
                        "`{value}` is not supported by this version: use auto or poll"
                    )));
                }
                let hint = suggest::hint(value, choices.iter().copied());
                Err(self.refuse(format!("it is one of {}{hint}", choices.join(", "))))
            }
            _ => Ok(value.to_owned()),
        }
    }

    fn is_choice(&self, item: &str) -> Result<(), SettingsError> {
        match self.definition.kind {
            Kind::Choices(choices) if !choices.contains(&item) => {
                let hint = suggest::hint(item, choices.iter().copied());
                Err(self.refuse_item(item, format!("known are {}{hint}", choices.join(", "))))
            }
            _ => Ok(()),
        }
    }

    fn switch(&self) -> Result<bool, SettingsError> {
        match self.one().to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" | "t" | "on" | "1" => Ok(true),
            "false" | "no" | "n" | "f" | "off" | "0" => Ok(false),
            _ => Err(self.refuse("write true or false")),
        }
    }

    fn number<T: std::str::FromStr>(&self) -> Result<T, SettingsError> {
        let text = self.one().replace('_', "");
        text.parse().map_err(|_| {
            let largest = match size_of::<T>() {
                2 => " from 0 to 65535",
                4 => " from 0 to 4294967295",
                _ => "",
            };
            self.refuse(format!("it must be a whole number{largest}"))
        })
    }

    fn time(&self) -> Result<Duration, SettingsError> {
        let text = self.one().trim();
        let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let milliseconds = match (unit.trim(), self.definition.kind) {
            ("ms", _) | ("", Kind::Milliseconds) => 1.0,
            ("s", _) | ("", _) => 1000.0,
            ("m" | "min", _) => 60_000.0,
            ("h", _) => 3_600_000.0,
            _ => return Err(self.refuse("write a time like 500ms, 10s or 2m")),
        };
        let number: f64 =
            number.parse().map_err(|_| self.refuse("write a time like 500ms, 10s or 2m"))?;
        Duration::try_from_secs_f64(number * milliseconds / 1000.0)
            .map_err(|_| self.refuse("that is too long"))
    }
}
