//! What all clients share.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use artesian_oracle::random::Random;
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::timeout};

use crate::{history::History, judge::Judge, report::Report};

/// Long enough for anything that happens at all.
pub const LIMIT: Duration = Duration::from_secs(30);

/// How often what no message tells of is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// One run.
pub struct Common {
    /// Where the server listens.
    pub address: SocketAddr,
    /// How long the server lets sockets live after the end of their credentials.
    pub grace: Duration,
    /// What was written.
    pub history: History,
    /// What credentials mean.
    pub judge: Judge,
    /// What went wrong.
    pub report: Report,
    /// Names of what is opened.
    serial: std::sync::atomic::AtomicU64,
}

impl Common {
    /// Nothing has happened.
    pub fn new(address: SocketAddr, grace: Duration, judge: Judge) -> Arc<Self> {
        Arc::new(Self {
            address,
            grace,
            history: History::new(),
            judge,
            report: Report::new(),
            serial: Default::default(),
        })
    }

    /// A number that nothing else has.
    pub fn serial(&self) -> u64 {
        self.serial.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }

    /// About the number of the last commit.
    pub fn seq(&self) -> i64 {
        i64::try_from(self.history.last().1).unwrap()
    }
}

/// How far something is from rest.
pub enum Rest {
    /// Nothing is to come of it.
    Settled,
    /// This is missing.
    Missing(String),
}

/// A client of some transport, which does random things.
#[async_trait]
pub trait Client: Send {
    /// Does one thing.
    async fn act(&mut self);

    /// Waits, while nothing is written, until all it has is as the database is. At the last time
    /// also until what has expired is gone.
    async fn settle(&mut self, is_last: bool);

    /// Leaves.
    async fn leave(&mut self);
}

/// Something that messages change.
pub struct Observed<T> {
    value: Mutex<T>,
    news: Notify,
}

impl<T> Observed<T> {
    /// With this to begin with.
    pub fn new(value: T) -> Arc<Self> {
        Arc::new(Self { value: Mutex::new(value), news: Notify::new() })
    }

    /// Looks at it or changes it.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.value.lock())
    }

    /// A message has changed it.
    pub fn changed(&self) {
        self.news.notify_waiters();
    }

    /// Waits until there is something, or the time is over.
    pub async fn until<R>(&self, mut f: impl FnMut(&mut T) -> Option<R>) -> Option<R> {
        let wait = async {
            loop {
                let news = self.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if let Some(found) = self.with(&mut f) {
                    return found;
                }
                let _ = timeout(LOOK, news).await;
            }
        };
        timeout(LIMIT, wait).await.ok()
    }

    /// Waits for a message or two.
    pub async fn linger(&self, random: &mut Random) {
        let time = Duration::from_millis(random.bits() % 30);
        let _ = timeout(time, self.news.notified()).await;
    }
}

/// Whether a time has come.
pub fn is_over(time: Option<SystemTime>, after: Duration) -> bool {
    time.is_some_and(|time| time + after <= SystemTime::now())
}
