//! The one thread that writes, and that looks for what other processes have written.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use artesian_database::BackendError;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::error::{backend_error, internal};
use crate::feed::Feeds;
use crate::schema;
use crate::tracker::Tracker;

/// Transactions that may wait for the writer; more wait before they are handed over.
const WAITING: usize = 64;

type Job = Box<dyn FnOnce(&mut State) + Send>;

/// A handle on the connection that writes. Clones share it.
#[derive(Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// Runs `work` in a transaction and commits it; an error rolls it back.
    ///
    /// When this returns, readers see what was written and the change feeds have been told. A
    /// transaction whose caller stops waiting is left out if it has not begun, and otherwise runs
    /// to its end.
    pub async fn transaction<T, F>(&self, work: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let room = self.room.clone().acquire_owned().await.map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        self.send(Box::new(move |state| {
            drop(room);
            if !reply.is_closed() {
                // Nobody waits any more: the transaction stands all the same.
                let _ = reply.send(state.transaction(work));
            }
        }))?;
        answer.await.map_err(|_| closed())?
    }

    /// Waits until the writer has looked for other processes' commits once more.
    pub(crate) async fn look(&self) -> Result<(), BackendError> {
        let (reply, answer) = oneshot::channel();
        self.send(Box::new(move |state| {
            state.look();
            // A caller that has gone needs no answer.
            let _ = reply.send(());
        }))?;
        answer.await.map_err(|_| closed())
    }

    /// Whether the writing thread has ended.
    pub fn is_closed(&self) -> bool {
        self.send(Box::new(|_| {})).is_err()
    }

    fn send(&self, job: Job) -> Result<(), BackendError> {
        self.jobs.send(job).map_err(|_| closed())
    }
}

/// What the writing thread owns.
pub(crate) struct State {
    connection: Connection,
    /// The file, if it can only be read.
    read_only: Option<PathBuf>,
    tracker: Tracker,
    feeds: Arc<Feeds>,
    schema: watch::Sender<i64>,
    data_version: i64,
    interval: Duration,
    next_look: Instant,
}

impl State {
    pub(crate) fn new(
        mut connection: Connection,
        read_only: Option<PathBuf>,
        feeds: Arc<Feeds>,
        interval: Duration,
    ) -> rusqlite::Result<Self> {
        let tracker = Tracker::install(&mut connection)?;
        let schema = watch::Sender::new(schema::version(&connection)?);
        let data_version = data_version(&connection)?;
        let next_look = Instant::now();
        Ok(Self {
            connection,
            read_only,
            tracker,
            feeds,
            schema,
            data_version,
            interval,
            next_look,
        })
    }

    pub(crate) fn schema(&self) -> watch::Receiver<i64> {
        self.schema.subscribe()
    }

    /// Starts the thread. It ends when every [`Writer`] is gone, after `readers` have ended, so that
    /// the connection that can tidy up the write-ahead log is the last to close.
    pub(crate) fn start(
        mut self,
        readers: Vec<JoinHandle<()>>,
        done: oneshot::Sender<()>,
    ) -> std::io::Result<Writer> {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new().name("sqlite-writer".to_owned()).spawn(move || {
            self.serve(&queue);
            self.feeds.close();
            for reader in readers {
                if reader.join().is_err() {
                    tracing::error!("a reading thread panicked");
                }
            }
            if let Err((_, error)) = self.connection.close() {
                tracing::warn!(%error, "closing the database failed");
            }
            // Only `Sqlite::close` waits for this.
            let _ = done.send(());
        })?;
        Ok(Writer { jobs, room: Arc::new(Semaphore::new(WAITING)) })
    }

    fn serve(&mut self, queue: &mpsc::Receiver<Job>) {
        loop {
            let watching = !self.interval.is_zero() && self.feeds.heard();
            let job = if watching {
                queue.recv_timeout(self.next_look.saturating_duration_since(Instant::now()))
            } else {
                queue.recv().map_err(RecvTimeoutError::from)
            };
            match job {
                Ok(job) => job(self),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if watching && Instant::now() >= self.next_look {
                self.look();
            }
        }
    }

    fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, BackendError> {
        if let Some(path) = &self.read_only {
            let path = path.display();
            return Err(BackendError::Unsupported(format!(
                "the database file {path} is open for reading only"
            )));
        }
        self.tracker.begin(&self.connection);
        let result = self.transact(work);
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "the writer could not roll back");
        }
        // Whatever the result: `work` may have committed by itself before it failed.
        self.publish();
        result
    }

    fn transact<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, BackendError> {
        let fail = |error| backend_error(&error);
        let transaction =
            Transaction::new(&mut self.connection, TransactionBehavior::Immediate).map_err(fail)?;
        match catch_unwind(AssertUnwindSafe(|| work(&transaction))) {
            Ok(Ok(value)) => transaction.commit().map(|()| value).map_err(fail),
            Ok(Err(error)) => Err(fail(error)),
            Err(_) => Err(internal("a transaction panicked and was rolled back")),
        }
    }

    /// Tells the feeds what this connection has committed. Readers see it already.
    ///
    /// If another process has changed the schema since the last transaction, the tracker may have
    /// seen too little in this one: then everything is told anyway.
    fn publish(&mut self) {
        let tables = self.tracker.take();
        if !self.schema_changed() {
            self.feeds.tables(&tables);
        }
    }

    /// Tells the feeds if another process has committed something. This connection's own commits do
    /// not change its `data_version`.
    fn look(&mut self) {
        self.next_look = Instant::now() + self.interval;
        match data_version(&self.connection) {
            Ok(version) if version == self.data_version => {}
            Ok(version) => {
                self.data_version = version;
                if !self.schema_changed() {
                    self.feeds.everything();
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot tell whether another process wrote to the database");
                self.feeds.everything();
            }
        }
    }

    /// Whether the schema has changed; everything may differ then, and the feeds are told.
    fn schema_changed(&mut self) -> bool {
        let version = schema::version(&self.connection).and_then(|version| {
            let changed = version != *self.schema.borrow();
            if changed {
                self.tracker.reload(&self.connection)?;
            }
            Ok(changed.then_some(version))
        });
        match version {
            Ok(None) => return false,
            Ok(Some(version)) => drop(self.schema.send_replace(version)),
            Err(error) => tracing::warn!(%error, "the database's schema cannot be read"),
        }
        self.feeds.everything();
        true
    }
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}

fn closed() -> BackendError {
    BackendError::Unavailable("it has been closed".to_owned())
}
