//! Listening, what all connections share, and the end of everything.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use artesian_auth::Auth;
use artesian_protocol::{SessionConfig, session::Compat};
use tokio::{net::TcpListener, sync::Semaphore, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    ConfigError, Metrics, ServerConfig, Service, connection,
    http::{channel::Channels, cors::CorsRules},
    limits::{Limits, TCP_REFUSALS, refuse_tcp},
    sockets::{Closing, Sockets},
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
    auth: Auth,
}

/// What all connections share. It is replaced as one when settings change: connections keep what they
/// began with, except that each request of an HTTP connection takes the present one.
pub(crate) struct State {
    pub service: Arc<dyn Service>,
    pub config: ServerConfig,
    pub session_config: Arc<SessionConfig>,
    /// The same for all: who may come in changes for connections that are there, too.
    pub auth: Arc<ArcSwap<Auth>>,
    pub cors: CorsRules,
    pub compression: Compression,
    pub metrics: Arc<Metrics>,
    /// What is counted for limits.
    pub limits: Arc<Limits>,
    /// Event streams in single connection mode.
    pub channels: Arc<Channels>,
    /// The open WebSockets and event streams.
    pub sockets: Arc<Sockets>,
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
        self.sockets.wake();
    }

    /// How long after the signal to stop a connection may exist.
    pub fn longest_end(&self) -> Duration {
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
    /// A server with these settings. Within a Tokio runtime: keys of tokens are fetched from now on.
    pub fn new(
        service: Arc<dyn Service>,
        config: ServerConfig,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ConfigError> {
        let state = State {
            auth: Arc::new(ArcSwap::from_pointee(Auth::start_counting(
                config.auth.clone(),
                metrics.auth().clone(),
            )?)),
            cors: CorsRules::new(&config)?,
            compression: compression(&config, &metrics),
            session_config: session_config(&config),
            channels: Arc::default(),
            sockets: Arc::new(Sockets::new(metrics.clone())),
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
        let auth = old.auth.load().renew(config.auth.clone())?;
        let state = State {
            auth: old.auth.clone(),
            cors: CorsRules::new(&config)?,
            compression: compression(&config, &old.metrics),
            session_config: session_config(&config),
            limits: Arc::new(old.limits.with(config.limits.clone(), config.request_timeout)),
            service: old.service.clone(),
            config,
            metrics: old.metrics.clone(),
            channels: old.channels.clone(),
            sockets: old.sockets.clone(),
            draining: old.draining.clone(),
            stopping: old.stopping.clone(),
            tasks: old.tasks.clone(),
            serial: old.serial.clone(),
        };
        Ok(Change { current: self.current.clone(), state, auth })
    }
}

impl Change {
    /// Puts the settings into force: for new connections, and for new requests of old ones. Sockets
    /// stay open, but for those whose client was let in by a secret, an issuer or a webhook that is
    /// no longer configured.
    pub fn commit(self) {
        let sockets = self.state.sockets.clone();
        let auth = Arc::new(self.auth);
        self.state.auth.store(auth.clone());
        self.current.store(Arc::new(self.state));
        sockets.close_if(move |proof| !auth.honours(proof), Closing::Rotated);
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
                    let connection = connection::serve(current.clone(), stream, peer.ip(), guard);
                    current.load().tasks.spawn(connection);
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
