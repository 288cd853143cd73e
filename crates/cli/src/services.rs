//! Services and brokers among the sources, as the settings have them.

use std::sync::Arc;

use artesian_events::Hub;
use artesian_gateway::{
    EventsMember, Member, Sources, Turns,
    config::{EventsSource, ServiceConfig, SourceConfig, SourceKind},
    service::{Service, State},
};
use artesian_remote::{
    CircuitState,
    dial::{CaError, Network},
};
use artesian_server::{BrokerStats, UpstreamStats};

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
        turns: Arc::new(Turns::new(config.config.limits.concurrent_completions)),
    }))
}

/// The figures of a service.
pub fn upstream_stats(member: &Member) -> UpstreamStats {
    let service = &member.service;
    let (now, status) = (service.upstream().stats(), service.status());
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    UpstreamStats {
        source: Arc::clone(service.name()),
        is_up: status.state == State::Up,
        has_schema: service.schema().is_some(),
        is_circuit_open: now.circuit != CircuitState::Closed,
        circuit_openings: now.circuit_openings,
        schemas_read: status.reads,
        schemas_failed: status.failures,
        requests: now.requests,
        requests_failed: now.failed_requests,
        retries: now.retries,
        subscribed: now.subscribed,
        shared: now.shared,
        started: now.started,
        lost: now.lost,
        resumed: now.resumed,
        sockets_opened: now.sockets_opened,
        sockets_failed: now.sockets_failed,
        events: now.events,
        event_bytes: now.event_bytes,
        junk: now.junk,
        too_slow: now.too_slow,
        polls_run: now.polls_run,
        polls_unchanged: now.polls_unchanged,
        sockets: number(now.sockets),
        streams: number(now.streams),
        subscriptions: number(now.subscriptions),
        polls: number(now.polls),
    }
}

/// The figures of a broker.
pub fn broker_stats(member: &EventsMember) -> BrokerStats {
    let now = member.hub.stats();
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    BrokerStats {
        source: Arc::clone(&member.name),
        connected: now.connected,
        disconnected: now.disconnected.saturating_add(now.connect_failed),
        topics: number(now.topics),
        subscribers: number(now.subscribers),
        buffered_bytes: number(now.buffered_bytes),
        events: now.events,
        event_bytes: now.event_bytes,
        gaps: now.gaps,
        dropped: now.oversized.saturating_add(now.junk),
        too_slow: now.too_slow,
        completions_waiting: number(member.turns.waiting()),
    }
}
