//! Times, limits, retries and transports: what [`artesian_remote`] is told.

use artesian_compose::ReadLimits;
use artesian_remote::{
    Reconnect, Sharing, Transport, UpstreamConfig,
    config::{CircuitConfig, Limits, Method, Retry, Timeouts},
};

use super::{
    ConfigError,
    graphql::endpoint,
    identity::{Subscriptions, payload},
    reader::{At, Object},
};

type Read<T> = Result<T, ConfigError>;

pub(super) fn timeouts(at: At<'_>, times: &mut Timeouts) -> Read<()> {
    let mut object = at.object()?;
    object.set("connect", &mut times.connect, At::positive_time)?;
    object.set("ack", &mut times.ack, At::positive_time)?;
    object.set("request", &mut times.request, At::positive_time)?;
    object.set("message", &mut times.message, At::positive_time)?;
    object.set("idle", &mut times.idle, At::time)?;
    object.set("ping_interval", &mut times.ping_interval, At::optional_time)?;
    object.set("pong_deadline", &mut times.pong_deadline, At::positive_time)?;
    object.set("keep_alive", &mut times.keep_alive, At::optional_time)?;
    object.set("stream_idle", &mut times.stream_idle, At::optional_time)?;
    object.finish()
}

pub(super) fn limits(at: At<'_>, limits: &mut Limits, schema: &mut ReadLimits) -> Read<()> {
    let mut object = at.object()?;
    object.set("response_bytes", &mut limits.response_bytes, At::count)?;
    object.set("message_bytes", &mut limits.message_bytes, At::count)?;
    object.set("buffer_bytes", &mut limits.buffer_bytes, At::count)?;
    object.set("socket_queue_bytes", &mut limits.socket_queue_bytes, At::count)?;
    object.set("sockets", &mut limits.sockets, At::count)?;
    object.set("operations_per_socket", &mut limits.operations_per_socket, At::count)?;
    object.set("concurrent_requests", &mut limits.concurrent_requests, At::count)?;
    object.set("polls", &mut limits.polls, At::count)?;
    object.set("concurrent_polls", &mut limits.concurrent_polls, At::count)?;
    let waiting =
        |at: &At<'_>| usize::try_from(at.number()?).map_err(|_| at.error("that is too many"));
    object.set("waiting_requests", &mut limits.waiting_requests, waiting)?;
    if let Some(at) = object.get("schema_bytes") {
        schema.bytes = at.count()?;
        if schema.bytes > limits.response_bytes {
            let message =
                "it must not be more than `response_bytes`: the schema comes as a response";
            return Err(at.error(message));
        }
    }
    object.finish()
}

pub(super) fn retry(at: At<'_>, retry: &mut Retry) -> Read<()> {
    let mut object = at.clone().object()?;
    object.set("attempts", &mut retry.attempts, small)?;
    object.set("first", &mut retry.first, At::positive_time)?;
    object.set("longest", &mut retry.longest, At::positive_time)?;
    object.set("queries", &mut retry.queries, At::flag)?;
    object.set("give_up_after", &mut retry.give_up_after, At::time)?;
    object.set("stable_after", &mut retry.stable_after, At::time)?;
    object.finish()?;
    if retry.longest < retry.first {
        return Err(at.error("`longest` must not be shorter than `first`"));
    }
    Ok(())
}

pub(super) fn circuit(at: At<'_>, circuit: &mut CircuitConfig) -> Read<()> {
    let mut object = at.clone().object()?;
    object.set("failures", &mut circuit.failures, small)?;
    object.set("first", &mut circuit.first, At::positive_time)?;
    object.set("longest", &mut circuit.longest, At::positive_time)?;
    object.finish()?;
    if circuit.longest < circuit.first {
        return Err(at.error("`longest` must not be shorter than `first`"));
    }
    Ok(())
}

/// A small number, which may be 0.
fn small(at: &At<'_>) -> Read<u32> {
    let number = u32::try_from(at.number()?).ok().filter(|number| *number <= 1000);
    number.ok_or_else(|| at.error("it must be at most 1000"))
}

const PROTOCOLS: [(&str, Transport); 7] = [
    ("auto", Transport::Auto),
    ("graphql-transport-ws", Transport::TransportWs),
    ("graphql-ws", Transport::LegacyWs),
    ("sse", Transport::Sse(Method::Post)),
    ("sse-get", Transport::Sse(Method::Get)),
    ("multipart", Transport::Multipart),
    ("none", Transport::None),
];

/// `subscriptions:`; what is about the client's identity is handed on.
pub(super) fn subscriptions<'a>(
    object: Option<Object<'a>>,
    config: &mut UpstreamConfig,
) -> Read<Subscriptions<'a>> {
    let Some(mut object) = object else { return Ok(Subscriptions::of(config.transport)) };
    object.set("protocol", &mut config.transport, |at| at.choice(&PROTOCOLS))?;
    if let Some(at) = object.get("url") {
        let schemes = ["ws://", "wss://", "http://", "https://"];
        config.subscription_url = Some(endpoint(&at, &schemes)?);
    }
    let reconnect =
        [("resume", Reconnect::Resume), ("error", Reconnect::Error), ("end", Reconnect::End)];
    object.set("reconnect", &mut config.reconnect, |at| at.choice(&reconnect))?;
    let sharing =
        [("events", Sharing::Events), ("latest", Sharing::Latest), ("none", Sharing::None)];
    object.set("sharing", &mut config.sharing, |at| at.choice(&sharing))?;
    let mut found = Subscriptions::of(config.transport);
    found.connection_init = object.get("connection_init");
    found.payload = object.get("payload");
    found.forward_headers = object.get("forward_headers");
    found.init_payload = object.get("init_payload");
    config.init_payload = found.init_payload.as_ref().map(payload).transpose()?;
    object.finish()?;
    Ok(found)
}
