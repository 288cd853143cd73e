//! Which fields are seen, by whom, and which of them are live.

use std::collections::BTreeMap;

use artesian_compose::Pattern;
use artesian_engine::identity::ADMIN_ROLE;

use super::{
    ConfigError, Fields, LivePolicy,
    reader::{At, Object},
};

/// `include` and `exclude` of an object that may have more.
fn lists(object: &mut Object<'_>) -> Result<Fields, ConfigError> {
    let mut fields = Fields::default();
    object.set("include", &mut fields.include, patterns)?;
    object.set("exclude", &mut fields.exclude, patterns)?;
    Ok(fields)
}

pub(super) fn read(at: At<'_>) -> Result<Fields, ConfigError> {
    let mut object = at.object()?;
    let fields = lists(&mut object)?;
    object.finish()?;
    Ok(fields)
}

fn patterns(at: &At<'_>) -> Result<Vec<Pattern>, ConfigError> {
    at.texts()?.into_iter().map(|(at, text)| pattern(&at, text)).collect()
}

/// `Query.name` and `query.name` are the same.
fn pattern(at: &At<'_>, text: &str) -> Result<Pattern, ConfigError> {
    let lowered = match text.split_once('.') {
        Some((root, name)) => format!("{}.{name}", root.to_ascii_lowercase()),
        None => text.to_owned(),
    };
    lowered.parse().map_err(|error| at.error(error))
}

pub(super) fn permissions(at: &At<'_>) -> Result<BTreeMap<String, Fields>, ConfigError> {
    let mut permissions = BTreeMap::new();
    for item in at.list()? {
        let mut object = item.object()?;
        let role_at = object.need("role")?;
        let role = role_at.text()?.trim();
        if role.is_empty() {
            return Err(role_at.error("a role has a name"));
        }
        if role == ADMIN_ROLE {
            return Err(role_at.error("the administrator sees everything"));
        }
        let fields = lists(&mut object)?;
        object.finish()?;
        if permissions.insert(role.to_owned(), fields).is_some() {
            return Err(role_at.error("this role is there twice"));
        }
    }
    Ok(permissions)
}

pub(super) fn live(at: At<'_>) -> Result<LivePolicy, ConfigError> {
    let mut live = LivePolicy::default();
    let mut object = at.clone().object()?;
    object.set("interval", &mut live.interval, At::positive_time)?;
    object.set("min_interval", &mut live.min_interval, At::positive_time)?;
    if live.interval < live.min_interval {
        return Err(at.error("`interval` must not be shorter than `min_interval`"));
    }
    if let Some(fields) = object.get("fields") {
        for (name, at) in fields.object()?.entries() {
            let field = name.split_once('.').filter(|(root, _)| root.eq_ignore_ascii_case("query"));
            let field = field.map(|(_, field)| field).filter(|field| is_name(field));
            let field =
                field.ok_or_else(|| at.error("expected `Query.` and the name of a field"))?;
            let interval = at.positive_time()?;
            if interval < live.min_interval {
                return Err(at.error("it must not be shorter than `min_interval`"));
            }
            live.fields.insert(field.to_owned(), interval);
        }
    }
    object.finish()?;
    Ok(live)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
