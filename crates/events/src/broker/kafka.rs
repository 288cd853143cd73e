//! Kafka without a consumer group: every partition of a topic is read from its end on, once for all
//! subscribers, and nothing is committed.
//!
//! The place in a partition is kept while connections come and go, so nothing is lost by that; a gap
//! is told where the broker has deleted what was not read yet.
//!
//! The library asks for metadata in a way that lets brokers create topics (`auto.create.topics.enable`).
//! So a topic is looked up in the list of all topics first, which creates none.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use artesian_fanout::backoff;
use futures_util::future::try_join_all;
use rskafka::{
    BackoffConfig,
    client::{
        Client, ClientBuilder, Credentials, SaslConfig,
        error::{Error, ProtocolError},
        partition::{OffsetAt, PartitionClient, UnknownTopicHandling},
    },
};
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::rustls::ClientConfig;

use super::tls::client_config;
use crate::{
    config::{EventsConfig, KafkaConfig, Mechanism, Retry, Timeouts},
    error::{EventsError, StartError},
    line::Line,
    stats::{Counter, Counters},
    topic::BrokerKind,
};

mod partition;

use partition::Partition;

/// Larger answers of a broker are not read.
const LARGEST_FRAME: usize = 64 << 20;
/// A topic that is not there is not looked for more often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub(crate) struct Kafka {
    settings: KafkaConfig,
    tls: Option<Arc<ClientConfig>>,
    timeouts: Timeouts,
    retry: Retry,
    cluster: Mutex<Cluster>,
    counters: Arc<Counters>,
}

/// What is known of the cluster.
#[derive(Default)]
struct Cluster {
    client: Option<Arc<Client>>,
    /// Partitions by topic.
    topics: HashMap<String, Vec<i32>>,
    asked: Option<Instant>,
}

/// Why there is no answer.
#[derive(Debug)]
enum Problem {
    Silent,
    Failed(&'static str),
}

impl Problem {
    /// For the log. The library's texts could name addresses and topics.
    fn text(&self) -> &'static str {
        match self {
            Self::Silent => "no answer in time",
            Self::Failed(text) => text,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Failed(match error {
            Error::Connection(_) => "no connection",
            Error::Request(_) => "the connection broke",
            Error::InvalidResponse(_) => "an answer that makes no sense",
            Error::ServerError { .. } => "the broker answers with an error",
            _ => "no answer after several attempts",
        })
    }
}

impl Kafka {
    pub async fn new(
        kafka: &KafkaConfig,
        config: &EventsConfig,
        counters: Arc<Counters>,
    ) -> Result<Arc<Self>, StartError> {
        let tls = match &config.tls {
            Some(tls) => Some(Arc::new(client_config(Some(tls)).await?)),
            None => None,
        };
        Ok(Arc::new(Self {
            settings: kafka.clone(),
            tls,
            timeouts: config.timeouts.clone(),
            retry: config.retry.clone(),
            cluster: Mutex::default(),
            counters,
        }))
    }

    /// The partitions of a topic, as of at most `refresh` ago; none if there was no such topic at `since`
    /// or later.
    async fn partitions(
        &self,
        topic: &str,
        since: Instant,
    ) -> Result<(Arc<Client>, Vec<i32>), Problem> {
        loop {
            let mut cluster = self.cluster.lock().await;
            let is_known = cluster.topics.contains_key(topic);
            let age = cluster.asked.map(|asked| asked.elapsed());
            let is_news = is_known || cluster.asked.is_some_and(|asked| asked >= since);
            let patience =
                if is_news { self.settings.refresh } else { self.settings.refresh.min(LOOK_AGAIN) };
            let is_stale = age.is_none_or(|age| age >= patience);
            if !is_stale && !is_news {
                // So that unknown topics cannot make it ask all the time.
                drop(cluster);
                sleep(patience.saturating_sub(age.unwrap_or_default())).await;
                continue;
            }
            if is_stale {
                let asked = timeout(self.timeouts.connect, self.ask(&mut cluster)).await;
                if let Err(problem) = asked.unwrap_or(Err(Problem::Silent)) {
                    // Perhaps another broker knows.
                    cluster.client = None;
                    cluster.asked = None;
                    self.counters.add(Counter::ConnectFailed);
                    return Err(problem);
                }
            }
            let client = cluster.client.clone().ok_or(Problem::Failed("no connection"))?;
            return Ok((client, cluster.topics.get(topic).cloned().unwrap_or_default()));
        }
    }

