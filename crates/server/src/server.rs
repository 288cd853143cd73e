//! Listening, the life of HTTP connections, and the end of everything.

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use artesian_protocol::{SessionConfig, session::Compat};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    ConfigError, Metrics, ServerConfig, Service,
    http::{
        self,
        activity::{Activity, Overdue},
        channel::Channels,
        cors::CorsRules,
    },
    identity::{Authenticator, Secrets},
    io::Guarded,
    limits::{Limit, Limits, Peer, TCP_REFUSALS, refuse_tcp},
    metrics::{ConnectionMetrics, Transport},
    ws::Compression,
};

/// Serves one listener.
pub struct Server {
    current: Arc<ArcSwap<State>>,
}

/// Changes the settings of a server that serves.
#[derive(Clone)]
pub struct Control {
    current: Arc<ArcSwap<State>>,
}

/// Settings that can be used, but are not in force yet.
pub struct Change {
    current: Arc<ArcSwap<State>>,
    state: State,
    secrets: Secrets,
}

/// What all connections share. It is replaced as one when settings change: connections keep what they
/// began with, except that each request of an HTTP connection takes the present one.
pub(crate) struct State {
    pub service: Arc<dyn Service>,
    pub config: ServerConfig,
    pub session_config: Arc<SessionConfig>,
    /// The same for all: who may come in changes for connections that are there, too.
    pub auth: Arc<Authenticator>,
    pub cors: CorsRules,
    pub compression: Compression,
    pub metrics: Arc<Metrics>,
    /// Event streams in single connection mode.
    pub channels: Arc<Channels>,
    /// What is counted for limits.
    pub limits: Arc<Limits>,
    /// Cancelled when the server is to stop.
    pub draining: CancellationToken,
    /// The same as a flag, to be looked at often.
    stopping: Arc<AtomicBool>,
    /// Every task of a connection.
    pub tasks: TaskTracker,
    /// Numbers that spread what happens at once.
    serial: Arc<AtomicU64>,
}

impl State {
    /// When, after the signal to stop, one more connection is closed.
    pub fn shutdown_delay(&self) -> Duration {
        spread(self.serial.fetch_add(1, Ordering::Relaxed), self.config.shutdown_window)
    }

    /// Whether the server is to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.draining.cancel();
    }

    /// How long after the signal to stop a connection may exist.
    fn longest_end(&self) -> Duration {
        let config = &self.config;
        config.shutdown_window + config.shutdown_grace.max(config.websocket.close_timeout)
    }
}

/// A part of the window for each number: the multiples of the golden ratio fill it evenly, however
/// many there are.
pub(crate) fn spread(serial: u64, window: Duration) -> Duration {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let part = (serial.wrapping_mul(GOLDEN) >> 32) as f64 / f64::from(u32::MAX);
    window.mul_f64(part)
}

/// Stops the connections when the server's future is dropped.
struct StopGuard(Arc<State>);

