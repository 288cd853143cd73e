//! One partition of a topic.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use rskafka::client::{
    Client,
    partition::{OffsetAt, PartitionClient},
};
use tokio::time::{Instant, sleep, timeout};

use super::{Kafka, Problem, is_out_of_range};
use crate::{line::Line, stats::Counter};

/// How long the broker waits for a record before it answers that there is none.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The pause where the broker has something that is not a record, such as the end of a transaction,
/// which the library does not step over until a record follows.
const NO_RECORD: Duration = Duration::from_millis(100);

/// After so many bytes subscribers get their turn.
const YIELD_AFTER: usize = 64 << 10;

/// A partition, and how far it was read.
pub(super) struct Partition {
    kafka: Arc<Kafka>,
    line: Arc<Line>,
    pub number: i32,
    client: Option<PartitionClient>,
    /// The next record; `None`: the first that there is.
    next: Option<i64>,
}

impl Partition {
    /// What comes after now.
    pub async fn at_end(
        kafka: &Arc<Kafka>,
        line: &Arc<Line>,
        client: &Client,
        number: i32,
    ) -> Result<Self, Problem> {
        let client = kafka.open(client, line.topic().name(), number).await?;
        let next = kafka.offset(&client, OffsetAt::Latest).await?;
        let (kafka, line) = (Arc::clone(kafka), Arc::clone(line));
        Ok(Self { kafka, line, number, client: Some(client), next: Some(next) })
    }

    /// All of it.
    pub fn whole(kafka: &Arc<Kafka>, line: &Arc<Line>, number: i32) -> Self {
        let (kafka, line) = (Arc::clone(kafka), Arc::clone(line));
        Self { kafka, line, number, client: None, next: None }
    }

    /// Reads without end.
    pub async fn read(mut self) {
        let mut attempt = 0;
        loop {
            let problem = match self.read_on(&mut attempt).await {
                Ok(()) => continue,
                Err(problem) => problem,
            };
            if self.client.take().is_some() {
                self.kafka.counters.add(Counter::Disconnected);
            } else {
                self.kafka.counters.add(Counter::ConnectFailed);
            }
            tracing::warn!(
                broker = "kafka",
                partition = self.number,
                problem = problem.text(),
                "cannot read"
            );
            self.kafka.pause(&mut attempt).await;
        }
    }

    /// Asks once for what is next.
    async fn read_on(&mut self, attempt: &mut u32) -> Result<(), Problem> {
        let client = match &self.client {
            Some(client) => client,
            None => {
                let name = self.line.topic().name();
                let (client, _) = self.kafka.partitions(name, Instant::now()).await?;
                let client = self.kafka.open(&client, name, self.number).await?;
                self.client.insert(client)
            }
        };
        let next = match self.next {
            Some(next) => next,
            None => self.kafka.offset(client, OffsetAt::Earliest).await?,
        };
        self.next = Some(next);
        let bytes = i32::try_from(self.kafka.settings.fetch_bytes).unwrap_or(i32::MAX);
        let wait = i32::try_from(LONGEST_WAIT.as_millis()).unwrap_or(i32::MAX);
        let fetched = client.fetch_records(next, 1..bytes, wait);
        let patience = LONGEST_WAIT.saturating_add(self.kafka.timeouts.pong_deadline);
        match timeout(patience, fetched).await.map_err(|_| Problem::Silent)? {
            Ok((records, end)) => {
                *attempt = 0;
                if records.is_empty() && end > next {
                    sleep(NO_RECORD).await;
                }
                let mut passed_on = 0_usize;
                for record in records {
                    self.next = Some(record.offset.saturating_add(1));
                    // A record without a value only says that its key is gone.
                    if let Some(value) = record.record.value {
                        passed_on = passed_on.saturating_add(value.len());
                        self.line.message(Bytes::from(value));
                    }
                    // An answer may hold more than subscribers may fall behind, once it is decompressed.
                    if passed_on > YIELD_AFTER {
                        passed_on = 0;
                        tokio::task::yield_now().await;
                    }
                }
                Ok(())
            }
            Err(error) if is_out_of_range(&error) => {
                let first = self.kafka.offset(client, OffsetAt::Earliest).await?;
                let next = match first > next {
                    true => first,
                    false => self.kafka.offset(client, OffsetAt::Latest).await?,
                };
                self.next = Some(next);
                self.line.gap();
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