    async fn ask(&self, cluster: &mut Cluster) -> Result<(), Problem> {
        let now = Instant::now();
        let client = match &cluster.client {
            Some(client) => Arc::clone(client),
            None => Arc::new(self.builder().build().await?),
        };
        let topics = client.list_topics().await?;
        cluster.topics = topics
            .into_iter()
            .map(|topic| (topic.name, topic.partitions.into_iter().collect()))
            .collect();
        cluster.client = Some(client);
        cluster.asked = Some(now);
        Ok(())
    }

    fn builder(&self) -> ClientBuilder {
        let first = self.retry.first.max(Duration::from_millis(1));
        let backoff = BackoffConfig {
            init_backoff: first,
            max_backoff: self.retry.longest.max(first),
            base: 3.0,
            deadline: Some(self.timeouts.connect),
        };
        let mut builder = ClientBuilder::new(self.settings.brokers.clone())
            .client_id(self.settings.client_id.as_str())
            .max_message_size(LARGEST_FRAME)
            .backoff_config(backoff);
        if let Some(tls) = &self.tls {
            builder = builder.tls_config(Arc::clone(tls));
        }
        if let Some(sasl) = &self.settings.sasl {
            let password = sasl.password.expose().to_owned();
            let credentials = Credentials::new(sasl.username.clone(), password);
            builder = builder.sasl_config(match sasl.mechanism {
                Mechanism::Plain => SaslConfig::Plain(credentials),
                Mechanism::ScramSha256 => SaslConfig::ScramSha256(credentials),
                Mechanism::ScramSha512 => SaslConfig::ScramSha512(credentials),
            });
        }
        builder
    }

    async fn open(
        &self,
        client: &Client,
        topic: &str,
        partition: i32,
    ) -> Result<PartitionClient, Problem> {
        let opened = client.partition_client(topic, partition, UnknownTopicHandling::Error);
        let opened = timeout(self.timeouts.connect, opened).await.map_err(|_| Problem::Silent)?;
        let opened = opened?;
        self.counters.add(Counter::Connected);
        Ok(opened)
    }

    async fn offset(&self, partition: &PartitionClient, at: OffsetAt) -> Result<i64, Problem> {
        let offset = timeout(self.timeouts.pong_deadline, partition.get_offset(at)).await;
        Ok(offset.map_err(|_| Problem::Silent)??)
    }

    async fn pause(&self, attempt: &mut u32) {
        sleep(backoff::pause(self.retry.first, self.retry.longest, *attempt)).await;
        *attempt = attempt.saturating_add(1);
    }

    /// Carries a topic: a task for each partition, which ends with this future.
    pub async fn carry(self: Arc<Self>, line: Arc<Line>) {
        let mut attempt = 0;
        let begun = Instant::now();
        let partitions = loop {
            match self.begin(&line, begun).await {
                Ok(partitions) => break partitions,
                Err(problem) => {
                    tracing::warn!(broker = "kafka", problem = problem.text(), "cannot subscribe");
                    self.pause(&mut attempt).await;
                }
            }
        };
        if partitions.is_empty() {
            line.fail(EventsError::UnknownTopic(BrokerKind::Kafka));
            return;
        }
        let mut known: BTreeSet<i32> =
            partitions.iter().map(|partition| partition.number).collect();
        let mut readers = JoinSet::new();
        for partition in partitions {
            readers.spawn(partition.read());
        }
        line.established();
        let mut missing = 0;
        loop {
            sleep(self.settings.refresh).await;
            let Ok((_, numbers)) = self.partitions(line.topic().name(), begun).await else {
                continue;
            };
            // A broker that has just come back may not know of it yet.
            missing = if numbers.is_empty() { missing + 1 } else { 0 };
            if missing == 3 {
                line.fail(EventsError::UnknownTopic(BrokerKind::Kafka));
                return;
            }
            for number in numbers {
                if known.insert(number) {
                    // Nothing of it has been missed so far.
                    readers.spawn(Partition::whole(&self, &line, number).read());
                }
            }
        }
    }

    /// Finds the ends of all partitions.
    async fn begin(
        self: &Arc<Self>,
        line: &Arc<Line>,
        begun: Instant,
    ) -> Result<Vec<Partition>, Problem> {
        let (client, numbers) = self.partitions(line.topic().name(), begun).await?;
        line.asked();
        let all = numbers.into_iter().map(|number| Partition::at_end(self, line, &client, number));
        try_join_all(all).await
    }
}

/// Whether the broker no longer has, or never had, what was asked for.
fn is_out_of_range(error: &Error) -> bool {
    matches!(error, Error::ServerError { protocol_error: ProtocolError::OffsetOutOfRange, .. })
}
