//! Keys by URL: fetched at start, again when they are stale, and when a token names a key that is
//! not known yet. There is one request at a time, and a least interval between two.

use std::{
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::Full;
use tokio::{sync::Mutex, task::AbortHandle, time::Instant};

use super::keys::KeySet;
use crate::{
    Counters,
    fetch::Client,
    freshness::{self, Freshness},
    place::Place,
};

/// The longest set in bytes, and how long its fetching may take.
const MAX_BYTES: usize = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Between two requests, whatever tokens ask for and whatever the issuer says.
const LEAST_INTERVAL: Duration = Duration::from_secs(5);
/// How long keys are kept whose issuer says nothing, and at most.
const DEFAULT_LIFE: Duration = Duration::from_secs(10 * 60);
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Between two requests while there are no keys at all.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A key set at a URL.
pub(super) struct Jwks {
    url: Uri,
    client: Client,
    keys: ArcSwap<KeySet>,
    /// When it was fetched last, whether or not there was an answer. Held while it is fetched.
    last: Mutex<Option<Instant>>,
    refresher: std::sync::OnceLock<AbortHandle>,
    counters: Arc<Counters>,
}

impl Drop for Jwks {
    fn drop(&mut self) {
        if let Some(task) = self.refresher.get() {
            task.abort();
        }
    }
}

/// Why keys could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key set at {url} cannot be used: {reason}")]
pub struct FetchKeysError {
    url: String,
    reason: String,
}

impl Jwks {
    /// Keys that are fetched from now on, in a task of their own.
    pub fn start(url: Uri, client: Client, counters: Arc<Counters>) -> Arc<Self> {
        let jwks = Arc::new(Self {
            url,
            client,
            keys: ArcSwap::from_pointee(KeySet::empty()),
            last: Mutex::new(None),
            refresher: std::sync::OnceLock::new(),
            counters,
        });
        let task = tokio::spawn(refresh(Arc::downgrade(&jwks)));
        let _ = jwks.refresher.set(task.abort_handle());
        jwks
    }

    /// The keys as they are known.
    pub fn keys(&self) -> Arc<KeySet> {
        self.keys.load_full()
    }

    /// Fetches the keys again, for a token whose key is not among `seen`. Returns at once if they
    /// have changed since, or were fetched only just now.
    pub async fn look_again(&self, seen: &Arc<KeySet>) {
        let mut last = self.last.lock().await;
        let is_early = last.is_some_and(|last| last.elapsed() < LEAST_INTERVAL);
        if is_early && !self.keys.load().is_empty() || !Arc::ptr_eq(seen, &self.keys.load()) {
            return;
        }
        // Without any keys each second may bring them.
        if last.is_some_and(|last| last.elapsed() < RETRY.0) {
            return;
        }
        let fetched = self.fetch().await;
        *last = Some(Instant::now());
        drop(last);
        if let Err(error) = fetched {
            tracing::warn!("{error}");
        }
    }

    /// Where it is.
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// Fetches the keys; says for how long they are good. The old ones stay if that fails.
    async fn fetch(&self) -> Result<Duration, FetchKeysError> {
        let fetched = fetch(&self.url, &self.client).await;
        let counter = match &fetched {
            Ok(_) => &self.counters.key_sets_fetched,
            Err(_) => &self.counters.key_sets_failed,
        };
        counter.add();
        let (keys, life) = fetched?;
        tracing::debug!(url = %Place(&self.url), "key set fetched");
        // The same keys stay the same: all tokens that they verified would be verified again, which
        // some issuers would bring about every few seconds, and anybody with an unknown `kid`.
        if !self.keys.load().is_as_written(&keys) {
            self.keys.store(Arc::new(keys));
        }
        Ok(life)
    }
}

/// Fetches a key set, once; says for how long it is good.
pub(crate) async fn fetch(
    url: &Uri,
    client: &Client,
) -> Result<(KeySet, Duration), FetchKeysError> {
    let fetched = try_fetch(url, client).await;
    fetched.map_err(|reason| FetchKeysError { url: Place(url).to_string(), reason })
}

async fn try_fetch(url: &Uri, client: &Client) -> Result<(KeySet, Duration), String> {
    let request = Request::get(url.clone())
        .header(header::ACCEPT, "application/jwk-set+json, application/json")
        .header(header::USER_AGENT, "artesian")
        .body(Full::new(Bytes::new()))
        .map_err(|error| error.to_string())?;
    let answer = client.send(request, TIMEOUT, MAX_BYTES).await;
    let answer = answer.map_err(|error| error.to_string())?;
    match answer.status() {
        StatusCode::OK => {}
        status if status.is_redirection() => {
            return Err(format!("it redirects ({status}): configure where it leads"));
        }
        status => return Err(format!("the answer was {status}")),
    }
    let keys = KeySet::from_json(answer.body())?;
    let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let life =
        freshness::read(text(header::CACHE_CONTROL), text(header::EXPIRES), SystemTime::now());
    let life = match life {
        Freshness::Unknown => DEFAULT_LIFE,
        Freshness::For(life) => life.clamp(LEAST_INTERVAL, LONGEST_LIFE),
    };
    Ok((keys, life))
}

/// Keeps the keys fresh until nobody needs them.
async fn refresh(jwks: Weak<Jwks>) {
    let mut pause = RETRY.0;
    loop {
        let wait = {
            let Some(jwks) = jwks.upgrade() else { return };
            let mut last = jwks.last.lock().await;
            let fetched = jwks.fetch().await;
            *last = Some(Instant::now());
            match fetched {
                Ok(life) => {
                    pause = RETRY.0;
                    life
                }
                Err(error) => {
                    tracing::warn!("{error}; the next attempt is in {} s", pause.as_secs());
                    let wait = pause;
                    pause = (pause * 2).min(RETRY.1);
                    wait
                }
            }
        };
        tokio::time::sleep(wait).await;
    }
}
