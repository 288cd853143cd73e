//! Services and brokers among the sources.

use std::{collections::BTreeSet, path::Path};

use artesian_gateway::{
    config::{ConfigError, Prefix, SourceConfig, SourceKind},
    identity::Wants,
    source::events_wants,
};

use super::{
    file::FileSource,
    resolve::{Resolver, SettingsError},
};

/// Sources beside the database.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GatewaySettings {
    /// Services and brokers.
    pub sources: Vec<SourceConfig>,
    /// What comes before the names of the database's fields and types.
    pub database_prefix: Prefix,
}

impl GatewaySettings {
    /// Claims of tokens that services are told of.
    pub fn claims(&self) -> Vec<Box<str>> {
        let wants = self.sources.iter().map(|source| match &source.kind {
            SourceKind::Service(service) => service.identity.wants(),
            SourceKind::Events(events) => events_wants(&events.config, &events.written),
        });
        wants.fold(Wants::default(), Wants::union).claims
    }
}

pub(super) fn read(from: &Resolver) -> Result<GatewaySettings, SettingsError> {
    let mut settings = GatewaySettings::default();
    let mut names = BTreeSet::new();
    if let Some(source) = &from.file.database_prefix {
        let read = Prefix::from_json(&source.value);
        settings.database_prefix = read.map_err(|error| at(source, "prefix", &error))?;
    }
    for source in &from.file.sources {
        // Paths are relative to the file.
        let folder = source.place.file.parent().unwrap_or(Path::new(""));
        let read = SourceConfig::from_json(&source.value, folder);
        let read = read.map_err(|error| at(source, "sources[]", &error))?;
        if !names.insert(read.name.to_string()) {
            let message = format!("two sources are named `{}`", read.name);
            return Err(SettingsError::At { origin: source.place.to_string(), message });
        }
        settings.sources.push(read);
    }
    Ok(settings)
}

fn at(source: &FileSource, path: &str, error: &ConfigError) -> SettingsError {
    let path =
        if error.path.is_empty() { path.to_owned() } else { format!("{path}.{}", error.path) };
    let message = format!("`{path}`: {}", error.message);
    SettingsError::At { origin: source.place.to_string(), message }
}
