//! Cancelling what nobody waits for any more.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use deadpool::managed::Object;
use futures_util::future::{BoxFuture, join};
use tokio::{runtime::Handle, time::timeout};
use tokio_postgres::{CancelToken, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{endpoint::Endpoint, pool::Manager};

/// Statements that end by themselves this soon are not worth a cancellation.
const GRACE: Duration = Duration::from_millis(3);
/// How long a cancelled statement may take to end before its connection is cut.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the server to cancel what runs on one connection.
pub(crate) struct Canceller {
    token: CancelToken,
    endpoint: Arc<Endpoint>,
    tls: MakeRustlsConnect,
}

impl Canceller {
    pub(crate) fn new(token: CancelToken, endpoint: Arc<Endpoint>, tls: MakeRustlsConnect) -> Self {
        Self { token, endpoint, tls }
    }

    /// Returns whether it is certain that the request has had all the effect it will ever have.
    async fn cancel(self) -> bool {
        match timeout(PATIENCE, self.endpoint.cancel(&self.token, &self.tls)).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a statement could not be cancelled");
                false
            }
            Err(_) => {
                tracing::warn!("a statement could not be cancelled in time");
                false
            }
        }
    }
}

/// The end of work on a connection.
pub(crate) struct Finished<T> {
    pub(crate) connection: Object<Manager>,
    pub(crate) result: Result<T, Error>,
}

/// Work on a connection that is cancelled at the server when this future is dropped before its end.
///
/// The work goes on in a task until the server has answered both the statement and the request to
/// cancel it. A cancellation names a connection, not a statement: were the connection used again
/// before both are over, it could hit the next statement.
pub(crate) struct Running<T: Send + 'static> {
    pending: Option<(BoxFuture<'static, Finished<T>>, Canceller)>,
}

impl<T: Send + 'static> Running<T> {
    pub(crate) fn new(
        work: impl Future<Output = Finished<T>> + Send + 'static,
        canceller: Canceller,
    ) -> Self {
        Self { pending: Some((Box::pin(work), canceller)) }
    }
}

impl<T: Send + 'static> Future for Running<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((work, _)) = &mut self.pending else {
            return Poll::Pending;
        };
        let finished = std::task::ready!(work.as_mut().poll(context));
        self.pending = None;
        // Dropping the connection here gives it back to the pool.
        Poll::Ready(finished.result)
    }
}

impl<T: Send + 'static> Drop for Running<T> {
    fn drop(&mut self) {
        let Some((work, canceller)) = self.pending.take() else {
            return;
        };
        // Without a runtime the process is ending; the connection is marked busy and is not reused.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(finish(work, canceller));
        }
    }
}

async fn finish<T>(mut work: BoxFuture<'static, Finished<T>>, canceller: Canceller) {
    if timeout(GRACE, &mut work).await.is_ok() {
        return;
    }
    let (settled, outcome) = join(canceller.cancel(), timeout(PATIENCE, &mut work)).await;
    // Without an answer the work is dropped with its connection, which is busy and so is cut.
    if let Ok(mut finished) = outcome {
        finished.connection.broken |= !settled;
    }
}
