//! Services and brokers among the sources, as the settings have them.

use std::sync::Arc;

use artesian_events::Hub;
use artesian_gateway::{
    EventsMember, Member, Sources,
    config::{EventsSource, ServiceConfig, SourceConfig, SourceKind},
    service::Service,
};
use artesian_remote::dial::{CaError, Network};

use crate::settings::GatewaySettings;

/// Why a source cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Certificates of a service.
    #[error("source \"{0}\": {1}")]
    Service(Arc<str>, CaError),
    /// Settings of a broker.
    #[error("source \"{0}\": {1}")]
    Events(Arc<str>, artesian_events::StartError),
}

/// The sources of these settings. Those of `old` that are configured as before are taken over: what runs
/// on them goes on. Must be called within a Tokio runtime.
///
/// # Errors
/// TLS cannot be set up, or a file cannot be read.
pub async fn sources(settings: &GatewaySettings, old: &Sources) -> Result<Sources, SourceError> {
    let mut sources = Sources::default();
    for source in &settings.sources {
        match &source.kind {
            SourceKind::Service(config) => {
                let there = old.services.iter().find(|member| is_service(member, source, config));
                let member = there.cloned().map_or_else(|| service(source, config), Ok);
                sources.services.push(member?);
            }
            SourceKind::Events(config) => {
                let there = old.events.iter().find(|member| is_broker(member, source, config));
                let member = match there {
                    Some(member) => Arc::clone(member),
                    None => broker(source, config).await?,
                };
                sources.events.push(member);
            }
        }
    }
    Ok(sources)
}

fn is_service(member: &Member, source: &SourceConfig, config: &ServiceConfig) -> bool {
    *member.service.name() == source.name
        && member.prefix == source.prefix
        && **member.service.config() == *config
}

fn service(source: &SourceConfig, config: &ServiceConfig) -> Result<Arc<Member>, SourceError> {
    let dial = match &config.ca {
        Some(pem) => Network::with_ca(pem),
        None => Network::new().map_err(CaError::from),
    };
    let dial = dial.map_err(|error| SourceError::Service(Arc::clone(&source.name), error))?;
    let service = Service::start(Arc::clone(&source.name), config.clone(), Arc::new(dial));
    Ok(Arc::new(Member::new(service, source.prefix.clone())))
}

fn is_broker(member: &EventsMember, source: &SourceConfig, config: &EventsSource) -> bool {
    member.name == source.name
        && member.prefix == source.prefix
        && member.written == config.written
        && member.schema == config.schema
}

async fn broker(
    source: &SourceConfig,
    config: &EventsSource,
) -> Result<Arc<EventsMember>, SourceError> {
    let hub = Hub::start(&config.config).await;
    let hub = hub.map_err(|error| SourceError::Events(Arc::clone(&source.name), error))?;
    Ok(Arc::new(EventsMember {
        name: Arc::clone(&source.name),
        prefix: source.prefix.clone(),
        config: config.config.clone(),
        written: config.written.clone(),
        schema: config.schema.clone(),
        hub: Arc::new(hub),
    }))
}
