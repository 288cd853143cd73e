//! Whether an HTTP connection is in use, so that those that are not can be closed.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// What one HTTP connection does.
pub(crate) struct Activity {
    born: Instant,
    /// Requests whose responses are not over.
    requests: AtomicUsize,
    /// Whether it is HTTP/2, whose frames arrive also when nothing is asked.
    is_http2: AtomicBool,
    /// When the last response was over, in milliseconds since `born`.
    idle_since: AtomicU64,
    /// When the first byte of a request came whose head is not complete, in milliseconds since
    /// `born`, plus one; 0 if there is none.
    head_since: AtomicU64,
}

/// Why a connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// A request's head does not come to its end.
    Head,
    /// Nothing is asked.
    Idle,
}

impl Activity {
    /// A connection that was just accepted. Its first request must come as quickly as any head.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            requests: AtomicUsize::new(0),
            is_http2: AtomicBool::new(false),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(1),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX >> 1)
    }

    /// Bytes came.
    pub fn read(&self) {
        if self.requests.load(Ordering::Relaxed) == 0 && !self.is_http2.load(Ordering::Relaxed) {
            let since = self.now() + 1;
            let _ =
                self.head_since.compare_exchange(0, since, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// A request is complete up to its body. The guard goes with the response.
    pub fn request<B>(self: &Arc<Self>, request: &Request<B>) -> InUse {
        self.head_since.store(0, Ordering::Relaxed);
        self.is_http2.store(request.version() == Version::HTTP_2, Ordering::Relaxed);
        self.in_use()
    }

    /// In use for as long as the guard is there.
    pub fn in_use(self: &Arc<Self>) -> InUse {
        self.requests.fetch_add(1, Ordering::AcqRel);
        InUse(self.clone())
    }

    /// What is overdue, or when to ask again. An idle time of zero is no limit.
    pub fn check(&self, head: Duration, idle: Duration) -> Result<Instant, Overdue> {
        let now = Instant::now();
        let later = now + if idle.is_zero() { head } else { head.min(idle) };
        if self.requests.load(Ordering::Acquire) > 0 {
            return Ok(later);
        }
        if let Some(since) = self.head_since.load(Ordering::Relaxed).checked_sub(1) {
            let due = self.born + Duration::from_millis(since) + head;
            return if due <= now { Err(Overdue::Head) } else { Ok(due.min(later)) };
        }
        if idle.is_zero() {
            return Ok(later);
        }
        let since = Duration::from_millis(self.idle_since.load(Ordering::Relaxed));
        let due = self.born + since + idle;
        if due <= now { Err(Overdue::Idle) } else { Ok(due.min(later)) }
    }
}

/// A request that is answered.
pub(crate) struct InUse(Arc<Activity>);

impl InUse {
    /// In use until the body was written, or dropped.
    pub fn until_sent<B>(self, response: Response<B>) -> Response<Sending<B>> {
        response.map(|body| Sending { body, _in_use: self })
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now(), Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A body that keeps its connection in use.
pub(crate) struct Sending<B> {
    body: B,
    _in_use: InUse,
}

impl<B: Body + Unpin> Body for Sending<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const HEAD: Duration = Duration::from_secs(30);
    const IDLE: Duration = Duration::from_secs(75);

    #[tokio::test(start_paused = true)]
    async fn the_first_request_and_every_head_must_come_in_time() {
        let activity = Activity::new();
        advance(HEAD - Duration::from_secs(1)).await;
        assert_eq!(activity.check(HEAD, IDLE), Ok(Instant::now() + Duration::from_secs(1)));
        advance(Duration::from_secs(1)).await;
        assert_eq!(activity.check(HEAD, IDLE), Err(Overdue::Head));

        let activity = Activity::new();
        drop(activity.request(&Request::new(())));
        advance(Duration::from_secs(60)).await;
        assert!(activity.check(HEAD, IDLE).is_ok());
        activity.read();
        advance(HEAD - Duration::from_secs(1)).await;
        // More bytes of the same head do not help.
        activity.read();
        assert!(activity.check(HEAD, IDLE).is_ok());
        advance(Duration::from_secs(1)).await;
        assert_eq!(activity.check(HEAD, IDLE), Err(Overdue::Head));
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_nothing_has_to_go_and_who_is_answered_may_stay() {
        let activity = Activity::new();
        let in_use = activity.request(&Request::new(()));
        advance(Duration::from_secs(1000)).await;
        // Bytes of a body.
        activity.read();
        advance(Duration::from_secs(1000)).await;
        assert!(activity.check(HEAD, IDLE).is_ok());
        drop(in_use);
        advance(IDLE - Duration::from_secs(1)).await;
        assert_eq!(activity.check(HEAD, IDLE), Ok(Instant::now() + Duration::from_secs(1)));
        advance(Duration::from_secs(1)).await;
        assert_eq!(activity.check(HEAD, IDLE), Err(Overdue::Idle));
        assert!(activity.check(HEAD, Duration::ZERO).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_http2_are_no_heads() {
        let activity = Activity::new();
        let mut request = Request::new(());
        *request.version_mut() = Version::HTTP_2;
        drop(activity.request(&request));
        activity.read();
        advance(Duration::from_secs(60)).await;
        assert!(activity.check(HEAD, IDLE).is_ok());
    }
}
