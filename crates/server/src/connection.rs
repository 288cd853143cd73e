//! One HTTP connection.

use std::{convert::Infallible, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    ServerConfig,
    http::{
        self,
        activity::{Activity, Overdue},
    },
    io::Guarded,
    limits::{Limit, Peer, TcpGuard},
    metrics::{ConnectionMetrics, Transport},
    server::State,
};

/// One connection, until its end or its upgrade.
pub(crate) async fn serve(
    current: Arc<ArcSwap<State>>,
    stream: TcpStream,
    address: IpAddr,
    guard: TcpGuard,
) {
    let state = current.load_full();
    // Frames are written whole, so there is nothing to wait for.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let _metrics = ConnectionMetrics::open(state.metrics.clone(), Transport::Http);
    let activity = Activity::new();
    let peer = Peer { address, connection: Arc::new(guard), activity: activity.clone() };
    let io = {
        let (limit, limits) = (state.config.write_timeout, state.limits.clone());
        TokioIo::new(Guarded::new(stream, limit, activity.clone(), limits))
    };
    let service = {
        let activity = activity.clone();
        service_fn(move |mut request| {
            let in_use = activity.request(&request);
            request.extensions_mut().insert(peer.clone());
            let response = http::handle(current.load_full(), request);
            async move { Ok::<_, Infallible>(in_use.until_sent(response.await)) }
        })
    };
    let builder = builder(&state.config);
    let mut serving = pin!(builder.serve_connection_with_upgrades(io, service));
    // Who connects and says nothing, or only half of a head, does not stay.
    let (head, idle) = (state.config.read_timeout, state.config.limits.http_idle_timeout);
    let mut deadline = pin!(sleep(if idle.is_zero() { head } else { head.min(idle) }));
    let (mut is_leaving, mut is_draining) = (false, false);
    loop {
        tokio::select! {
            result = serving.as_mut() => {
                if let Err(error) = result {
                    note_failure(&state, &*error);
                }
                return;
            }
            () = deadline.as_mut() => {
                if is_leaving {
                    return;
                }
                match activity.check(head, idle) {
                    Ok(later) => deadline.set(sleep_until(later)),
                    Err(Overdue::Head) => {
                        state.limits.hit(Limit::ReadTimeout);
                        return;
                    }
                    Err(Overdue::Idle) => {
                        state.limits.hit(Limit::HttpIdle);
                        serving.as_mut().graceful_shutdown();
                        deadline.set(sleep(GOODBYE));
                        is_leaving = true;
                    }
                }
            }
            () = state.draining.cancelled(), if !is_draining => {
                serving.as_mut().graceful_shutdown();
                let end = Instant::now() + state.longest_end();
                deadline.set(sleep_until(end));
                (is_leaving, is_draining) = (true, true);
            }
        }
    }
}

/// How long an idle connection may take to say goodbye. HTTP/1.1 ends at once, HTTP/2 after a request
/// that may just be under way.
const GOODBYE: Duration = Duration::from_secs(5);

fn note_failure(state: &State, error: &(dyn std::error::Error + 'static)) {
    if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse_too_large) {
        state.limits.hit(Limit::HeadBytes);
    }
    tracing::debug!(%error, "HTTP connection failed");
}

fn builder(config: &ServerConfig) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Ours knows an idle connection from a slow one.
        .header_read_timeout(None)
        .preserve_header_case(true)
        .max_buf_size(config.max_head_bytes.max(8192))
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20))
        .max_concurrent_streams(250)
        .max_header_list_size(u32::try_from(config.max_head_bytes).unwrap_or(u32::MAX));
    if config.websocket.enabled && config.websocket.http2 {
        builder.http2().enable_connect_protocol();
    }
    builder
}
