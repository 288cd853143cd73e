//! A scripted Kafka: one node, and of the protocol what a client needs that only reads. Messages are
//! encoded by the crate `kafka-protocol`, so both sides do not share a codec.

use std::{collections::BTreeMap, future::pending, io, sync::Arc, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        ApiKey, ApiVersionsResponse, BrokerId, FetchRequest, FetchResponse, ListOffsetsRequest,
        ListOffsetsResponse, MetadataRequest, MetadataResponse, RequestHeader, ResponseHeader,
        TopicName,
        api_versions_response::ApiVersion,
        fetch_response::{FetchableTopicResponse, PartitionData},
        list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
        metadata_response::{
            MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
        },
    },
    protocol::{Decodable as _, Encodable, StrBytes},
    records::{
        Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE,
        Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
    },
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use crate::servers::free_port;

const OFFSET_OUT_OF_RANGE: i16 = 1;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;

/// One partition's log.
#[derive(Clone, Default)]
struct Log {
    /// The first offset that is kept.
    first: i64,
    records: Vec<Option<Bytes>>,
    /// Connections that read it now.
    readers: usize,
}

impl Log {
    fn end(&self) -> i64 {
        self.first + self.records.len() as i64
    }
}

/// What the broker has, whether it runs or not.
#[derive(Default)]
pub struct Store {
    logs: Mutex<BTreeMap<(String, i32), Log>>,
    grown: Notify,
    /// Topics that were named in a request for metadata though they do not exist. A broker may create
    /// them (`auto.create.topics.enable`).
    pub created_by_accident: Mutex<Vec<String>>,
}

impl Store {
    pub fn create(&self, topic: &str, partitions: i32) {
        let mut logs = self.logs.lock();
        for partition in 0..partitions {
            logs.entry((topic.to_owned(), partition)).or_default();
        }
    }

    /// Appends a record; `None` says that its key is gone.
    pub fn append(&self, topic: &str, partition: i32, value: Option<&str>) {
        let mut logs = self.logs.lock();
        let log = logs.get_mut(&(topic.to_owned(), partition)).unwrap();
        log.records.push(value.map(|value| Bytes::copy_from_slice(value.as_bytes())));
        drop(logs);
        self.grown.notify_waiters();
    }

    /// Deletes all records, as retention does.
    pub fn delete_records(&self, topic: &str, partition: i32) {
        let mut logs = self.logs.lock();
        let log = logs.get_mut(&(topic.to_owned(), partition)).unwrap();
        log.first = log.end();
        log.records.clear();
    }

    pub fn delete_topic(&self, topic: &str) {
        self.logs.lock().retain(|(name, _), _| name != topic);
        self.grown.notify_waiters();
    }

    pub fn readers(&self, topic: &str, partition: i32) -> usize {
        self.logs.lock().get(&(topic.to_owned(), partition)).map_or(0, |log| log.readers)
    }
}

pub struct Broker {
    pub store: Arc<Store>,
    pub port: u16,
    task: Option<JoinHandle<()>>,
}

impl Broker {
    pub async fn start() -> Self {
        let mut broker = Self { store: Arc::default(), port: free_port(), task: None };
        broker.start_again().await;
        broker
    }

    pub async fn start_again(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        let (store, port) = (Arc::clone(&self.store), self.port);
        self.task = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let store = Arc::clone(&store);
                connections.spawn(async move {
                    let mut connection = Connection { store, port, reads: None };
                    // Clients may go at any time.
                    let _ = connection.serve(stream).await;
                });
            }
        }));
    }

    pub async fn stop(&mut self) {
        let task = self.task.take().unwrap();
        task.abort();
        let _ = task.await;
    }
}

struct Connection {
    store: Arc<Store>,
    port: u16,
    /// Which partition it reads.
    reads: Option<(String, i32)>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.read(None);
    }
}

