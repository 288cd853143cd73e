//! Threads that read, each with a connection of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use artesian_database::BackendError;
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use crate::error::{backend_error, internal};

/// Steps of SQLite's virtual machine between two looks at whether to stop: well under a
/// millisecond.
const STEPS: i32 = 1000;

/// Work for whichever thread is free.
type Job = Box<dyn FnOnce(&Connection, &Watch) + Send>;

/// A pool of reading threads. They end when the pool is dropped.
pub(crate) struct Pool {
    jobs: mpsc::Sender<Job>,
    /// One permit per connection: what waits, waits here, and costs nothing once it is dropped.
    free: Arc<Semaphore>,
    timeout: Duration,
}

/// Tells a connection's progress handler when to stop.
#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Option<Limits>>>);

struct Limits {
    abandoned: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

/// Sets the flag when dropped.
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Pool {
    /// Starts a thread per connection.
    pub(crate) fn start(
        name: &str,
        connections: Vec<Connection>,
        timeout: Duration,
    ) -> std::io::Result<(Self, Vec<JoinHandle<()>>)> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let free = Arc::new(Semaphore::new(connections.len()));
        let threads = connections
            .into_iter()
            .enumerate()
            .map(|(number, connection)| {
                let queue = queue.clone();
                std::thread::Builder::new()
                    .name(format!("sqlite-{name}-{number}"))
                    .spawn(move || serve(connection, &queue))
            })
            .collect::<Result<_, _>>()?;
        Ok((Self { jobs, free, timeout }, threads))
    }

    /// Runs something on a free connection. A caller that stops waiting interrupts it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let permit = self.free.clone().acquire_owned().await.map_err(|_| closed())?;
        let abandoned = Arc::new(AtomicBool::new(false));
        let _abandon = Abandon(abandoned.clone());
        let timeout = self.timeout;
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection, watch| {
            let deadline = (!timeout.is_zero()).then(|| Instant::now() + timeout);
            *watch.0.lock() = Some(Limits { abandoned: abandoned.clone(), deadline });
            let result = catch_unwind(AssertUnwindSafe(|| work(connection)))
                .unwrap_or_else(|_| Err(internal("reading the database panicked")));
            *watch.0.lock() = None;
            let late = deadline.is_some_and(|d| Instant::now() >= d);
            let result = result.map_err(|e| if late { timed_out(e, timeout) } else { e });
            if !connection.is_autocommit()
                && let Err(error) = connection.execute_batch("ROLLBACK")
            {
                tracing::warn!(%error, "a reader could not end its transaction");
            }
            drop(permit);
            // Nobody waits any more: that is what interrupted it.
            let _ = reply.send(result);
        });
        self.jobs.send(job).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

fn serve(mut connection: Connection, queue: &Mutex<mpsc::Receiver<Job>>) {
    let watch = Watch::default();
    let seen = watch.clone();
    let handler = move || {
        seen.0.lock().as_ref().is_some_and(|limits| {
            limits.abandoned.load(Ordering::Relaxed)
                || limits.deadline.is_some_and(|d| Instant::now() >= d)
        })
    };
    if let Err(error) = connection.progress_handler(STEPS, Some(handler)) {
        tracing::error!(error = %backend_error(&error), "statements cannot be interrupted");
    }
    loop {
        let job = queue.lock().recv();
        match job {
            Ok(job) => job(&connection, &watch),
            Err(mpsc::RecvError) => return,
        }
    }
}

fn timed_out(error: BackendError, timeout: Duration) -> BackendError {
    match error {
        BackendError::Rejected { code, .. } if code == "SQLITE_INTERRUPT" => {
            BackendError::Timeout(timeout.as_millis().try_into().unwrap_or(u64::MAX))
        }
        other => other,
    }
}

fn closed() -> BackendError {
    BackendError::Unavailable("it has been closed".to_owned())
}
