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

use artesian_protocol::SessionConfig;
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
        cors::CorsRules,
    },
    identity::Authenticator,
    io::Guarded,
    limits::{Limit, Limits, Peer, TCP_REFUSALS, refuse_tcp},
    metrics::{ConnectionMetrics, Transport},
};

/// Serves one listener.
pub struct Server {
    state: Arc<State>,
}

/// What all connections share.
pub(crate) struct State {
    pub service: Arc<dyn Service>,
    pub config: ServerConfig,
    pub session_config: Arc<SessionConfig>,
    pub auth: Authenticator,
    pub cors: CorsRules,
    pub metrics: Arc<Metrics>,
    /// What is counted for limits.
    pub limits: Arc<Limits>,
    /// Cancelled when the server is to stop.
    pub draining: CancellationToken,
    /// The same as a flag, to be looked at often.
    stopping: AtomicBool,
    /// Every task of a connection.
    pub tasks: TaskTracker,
    /// Numbers that spread what happens at once.
    serial: AtomicU64,
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
        let ws = &config.websocket;
        let session_config = SessionConfig {
            init_timeout: ws.init_timeout,
            max_operations: ws.max_operations,
            ping_interval: Some(ws.ping_interval),
            pong_deadline: ws.ping_timeout,
            keep_alive_interval: Some(ws.ping_interval),
            ..SessionConfig::default()
        };
        let state = State {
            auth: Authenticator::new(&config.admin_secrets)?,
            cors: CorsRules::new(&config.cors)?,
            session_config: Arc::new(session_config),
            limits: Arc::new(Limits::new(
                config.limits.clone(),
                config.request_timeout,
                metrics.clone(),
            )),
            service,
            config,
            metrics,
            draining: CancellationToken::new(),
            stopping: AtomicBool::new(false),
            tasks: TaskTracker::new(),
            serial: AtomicU64::new(0),
        };
        Ok(Self { state: Arc::new(state) })
    }

    /// Serves until `shutdown` is done, then lets open requests finish and closes sockets over the
    /// configured window, and returns when all is over. If the future is dropped, the same happens
    /// without anybody waiting for it.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let state = self.state;
        let guard = StopGuard(state.clone());
        accept(&state, listener, shutdown).await;
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

/// Accepts connections until `shutdown`; the listener is closed then.
async fn accept(state: &Arc<State>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let mut shutdown = pin!(shutdown);
    let refusals = Arc::new(Semaphore::new(TCP_REFUSALS));
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match state.limits.connect() {
                Ok(guard) => {
                    let peer = Peer { address: peer.ip(), connection: Arc::new(guard) };
                    state.tasks.spawn(connection(state.clone(), stream, peer));
                }
                Err(refused) => {
                    if let Ok(permit) = refusals.clone().try_acquire_owned() {
                        state.tasks.spawn(async move {
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
async fn connection(state: Arc<State>, stream: TcpStream, peer: Peer) {
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
        let (state, activity) = (state.clone(), activity.clone());
        service_fn(move |mut request| {
            let in_use = activity.request(&request);
            request.extensions_mut().insert(peer.clone());
            let response = http::handle(state.clone(), request);
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
