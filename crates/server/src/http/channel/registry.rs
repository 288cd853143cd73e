//! The reserved streams of one server, by token.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::Arc,
    task::{Context, Poll, ready},
};

use artesian_engine::Identity;
use parking_lot::Mutex;
use tokio::{task::AbortHandle, time::sleep};

use crate::{
    limits::Limit,
    metrics::Reservation,
    run::{BoxItems, Item},
    server::State,
    ws::operations::Operations,
};

/// Bytes of a token: 128 bits, which nobody guesses.
const TOKEN: usize = 16;

/// Why nothing was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    /// By this identity.
    #[error("too many event streams of this identity are reserved and not opened")]
    Identity,
    /// By everybody.
    #[error("too many event streams are reserved and not opened")]
    Server,
    /// The system gives no random numbers.
    #[error("no token could be made")]
    Random,
}

/// Why an operation was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotStarted {
    /// The stream was lost, or was not opened in time.
    #[error("the event stream is closed")]
    Closed,
    /// An operation with this id is alive.
    #[error("an operation with this id is running")]
    Duplicate,
    /// The stream has as many operations as it may have.
    #[error("an event stream may have up to {0} operations at a time")]
    TooMany(usize),
}

/// All streams.
#[derive(Default)]
pub(crate) struct Channels {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    by_token: HashMap<String, Arc<Channel>>,
    /// How many are reserved and not open.
    waiting: usize,
    waiting_by_identity: HashMap<Identity, usize>,
}

impl Inner {
    fn no_longer_waits(&mut self, identity: &Identity) {
        self.waiting -= 1;
        if let Some(count) = self.waiting_by_identity.get_mut(identity) {
            *count -= 1;
            if *count == 0 {
                self.waiting_by_identity.remove(identity);
            }
        }
    }
}

/// One stream.
pub(super) struct Channel {
    token: String,
    /// Who reserved it. Nobody else may use it.
    identity: Identity,
    /// Never locked together with [`Channels::inner`].
    core: Mutex<Core>,
}

struct Core {
    phase: Phase,
    operations: Operations<u64, Item>,
    keys: HashMap<Arc<str>, u64>,
    ids: HashMap<u64, Arc<str>>,
    /// The last key. Keys are never used twice, unlike the client's ids.
    last: u64,
}

enum Phase {
    Reserved {
        /// Ends the reservation.
        expiry: Option<AbortHandle>,
    },
    Open,
    Closed,
}

impl Channels {
    /// Reserves a stream; gives its token.
    pub(super) fn reserve(state: &Arc<State>, identity: &Identity) -> Result<String, Full> {
        // What services hear of the client comes with each request.
        let identity = identity.who();
        let config = &state.config;
        let token = random_token().inspect_err(|_| tracing::error!("no random numbers"))?;
        let channel = Arc::new(Channel {
            token: token.clone(),
            identity: identity.clone(),
            core: Mutex::new(Core {
                phase: Phase::Reserved { expiry: None },
                operations: Operations::new(),
                keys: HashMap::new(),
                ids: HashMap::new(),
                last: 0,
            }),
        });
        let result = {
            let mut inner = state.channels.inner.lock();
            let mine = inner.waiting_by_identity.get(&identity).copied().unwrap_or(0);
            if mine >= config.sse_max_reservations_per_identity {
                Err(Full::Identity)
            } else if inner.waiting >= config.sse_max_reservations {
                Err(Full::Server)
            } else {
                inner.waiting += 1;
                inner.waiting_by_identity.insert(identity, mine + 1);
                inner.by_token.insert(token.clone(), channel.clone());
                Ok(())
            }
        };
        if let Err(full) = result {
            state.metrics.reservation(Reservation::Refused);
            if full != Full::Random {
                state.limits.hit(Limit::Reservations);
            }
            return Err(full);
        }
        state.metrics.reservation(Reservation::Made);
        let (channels, metrics) = (Arc::downgrade(&state.channels), state.metrics.clone());
        let timeout = config.sse_reservation_timeout;
        let (waiting, token_of) = (Arc::downgrade(&channel), token);
        let expiry = tokio::spawn(async move {
            sleep(timeout).await;
            if let (Some(channels), Some(channel)) = (channels.upgrade(), waiting.upgrade()) {
                channels.expire(&metrics, &channel);
            }
        });
        if let Phase::Reserved { expiry: slot } = &mut channel.core.lock().phase {
            *slot = Some(expiry.abort_handle());
        }
        Ok(token_of)
    }