impl Connection {
    /// Counts it among the readers of a partition.
    fn read(&mut self, reads: Option<(String, i32)>) {
        if self.reads == reads {
            return;
        }
        let mut logs = self.store.logs.lock();
        if let Some(log) = self.reads.take().and_then(|key| logs.get_mut(&key)) {
            log.readers -= 1;
        }
        if let Some(log) = reads.as_ref().and_then(|key| logs.get_mut(key)) {
            log.readers += 1;
        }
        drop(logs);
        self.reads = reads;
    }

    async fn serve(&mut self, stream: TcpStream) -> io::Result<()> {
        let (mut from, mut to) = stream.into_split();
        let (sender, mut frames) = mpsc::channel(8);
        let reading = async move {
            loop {
                let Ok(length) = from.read_u32().await else { return };
                let mut frame = vec![0; length as usize];
                if from.read_exact(&mut frame).await.is_err() || sender.send(frame).await.is_err() {
                    return;
                }
            }
        };
        let answering = async {
            while let Some(frame) = frames.recv().await {
                let answer = self.answer(Bytes::from(frame)).await;
                to.write_u32(answer.len() as u32).await?;
                to.write_all(&answer).await?;
            }
            pending::<io::Result<()>>().await
        };
        tokio::select! {
            () = reading => Ok(()),
            answered = answering => answered,
        }
    }

    async fn answer(&mut self, mut frame: Bytes) -> BytesMut {
        let api = ApiKey::try_from(frame.clone().get_i16()).unwrap();
        let version = frame.slice(2..).get_i16();
        let header =
            RequestHeader::decode(&mut frame, api.request_header_version(version)).unwrap();
        let mut answer = BytesMut::new();
        ResponseHeader::default()
            .with_correlation_id(header.correlation_id)
            .encode(&mut answer, api.response_header_version(version))
            .unwrap();
        match api {
            ApiKey::ApiVersions => write(&mut answer, self.versions(), version),
            ApiKey::Metadata => {
                let request = MetadataRequest::decode(&mut frame, version).unwrap();
                write(&mut answer, self.metadata(request), version);
            }
            ApiKey::ListOffsets => {
                let request = ListOffsetsRequest::decode(&mut frame, version).unwrap();
                write(&mut answer, self.offsets(request), version);
            }
            ApiKey::Fetch => {
                let request = FetchRequest::decode(&mut frame, version).unwrap();
                write(&mut answer, self.fetch(request).await, version);
            }
            other => panic!("unexpected request: {other:?}"),
        }
        answer
    }

    /// The oldest versions of Kafka 4.0 (KIP-896) are the newest here.
    fn versions(&self) -> ApiVersionsResponse {
        let versions = [
            (ApiKey::ApiVersions, 0, 3),
            (ApiKey::Metadata, 0, 4),
            (ApiKey::ListOffsets, 1, 3),
            (ApiKey::Fetch, 4, 4),
        ];
        let version = |(api, min, max): (ApiKey, i16, i16)| {
            ApiVersion::default()
                .with_api_key(api as i16)
                .with_min_version(min)
                .with_max_version(max)
        };
        ApiVersionsResponse::default().with_api_keys(versions.map(version).into())
    }

