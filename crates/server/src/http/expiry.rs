//! The end of a stream whose client's credentials have expired.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use artesian_auth::{AuthError, Authenticated};
use artesian_engine::Identity;
use futures_util::stream::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::items::{BoxItems, Item, Items};

/// The same items until then (without end, if there is none), and an error instead of what would come later.
pub(crate) fn until(deadline: Option<Instant>, items: BoxItems) -> BoxItems {
    match deadline {
        Some(at) => Box::pin(Until { items: Some(items), end: Box::pin(sleep_until(at)) }),
        None => items,
    }
}

/// When a client's credentials expire.
pub(crate) fn deadline(client: &Authenticated) -> Option<Instant> {
    client.deadline(|| Instant::now().into_std()).map(Instant::from_std)
}

struct Until {
    /// None once it is over: the operation is dropped then.
    items: Option<BoxItems>,
    end: Pin<Box<Sleep>>,
}

impl Stream for Until {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let this = &mut *self;
        let Some(items) = &mut this.items else { return Poll::Ready(None) };
        // The clock counts as well: a busy runtime's timers are late.
        let is_over = this.end.deadline() <= Instant::now();
        if is_over || this.end.as_mut().poll(cx).is_ready() {
            this.items = None;
            let error = AuthError::Expired.to_error();
            return Poll::Ready(Some(Item::Ended(vec![error])));
        }
        items.as_mut().poll_next(cx)
    }
}

impl Items for Until {
    fn is_live(&self) -> bool {
        self.items.as_ref().is_some_and(|items| items.is_live())
    }

    fn change_identity(mut self: Pin<&mut Self>, identity: &Identity) {
        if let Some(items) = &mut self.items {
            items.as_mut().change_identity(identity);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use artesian_engine::Payload;
    use futures_util::{FutureExt, StreamExt, stream};

    use super::*;

    #[tokio::test]
    async fn nothing_comes_late_however_late_timers_are() {
        const LIFE: Duration = Duration::from_secs(1);
        let result = || Item::Result(Payload::data("{}".into()));
        let endless = Box::pin(stream::iter(std::iter::repeat_with(result)));
        let mut items = until(Some(Instant::now() + LIFE), endless);
        let mut next = || items.next().now_or_never().unwrap();
        assert!(matches!(next(), Some(Item::Result(_))));
        // No timer fires while this thread stands still.
        std::thread::sleep(LIFE);
        assert!(matches!(next(), Some(Item::Ended(_))));
        assert!(next().is_none());
    }
}
