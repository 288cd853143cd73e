//! Running statements on one connection, prepared when they come again.

use std::{collections::HashMap, sync::Arc};

use futures_util::future::join;
use tokio_postgres::{
    Error, Row, Statement,
    types::{ToSql, Type},
};

use crate::{error, pool::Connection, text::TextParam};

/// The statements a connection has met, by their text; the least recently used ones are forgotten.
pub(crate) struct StatementCache {
    entries: HashMap<Arc<str>, Entry>,
    capacity: usize,
    clock: u64,
}

struct Entry {
    /// `None`: it has run once, unprepared.
    prepared: Option<Statement>,
    used: u64,
}

/// What a connection knows of a statement.
enum Known {
    Not,
    Seen,
    Prepared(Statement),
}

impl StatementCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), capacity, clock: 0 }
    }

    fn look_up(&mut self, sql: &str) -> Known {
        self.clock += 1;
        match self.entries.get_mut(sql) {
            None => Known::Not,
            Some(entry) => {
                entry.used = self.clock;
                entry.prepared.clone().map_or(Known::Seen, Known::Prepared)
            }
        }
    }

    fn remember(&mut self, sql: &Arc<str>, prepared: Option<Statement>) {
        if self.capacity == 0 {
            return;
        }
        if !self.entries.contains_key(sql) && self.entries.len() >= self.capacity {
            // Dropping a prepared statement closes it at the server.
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
            if let Some(oldest) = oldest.map(|(sql, _)| sql.clone()) {
                self.entries.remove(&oldest);
            }
        }
        self.clock += 1;
        self.entries.insert(sql.clone(), Entry { prepared, used: self.clock });
    }

    fn forget(&mut self, sql: &str) {
        self.entries.remove(sql);
    }
}

impl Connection {
    /// Runs a statement with parameters in text format.
    ///
    /// The first time it goes as an unnamed statement, all in one round trip. The second time it
    /// does so again, and is prepared in the same round trip. From then on it is only bound and
    /// executed.
    pub(crate) async fn execute(
        &mut self,
        sql: &Arc<str>,
        params: &[TextParam],
    ) -> Result<Vec<Row>, Error> {
        match self.statements.look_up(sql) {
            Known::Not => {
                let rows = self.execute_once(sql, params).await?;
                self.statements.remember(sql, None);
                Ok(rows)
            }
            Known::Seen => {
                let (rows, prepared) =
                    join(self.execute_once(sql, params), self.client.prepare(sql)).await;
                let rows = rows?;
                // If it cannot be prepared, it will be tried again.
                if let Ok(prepared) = prepared {
                    self.statements.remember(sql, Some(prepared));
                }
                Ok(rows)
            }
            Known::Prepared(statement) => {
                let arguments: Vec<_> = params.iter().map(|p| p as &(dyn ToSql + Sync)).collect();
                match self.client.query(&statement, &arguments).await {
                    Err(stale) if error::is_stale_statement(&stale) => {
                        self.statements.forget(sql);
                        let rows = self.execute_once(sql, params).await?;
                        self.statements.remember(sql, None);
                        Ok(rows)
                    }
                    result => result,
                }
            }
        }
    }

    /// Runs a statement in one round trip, leaving nothing behind at the server.
    pub(crate) async fn execute_once(
        &self,
        sql: &str,
        params: &[TextParam],
    ) -> Result<Vec<Row>, Error> {
        // The type "unknown" tells the server to find out by itself.
        let arguments: Vec<_> =
            params.iter().map(|p| (p as &(dyn ToSql + Sync), Type::UNKNOWN)).collect();
        self.client.query_typed(sql, &arguments).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_is_forgotten() {
        let mut cache = StatementCache::new(2);
        let [a, b, c]: [Arc<str>; 3] = ["a".into(), "b".into(), "c".into()];
        cache.remember(&a, None);
        cache.remember(&b, None);
        assert!(matches!(cache.look_up("a"), Known::Seen));
        cache.remember(&c, None);
        assert!(matches!(cache.look_up("b"), Known::Not));
        assert!(matches!(cache.look_up("a"), Known::Seen));
        assert_eq!(cache.entries.len(), 2);
    }

    #[test]
    fn nothing_is_kept_without_capacity() {
        let mut cache = StatementCache::new(0);
        cache.remember(&"a".into(), None);
        assert!(matches!(cache.look_up("a"), Known::Not));
    }
}
