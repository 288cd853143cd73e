//! Services among the sources, as the settings have them.

use std::sync::Arc;

use artesian_gateway::{
    Member,
    config::{ServiceConfig, SourceKind},
    service::Service,
};
use artesian_remote::dial::{CaError, Network};

use crate::settings::GatewaySettings;

/// Why a service cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("source \"{name}\": {error}")]
pub struct MemberError {
    name: Arc<str>,
    error: CaError,
}

/// The services of these settings. Those of `old` that are configured as before are taken over: what
/// runs on them goes on. Must be called within a Tokio runtime.
///
/// # Errors
/// TLS cannot be set up.
pub fn members(
    settings: &GatewaySettings,
    old: &[Arc<Member>],
) -> Result<Vec<Arc<Member>>, MemberError> {
    let mut members = Vec::new();
    for source in &settings.sources {
        let SourceKind::Service(config) = &source.kind else { continue };
        let is_it = |member: &&Arc<Member>| {
            *member.service.name() == source.name
                && member.prefix == source.prefix
                && **member.service.config() == **config
        };
        if let Some(member) = old.iter().find(is_it) {
            members.push(Arc::clone(member));
            continue;
        }
        let name = Arc::clone(&source.name);
        let dial = dial(config).map_err(|error| MemberError { name: name.clone(), error })?;
        let service = Service::start(name, (**config).clone(), Arc::new(dial));
        members.push(Arc::new(Member::new(service, source.prefix.clone())));
    }
    Ok(members)
}

fn dial(config: &ServiceConfig) -> Result<Network, CaError> {
    match &config.ca {
        Some(pem) => Network::with_ca(pem),
        None => Ok(Network::new()?),
    }
}
