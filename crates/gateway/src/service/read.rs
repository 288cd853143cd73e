//! One reading of a schema.

use std::path::Path;

use artesian_compose::{Introspector, SchemaError, ServiceSchema};
use artesian_remote::{Credentials, Kind, Operation, Upstream};
use tokio::io::AsyncReadExt;

use super::ServiceError;
use crate::config::{SchemaSource, ServiceConfig};

/// Reads schemas of one service. What it learned of the service is kept for the next time.
pub(super) struct Reader {
    introspector: Introspector,
    credentials: Credentials,
}

impl Reader {
    pub fn new(config: &ServiceConfig) -> Self {
        Self {
            introspector: Introspector::new(config.read_limits),
            credentials: Credentials::new(config.introspection_headers.iter().cloned()),
        }
    }

    pub async fn read(
        &mut self,
        config: &ServiceConfig,
        upstream: &Upstream,
    ) -> Result<ServiceSchema, ServiceError> {
        let result = match &config.schema {
            SchemaSource::File(path) => from_file(path, config).await,
            SchemaSource::Introspection => self.introspect(upstream).await,
        };
        if result.is_err() {
            // The service that comes back may understand more.
            self.introspector = Introspector::new(config.read_limits);
        }
        result
    }

    async fn introspect(&mut self, upstream: &Upstream) -> Result<ServiceSchema, ServiceError> {
        loop {
            let query = Operation::new(Kind::Query, self.introspector.query())
                .with_name("IntrospectionQuery");
            let answer = upstream.request(&query, &self.credentials).await;
            let answer = answer.map_err(|error| ServiceError::Remote { error })?;
            // Megabytes are parsed.
            let mut introspector = self.introspector.clone();
            let read = off_the_runtime(move || {
                let read = introspector.answer(&answer.text);
                (introspector, read)
            });
            let (introspector, read) = read.await?;
            self.introspector = introspector;
            if let Some(schema) = read.map_err(schema_error)? {
                return Ok(schema);
            }
        }
    }
}

async fn from_file(path: &Path, config: &ServiceConfig) -> Result<ServiceSchema, ServiceError> {
    let limits = config.read_limits;
    let text = text_of(path, limits.bytes)
        .await
        .map_err(|error| ServiceError::File(path.display().to_string(), error.to_string()))?;
    let read = off_the_runtime(move || ServiceSchema::from_sdl(&text, &limits)).await?;
    read.map_err(|error| ServiceError::File(path.display().to_string(), error.to_string()))
}

/// The text of a file, and of a larger one as much as shows that it is too large.
async fn text_of(path: &Path, limit: usize) -> std::io::Result<String> {
    let file = tokio::fs::File::open(path).await?;
    let mut text = String::new();
    file.take((limit as u64).saturating_add(1)).read_to_string(&mut text).await?;
    Ok(text)
}

fn schema_error(error: SchemaError) -> ServiceError {
    match error {
        SchemaError::Refused(words) => ServiceError::Refused(words),
        other => ServiceError::Schema(other),
    }
}

async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServiceError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ServiceError::ShutDown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_a_file_that_is_too_large_no_more_is_read_than_shows_it() {
        let path = std::env::temp_dir().join(format!("artesian-large-{}", std::process::id()));
        std::fs::write(&path, " ".repeat(1000)).unwrap();
        assert_eq!(text_of(&path, 10).await.unwrap().len(), 11);
        assert_eq!(text_of(&path, 1000).await.unwrap().len(), 1000);
        assert_eq!(text_of(&path, usize::MAX).await.unwrap().len(), 1000);
        std::fs::remove_file(&path).unwrap();
    }
}