impl Drop for StopGuard {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Server {
    /// A server with these settings.
    pub fn new(
        service: Arc<dyn Service>,
        config: ServerConfig,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ConfigError> {
        let state = State {
            auth: Arc::new(Authenticator::new(&config.admin_secrets)?),
            cors: CorsRules::new(&config.cors)?,
            compression: compression(&config, &metrics),
            session_config: session_config(&config),
            channels: Arc::default(),
            limits: Arc::new(Limits::new(
                config.limits.clone(),
                config.request_timeout,
                metrics.clone(),
            )),
            service,
            config,
            metrics,
            draining: CancellationToken::new(),
            stopping: Arc::default(),
            tasks: TaskTracker::new(),
            serial: Arc::default(),
        };
        Ok(Self { current: Arc::new(ArcSwap::from_pointee(state)) })
    }

    /// What changes its settings while it serves.
    pub fn control(&self) -> Control {
        Control { current: self.current.clone() }
    }

    /// Serves until `shutdown` is done, then lets open requests finish and closes sockets over the
    /// configured window, and returns when all is over. If the future is dropped, the same happens
    /// without anybody waiting for it.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let guard = StopGuard(self.current.load_full());
        accept(&self.current, listener, shutdown).await;
        let state = self.current.load_full();
        tracing::info!(connections = state.tasks.len(), "shutting down");
        drop(guard);
        state.tasks.close();
        // Connections end by themselves before that; this is for one that does not.
        let limit = state.longest_end() + Duration::from_secs(1);
        if tokio::time::timeout(limit, state.tasks.wait()).await.is_err() {
            tracing::warn!(connections = state.tasks.len(), "connections were still open");
        }
    }
}

impl Control {
    /// Checks settings, without putting them into force.
    ///
    /// # Errors
    /// If they cannot be used.
    pub fn prepare(&self, config: ServerConfig) -> Result<Change, ConfigError> {
        let old = self.current.load();
        let secrets = Secrets::new(&config.admin_secrets)?;
        let state = State {
            auth: old.auth.clone(),
            cors: CorsRules::new(&config.cors)?,
            compression: compression(&config, &old.metrics),
            session_config: session_config(&config),
            service: old.service.clone(),
            config,
            metrics: old.metrics.clone(),
            channels: old.channels.clone(),
            limits: old.limits.clone(),
            draining: old.draining.clone(),
            stopping: old.stopping.clone(),
            tasks: old.tasks.clone(),
            serial: old.serial.clone(),
        };
        Ok(Change { current: self.current.clone(), state, secrets })
    }
}

impl Change {
    /// Puts the settings into force: for new connections, and for new requests of old ones. Sockets
    /// stay open; who came in by a secret that is no longer one stays in.
    pub fn commit(self) {
        self.state.auth.replace(self.secrets);
        self.current.store(Arc::new(self.state));
    }
}

fn session_config(config: &ServerConfig) -> Arc<SessionConfig> {
    let ws = &config.websocket;
    Arc::new(SessionConfig {
        init_timeout: ws.init_timeout,
        max_operations: ws.max_operations,
        ping_interval: Some(ws.ping_interval),
        pong_deadline: ws.ping_timeout,
        keep_alive_interval: Some(ws.ping_interval),
        compat: Compat::of(&ws.compat),
        ..SessionConfig::default()
    })
}

fn compression(config: &ServerConfig, metrics: &Metrics) -> Compression {
    Compression::new(config.websocket.compression_threshold, metrics.compression())
}

/// Accepts connections until `shutdown`; the listener is closed then.
async fn accept(
    current: &Arc<ArcSwap<State>>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    let refusals = Arc::new(Semaphore::new(TCP_REFUSALS));
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match current.load().limits.connect() {
                Ok(guard) => {
                    let peer = Peer { address: peer.ip(), connection: Arc::new(guard) };
                    current.load().tasks.spawn(connection(current.clone(), stream, peer));
                }
                Err(refused) => {
                    if let Ok(permit) = refusals.clone().try_acquire_owned() {
                        current.load().tasks.spawn(async move {
                            refuse_tcp(stream, refused).await;
                            drop(permit);
                        });
                    }
                }
            },
            Err(error) => {
                // Most likely there are too many open files: wait for some to be closed.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::select! {
                    () = &mut shutdown => return,
                    () = sleep(Duration::from_millis(50)) => {}
                }
            }
        }
    }
}

/// One connection, until its end or its upgrade.
async fn connection(current: Arc<ArcSwap<State>>, stream: TcpStream, peer: Peer) {
    let state = current.load_full();
    // Frames are written whole, so there is nothing to wait for.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let _metrics = ConnectionMetrics::open(state.metrics.clone(), Transport::Http);
    let activity = Activity::new();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closings_are_spread_evenly_over_the_window() {
        let window = Duration::from_secs(10);
        let mut tenths = [0; 10];
        for serial in 0..1000 {
            let delay = spread(serial, window);
            assert!(delay <= window);
            tenths[(delay.as_millis() / 1000).min(9) as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (95..=105).contains(count)), "{tenths:?}");
        assert_eq!(spread(7, Duration::ZERO), Duration::ZERO);
    }
}
