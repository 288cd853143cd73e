//! A service with the schema that was read of it last.
//!
//! | module | subject |
//! |---|---|
//! | `read` | one reading: introspection or a file |
//! | `task` | when it is read: at start, every so often, on demand, again after a failure |
//! | [`status`] | how things stand, for those who watch |
//! | `told` | the log of what clients are not told |

mod read;
pub mod status;
mod task;
mod told;

use std::sync::Arc;

use artesian_compose::{SchemaError, ServiceSchema};
use artesian_remote::{RemoteError, Upstream, dial::Dial};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::status::{State, Status};
use self::{status::Board, task::Task, told::Told};
use crate::config::ServiceConfig;

/// Why the schema of a service was not read. No URL, header or body is part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The service did not answer.
    #[error("{}{}", .error.in_detail(), hint(.error))]
    Remote {
        /// Why.
        error: RemoteError,
    },
    /// It does not answer introspection. Its own words.
    #[error(
        "the service refuses introspection: {0}; switch it on for the gateway, or give `schema:` an SDL file"
    )]
    Refused(String),
    /// Its answer, or the file, is no schema that can be used.
    #[error("{0}")]
    Schema(SchemaError),
    /// The file cannot be read: its name and why.
    #[error("{0}: {1}")]
    File(String, String),
    /// The service is no longer configured.
    #[error("the service is being shut down")]
    ShutDown,
}

/// What may help where the gateway itself is not let in.
fn hint(error: &RemoteError) -> &'static str {
    match error {
        RemoteError::Status(401 | 403) | RemoteError::Refused { .. } => {
            "; the gateway says who it is with `headers.introspection`, or give `schema:` an SDL file"
        }
        _ => "",
    }
}

/// What came of reading a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is as it was.
    Unchanged,
    /// It is the first one.
    Joined,
    /// It is another one; what changed, as one line.
    Changed(String),
}

/// What is published: the schema that was read last.
pub type Published = Option<Arc<ServiceSchema>>;

/// Callers that may wait for a reading at a time.
const MAX_WAITING: usize = 64;

/// A GraphQL service: its client, and its schema, which a task of its own keeps fresh. Dropping it stops
/// the task.
pub struct Service {
    name: Arc<str>,
    config: Arc<ServiceConfig>,
    upstream: Arc<Upstream>,
    board: Arc<Board>,
    schema: watch::Receiver<Published>,
    requests: mpsc::Sender<oneshot::Sender<Result<Outcome, ServiceError>>>,
    told: Told,
    _stop: DropGuard,
}

impl Service {
    /// Begins to read the schema, within a Tokio runtime. The service need not be there.
    pub fn start(name: impl Into<Arc<str>>, config: ServiceConfig, dial: Arc<dyn Dial>) -> Self {
        let (name, config) = (name.into(), Arc::new(config));
        let upstream = Arc::new(Upstream::new(config.upstream.clone(), dial));
        let board = Arc::new(Board::new(&name, &config));
        let (publish, schema) = watch::channel(None);
        let (requests, asked) = mpsc::channel(MAX_WAITING);
        let stop = CancellationToken::new();
        let task = Task {
            config: Arc::clone(&config),
            upstream: Arc::clone(&upstream),
            board: Arc::clone(&board),
            publish,
            asked,
            stop: stop.clone(),
        };
        tokio::spawn(task.run());
        let (told, _stop) = (Told::default(), stop.drop_guard());
        Self { name, config, upstream, board, schema, requests, told, _stop }
    }

    /// The name of the source.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its settings.
    pub fn config(&self) -> &Arc<ServiceConfig> {
        &self.config
    }

    /// Its client.
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// The schema that was read last; `None` until the service has been there once.
    pub fn schema(&self) -> Published {
        self.schema.borrow().clone()
    }

    /// Is told of every schema that is published; one is when its digest differs from the one before. What
    /// was published before this call is news too, so that nothing is missed. It ends with the service.
    pub fn changes(&self) -> watch::Receiver<Published> {
        self.schema.clone()
    }

    /// Reads the schema now; what a reading that is under way finds does not count, since the change that
    /// the caller knows of may have come after it began.
    ///
    /// # Errors
    /// It was not read; what was published stays.
    pub async fn refresh_now(&self) -> Result<Outcome, ServiceError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(reply).await.map_err(|_| ServiceError::ShutDown)?;
        answer.await.map_err(|_| ServiceError::ShutDown)?
    }

    /// The text of a failure for a client. What it must not know of the network behind, the log is told.
    pub fn tell(&self, error: &RemoteError) -> String {
        if matches!(error, RemoteError::Unreachable(_)) {
            self.told.log(&self.name, error);
        }
        error.of_service(&self.name)
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        self.board.status()
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("status", &self.status()).finish_non_exhaustive()
    }
}