    fn metadata(&self, request: MetadataRequest) -> MetadataResponse {
        let logs = self.store.logs.lock();
        let all =
            logs.keys().map(|(name, _)| name.clone()).collect::<std::collections::BTreeSet<_>>();
        let names: Vec<String> = match request.topics {
            Some(topics) => {
                topics.iter().map(|topic| topic.name.as_ref().unwrap().to_string()).collect()
            }
            None => all.iter().cloned().collect(),
        };
        let topic = |name: String| {
            let known = all.contains(&name);
            if !known {
                self.store.created_by_accident.lock().push(name.clone());
            }
            let partitions =
                logs.keys().filter(|(topic, _)| *topic == name).map(|(_, partition)| {
                    MetadataResponsePartition::default()
                        .with_partition_index(*partition)
                        .with_leader_id(BrokerId(1))
                        .with_replica_nodes(vec![BrokerId(1)])
                        .with_isr_nodes(vec![BrokerId(1)])
                });
            MetadataResponseTopic::default()
                .with_error_code(if known { 0 } else { UNKNOWN_TOPIC_OR_PARTITION })
                .with_partitions(partitions.collect())
                .with_name(Some(TopicName(StrBytes::from_string(name.clone()))))
        };
        let node = MetadataResponseBroker::default()
            .with_node_id(BrokerId(1))
            .with_host(StrBytes::from_static_str("127.0.0.1"))
            .with_port(i32::from(self.port));
        MetadataResponse::default()
            .with_brokers(vec![node])
            .with_controller_id(BrokerId(1))
            .with_topics(names.into_iter().map(topic).collect())
    }

    fn offsets(&self, request: ListOffsetsRequest) -> ListOffsetsResponse {
        let logs = self.store.logs.lock();
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|asked| {
                let answer = ListOffsetsPartitionResponse::default()
                    .with_partition_index(asked.partition_index)
                    .with_timestamp(-1);
                match logs.get(&(topic.name.to_string(), asked.partition_index)) {
                    Some(log) if asked.timestamp == -2 => answer.with_offset(log.first),
                    Some(log) => answer.with_offset(log.end()),
                    None => answer.with_error_code(UNKNOWN_TOPIC_OR_PARTITION),
                }
            });
            let partitions = partitions.collect();
            ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions)
        });
        ListOffsetsResponse::default().with_topics(topics.collect())
    }

    /// For one partition. Waits for a record as long as the request says.
    async fn fetch(&mut self, request: FetchRequest) -> FetchResponse {
        let topic = &request.topics[0];
        let (name, asked) = (topic.topic.clone(), &topic.partitions[0]);
        let key = (name.to_string(), asked.partition);
        self.read(Some(key.clone()));
        let mut waited = std::pin::pin!(sleep(Duration::from_millis(request.max_wait_ms as u64)));
        let mut is_late = false;
        let partition = loop {
            let mut grown = std::pin::pin!(self.store.grown.notified());
            grown.as_mut().enable();
            let log = self.store.logs.lock().get(&key).cloned();
            let answer = PartitionData::default().with_partition_index(asked.partition);
            let Some(log) = log else { break answer.with_error_code(UNKNOWN_TOPIC_OR_PARTITION) };
            let answer = answer.with_high_watermark(log.end()).with_last_stable_offset(log.end());
            if !(log.first..=log.end()).contains(&asked.fetch_offset) {
                break answer.with_error_code(OFFSET_OUT_OF_RANGE);
            }
            if asked.fetch_offset < log.end() || is_late {
                break answer.with_records(Some(batch(&log, asked.fetch_offset)));
            }
            tokio::select! {
                () = &mut grown => {}
                () = &mut waited => is_late = true,
            }
        };
        let topic =
            FetchableTopicResponse::default().with_topic(name).with_partitions(vec![partition]);
        FetchResponse::default().with_responses(vec![topic])
    }
}

/// The batch with this offset in it. Batches begin at even offsets, so it may begin before.
fn batch(log: &Log, offset: i64) -> Bytes {
    let from = (offset - offset % 2).max(log.first);
    let records: Vec<Record> = (from..log.end())
        .map(|offset| Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            timestamp_type: TimestampType::Creation,
            offset,
            sequence: NO_SEQUENCE,
            timestamp: 1_700_000_000_000,
            key: None,
            value: log.records[(offset - log.first) as usize].clone(),
            headers: Default::default(),
        })
        .collect();
    let mut bytes = BytesMut::new();
    if !records.is_empty() {
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap();
    }
    bytes.freeze()
}

fn write(to: &mut BytesMut, answer: impl Encodable, version: i16) {
    answer.encode(to, version).unwrap();
}
