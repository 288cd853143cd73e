//! The demo's database: a town where people order food, and the life in it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use artesian_database::BackendError;
use rusqlite::{Connection, OpenFlags};

use crate::error::OpenError;
use crate::writer::Writer;

mod names;
mod random;
mod seed;
mod simulator;
mod time;

pub use seed::fill;
pub use simulator::step;

/// Milliseconds from one step to the next at speed 1, at least and at most.
const PAUSE: (i64, i64) = (150, 550);

/// Makes the town in a new file.
pub async fn create(path: impl Into<PathBuf>, seed: u64) -> Result<(), OpenError> {
    let path = path.into();
    let failed = OpenError::Failed { path: path.clone(), message: "it was interrupted".to_owned() };
    tokio::task::spawn_blocking(move || create_blocking(&path, seed)).await.map_err(|_| failed)?
}

fn create_blocking(path: &Path, seed: u64) -> Result<(), OpenError> {
    if path.exists() {
        let message = "there is a file of that name already".to_owned();
        return Err(OpenError::Failed { path: path.to_owned(), message });
    }
    let make = || -> rusqlite::Result<()> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut connection = Connection::open_with_flags(path, flags)?;
        let transaction = connection.transaction()?;
        fill(&transaction, seed, time::now())?;
        transaction.commit()
    };
    make().map_err(|error| OpenError::from_sqlite(path, &error))
}

/// A town in a directory of its own, which is removed with all that is in it when this is dropped.
#[derive(Debug)]
pub struct Temporary {
    directory: PathBuf,
}

impl Temporary {
    /// Makes a town in the system's directory for temporary files.
    pub async fn create(seed: u64) -> Result<Self, OpenError> {
        let unique = format!("artesian-demo-{}-{:x}", std::process::id(), unique());
        let directory = std::env::temp_dir().join(unique);
        private_directory(&directory).map_err(|error| OpenError::Failed {
            path: directory.clone(),
            message: error.to_string(),
        })?;
        let temporary = Self { directory };
        create(temporary.path(), seed).await?;
        Ok(temporary)
    }

    /// The database file.
    pub fn path(&self) -> PathBuf {
        self.directory.join("town.db")
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            let directory = self.directory.display();
            tracing::warn!(%error, %directory, "the demo's files could not be removed");
        }
    }
}

fn unique() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_nanos()
}

fn private_directory(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Lets the town live, in small transactions, until `stop` is ready: about three a second at
/// `speed` 1, ten times as many at 10.
///
/// Ends early only if the database has been closed. A step that fails is logged and left out.
pub async fn simulate(
    writer: Writer,
    seed: u64,
    speed: f64,
    stop: impl Future<Output = ()>,
) -> Result<(), BackendError> {
    let mut random = random::Random::new(seed);
    let mut stop = std::pin::pin!(stop);
    loop {
        let pause = Duration::from_millis(random.between(PAUSE.0, PAUSE.1).unsigned_abs());
        tokio::select! {
            biased;
            () = &mut stop => return Ok(()),
            () = tokio::time::sleep(pause.div_f64(speed.clamp(0.001, 1000.0))) => {}
        }
        let seed = random.next();
        match writer.transaction(move |tx| step(tx, seed, time::now())).await {
            Ok(()) => {}
            Err(error) if writer.is_closed() => return Err(error),
            Err(error) => tracing::warn!(%error, "a moment of the demo's town was lost"),
        }
    }
}
