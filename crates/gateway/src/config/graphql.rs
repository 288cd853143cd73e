//! `graphql:` of a source.

use std::{path::Path, sync::Arc, time::Duration};

use artesian_compose::ReadLimits;
use artesian_remote::{Endpoint, UpstreamConfig, dial::Network};

use super::{
    ConfigError, Fields, LivePolicy, SchemaSource, ServiceConfig, fields, identity, reader::At,
    upstream,
};

/// Certificates of authorities: some machines have 300 KiB of them.
const MAX_CA_BYTES: u64 = 4 << 20;

pub(super) fn read(at: At<'_>, base_dir: &Path) -> Result<ServiceConfig, ConfigError> {
    let mut object = at.object()?;
    let url_at = object.need("url")?;
    let url = endpoint(&url_at, &["http://", "https://"])?;
    let mut config = UpstreamConfig::new(url);
    let mut read_limits = ReadLimits::default();

    let schema = match object.get("schema") {
        Some(at) => SchemaSource::File(base_dir.join(at.text()?)),
        None => SchemaSource::Introspection,
    };
    let mut refresh = Some(Duration::from_secs(60));
    if let Some(at) = object.get("refresh") {
        refresh = at.optional_time()?;
        if refresh.is_some_and(|every| every < Duration::from_secs(1)) {
            return Err(at.error("it must be at least 1s; 0 means only on demand"));
        }
    }

    if let Some(at) = object.get("timeouts") {
        upstream::timeouts(at, &mut config.timeouts)?;
    }
    if let Some(at) = object.get("limits") {
        upstream::limits(at, &mut config.limits, &mut read_limits)?;
    }
    if let Some(at) = object.get("retry") {
        upstream::retry(at, &mut config.retry)?;
    }
    if let Some(at) = object.get("circuit") {
        upstream::circuit(at, &mut config.circuit)?;
    }
    let subscriptions = object.get("subscriptions").map(At::object).transpose()?;
    let subscriptions = upstream::subscriptions(subscriptions, &mut config)?;
    let headers = object.get("headers").map(At::object).transpose()?;
    let headers = identity::headers(headers)?;
    let (identity, constant) = identity::rules(headers.rules, subscriptions)?;
    config.headers = constant;

    let mut offered = Fields::default();
    if let Some(at) = object.get("fields") {
        offered = fields::read(at)?;
    }
    let permissions = object.get("permissions").map(|at| fields::permissions(&at)).transpose()?;
    let mut live = LivePolicy::default();
    if let Some(at) = object.get("live") {
        live = fields::live(at)?;
    }
    config.min_interval = live.min_interval;
    let ca = object.get("tls").map(|at| tls(at, base_dir)).transpose()?.flatten();
    object.finish()?;
    Ok(ServiceConfig {
        upstream: config,
        schema,
        refresh,
        read_limits,
        introspection_headers: headers.introspection,
        identity,
        fields: offered,
        permissions,
        live,
        ca,
    })
}

/// A URL with one of these schemes.
pub(super) fn endpoint(at: &At<'_>, schemes: &[&str]) -> Result<Endpoint, ConfigError> {
    let text = at.text()?.trim();
    let has = |scheme: &&str| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    if !schemes.iter().any(has) {
        return Err(at.error(format_args!("the URL must begin with {}", schemes.join(" or "))));
    }
    text.parse().map_err(|error| at.error(error))
}

fn tls(at: At<'_>, base_dir: &Path) -> Result<Option<Arc<[u8]>>, ConfigError> {
    let mut object = at.object()?;
    let ca = object.get("ca");
    object.finish()?;
    let Some(at) = ca else { return Ok(None) };
    let path = base_dir.join(at.text()?);
    let cannot = |error: std::io::Error| {
        at.error(format_args!("{} cannot be read: {error}", path.display()))
    };
    if std::fs::metadata(&path).map_err(cannot)?.len() > MAX_CA_BYTES {
        return Err(at.error(format_args!("the file has more than {MAX_CA_BYTES} bytes")));
    }
    let pem = std::fs::read(&path).map_err(cannot)?;
    Network::with_ca(&pem).map_err(|error| at.error(error))?;
    Ok(Some(pem.into()))
}
