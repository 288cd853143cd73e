//! The database of the benchmarks of sockets: one table of notes in an SQLite file.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::Connection;

/// Rows of the table; their ids are 1 and up.
pub const ROWS: usize = 20_000;

/// A temporary file, removed when dropped.
pub struct Notes {
    folder: PathBuf,
    connection: Connection,
}

impl Notes {
    /// A fresh database.
    pub fn create() -> Self {
        let folder = std::env::temp_dir().join(format!("artesian-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("notes.db");
        remove(&file);
        let connection = Connection::open(&file).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA journal_mode = WAL;
                 PRAGMA synchronous = OFF;
                 CREATE TABLE bench_notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
                 INSERT INTO bench_notes SELECT i, 'note ' || i FROM n;"
            ))
            .unwrap();
        Self { folder, connection }
    }

    /// What `--database-url` takes.
    pub fn url(&self) -> String {
        format!("sqlite:{}", self.folder.join("notes.db").display())
    }

    /// Gives the first note another text, as another process than the server.
    pub fn change(&self, body: &str) {
        self.connection.execute("UPDATE bench_notes SET body = ?1 WHERE id = 1", [body]).unwrap();
    }
}

fn remove(file: &Path) {
    if let Err(error) = std::fs::remove_file(file) {
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