    fn expire(&self, metrics: &crate::Metrics, channel: &Channel) {
        {
            let mut core = channel.core.lock();
            if !matches!(core.phase, Phase::Reserved { .. }) {
                return;
            }
            core.close();
        }
        let mut inner = self.inner.lock();
        inner.by_token.remove(&channel.token);
        inner.no_longer_waits(&channel.identity);
        metrics.reservation(Reservation::Expired);
    }

    /// The stream of that token, if it is this identity's.
    pub(super) fn find(&self, token: &str, identity: &Identity) -> Option<Arc<Channel>> {
        let inner = self.inner.lock();
        inner.by_token.get(token).filter(|channel| channel.identity.is_same(identity)).cloned()
    }

    /// Opens a reserved stream, once. Who opened it must [`close`](Self::close) it.
    pub(super) fn open(&self, state: &State, channel: &Channel) -> bool {
        {
            let mut core = channel.core.lock();
            let Phase::Reserved { expiry } = &mut core.phase else { return false };
            if let Some(expiry) = expiry.take() {
                expiry.abort();
            }
            core.phase = Phase::Open;
        }
        self.inner.lock().no_longer_waits(&channel.identity);
        state.metrics.reservation(Reservation::Opened);
        true
    }

    /// The stream is lost, and all its operations with it.
    pub(super) fn close(&self, channel: &Channel) {
        self.inner.lock().by_token.remove(&channel.token);
        channel.core.lock().close();
    }
}

impl Channel {
    /// Whether an operation with that id could start now.
    pub fn check(&self, id: &str, max: usize) -> Result<(), NotStarted> {
        self.core.lock().check(id, max)
    }

    /// How many operations run.
    pub fn operation_count(&self) -> usize {
        self.core.lock().keys.len()
    }

    /// Starts an operation.
    pub fn start(&self, id: &str, max: usize, items: BoxItems) -> Result<(), NotStarted> {
        let mut core = self.core.lock();
        core.check(id, max)?;
        core.last += 1;
        let (key, id) = (core.last, Arc::<str>::from(id));
        core.keys.insert(id.clone(), key);
        core.ids.insert(key, id);
        core.operations.insert(key, items);
        Ok(())
    }

    /// Drops an operation if it is there. Nothing more is sent of it.
    pub fn stop(&self, id: &str) {
        let mut core = self.core.lock();
        if let Some(key) = core.keys.remove(id) {
            core.ids.remove(&key);
            core.operations.remove(key);
        }
    }

    /// The next item of any operation and the operation's id; `None` is its end.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<(Arc<str>, Option<Item>)> {
        let mut core = self.core.lock();
        loop {
            let (key, item) = ready!(core.operations.poll(cx, false));
            let id = if item.is_some() {
                core.ids.get(&key).cloned()
            } else {
                core.ids.remove(&key).inspect(|id| {
                    core.keys.remove(id);
                })
            };
            if let Some(id) = id {
                return Poll::Ready((id, item));
            }
        }
    }
}

impl Core {
    fn check(&self, id: &str, max: usize) -> Result<(), NotStarted> {
        if matches!(self.phase, Phase::Closed) {
            Err(NotStarted::Closed)
        } else if self.keys.contains_key(id) {
            Err(NotStarted::Duplicate)
        } else if self.keys.len() >= max {
            Err(NotStarted::TooMany(max))
        } else {
            Ok(())
        }
    }

    fn close(&mut self) {
        self.phase = Phase::Closed;
        self.operations.clear();
        self.keys = HashMap::new();
        self.ids = HashMap::new();
    }
}

fn random_token() -> Result<String, Full> {
    let mut bytes = [0; TOKEN];
    getrandom::fill(&mut bytes).map_err(|_| Full::Random)?;
    let mut token = String::with_capacity(2 * TOKEN);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(token, "{byte:02x}");
    }
    Ok(token)
}
