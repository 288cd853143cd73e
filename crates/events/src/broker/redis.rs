//! Redis pub/sub: one connection for all topics.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use artesian_fanout::backoff;
use bytes::Bytes;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use redis::{
    ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _, RedisError,
    aio::{PubSub, PubSubSink, PubSubStream},
};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::tls::client_config;
use crate::{
    config::{ConfigError, EventsConfig, RedisConfig, Retry, Timeouts},
    error::{EventsError, StartError},
    line::Line,
    stats::{Counter, Counters},
    topic::{BrokerKind, Topic},
};

/// How many topics one command names.
const BATCH: usize = 500;

pub(crate) struct Redis {
    info: ConnectionInfo,
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
    /// What is wanted.
    lines: Mutex<HashMap<Topic, Arc<Line>>>,
    /// Told when that changes.
    changed: Notify,
    timeouts: Timeouts,
    retry: Retry,
    counters: Arc<Counters>,
}

/// Why a connection ended.
enum Lost {
    Closed,
    Silent,
    Failed(ErrorKind),
    Io(io::ErrorKind),
}

impl From<RedisError> for Lost {
    fn from(error: RedisError) -> Self {
        Self::Failed(error.kind())
    }
}

impl Lost {
    /// For the log: no address, no credentials.
    fn problem(&self) -> String {
        match self {
            Self::Closed => "the connection was closed".to_owned(),
            Self::Silent => "no answer in time".to_owned(),
            Self::Failed(kind) => format!("{kind:?}"),
            Self::Io(kind) => kind.to_string(),
        }
    }
}

impl Redis {
    pub async fn new(
        redis: &RedisConfig,
        config: &EventsConfig,
        counters: Arc<Counters>,
    ) -> Result<Arc<Self>, StartError> {
        // TLS is not left to the library, so that certificate authorities can be added to the machine's.
        let (url, is_tls) = match redis.url.strip_prefix("rediss://") {
            Some(rest) => (format!("redis://{rest}"), true),
            None => (redis.url.clone(), false),
        };
        // The error could quote the URL.
        let wrong =
            || ConfigError::new("events.redis.url", "expected redis://[user:password@]host:port");
        let info = url.into_connection_info().map_err(|_| wrong())?;
        let ConnectionAddr::Tcp(host, port) = info.addr().clone() else {
            return Err(wrong().into());
        };
        let mut settings = info.redis_settings().clone();
        if let Some(username) = &redis.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &redis.password {
            settings = settings.set_password(password.expose());
        }
        let tls = if is_tls {
            Some(TlsConnector::from(Arc::new(client_config(config.tls.as_ref()).await?)))
        } else {
            None
        };
        Ok(Arc::new(Self {
            info: info.set_redis_settings(settings),
            host,
            port,
            tls,
            lines: Mutex::default(),
            changed: Notify::new(),
            timeouts: config.timeouts.clone(),
            retry: config.retry.clone(),
            counters,
        }))
    }

    /// Keeps a connection.
    pub async fn run(self: Arc<Self>) {
        let mut attempt = 0;
        loop {
            let begun = Instant::now();
            let connected = timeout(self.timeouts.connect, self.connect()).await;
            match connected.unwrap_or(Err(Lost::Silent)) {
                Ok(connection) => {
                    self.counters.add(Counter::Connected);
                    let lost = self.serve(connection).await;
                    self.counters.add(Counter::Disconnected);
                    let lines: Vec<Arc<Line>> = self.lines.lock().values().cloned().collect();
                    lines.iter().for_each(|line| line.lost());
                    tracing::warn!(
                        broker = "redis",
                        problem = lost.problem(),
                        "the connection is lost"
                    );
                }
                Err(lost) => {
                    self.counters.add(Counter::ConnectFailed);
                    let problem = lost.problem();
                    tracing::warn!(broker = "redis", problem, "the broker cannot be reached");
                }
            }
            // A connection that breaks at once is as good as none.
            if begun.elapsed() > self.retry.longest {
                attempt = 0;
            }
            sleep(backoff::pause(self.retry.first, self.retry.longest, attempt)).await;
            attempt = attempt.saturating_add(1);
        }
    }

    async fn connect(&self) -> Result<PubSub, Lost> {
        let failed = |error: io::Error| Lost::Io(error.kind());
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(60))
            .with_interval(Duration::from_secs(15));
        SockRef::from(&tcp).set_tcp_keepalive(&keepalive).map_err(failed)?;
        let settings = self.info.redis_settings();
        let Some(tls) = &self.tls else { return Ok(PubSub::new(settings, tcp).await?) };
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| Lost::Io(io::ErrorKind::InvalidInput))?;
        let stream = tls.connect(name, tcp).await.map_err(failed)?;
        Ok(PubSub::new(settings, stream).await?)
    }

    /// Subscribes to what is wanted and passes on what comes, until the connection ends.
    async fn serve(&self, connection: PubSub) -> Lost {
        let (sink, stream) = connection.split();
        // Reading never waits for what is subscribed to.
        tokio::select! {
            lost = self.read(stream) => lost,
            lost = self.keep_subscribed(sink) => lost,
        }
    }

    async fn read(&self, mut stream: PubSubStream) -> Lost {
        while let Some(message) = stream.next().await {
            let pattern: Option<String> = message.get_pattern().unwrap_or_default();
            let is_pattern = pattern.is_some();
            let name = pattern.as_deref().unwrap_or_else(|| message.get_channel_name());
            // A name that is no topic is not one of ours.
            let Ok(topic) = Topic::new(BrokerKind::Redis, name) else { continue };
            let topic = topic.with_pattern(is_pattern);
            let line = self.lines.lock().get(&topic).cloned();
            if let Some(line) = line {
                // As good as a confirmation, which may be read later; the gap comes before it.
                line.established();
                line.message(Bytes::copy_from_slice(message.get_payload_bytes()));
            }
        }
        Lost::Closed
    }

    async fn keep_subscribed(&self, mut sink: PubSubSink) -> Lost {
        let mut actual: HashMap<Topic, Arc<Line>> = HashMap::new();
        loop {
            let reconciled = self.reconcile(&mut sink, &mut actual).await;
            if let Err(lost) = reconciled {
                return lost;
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep(self.timeouts.ping_interval) => {
                    let ping = sink.ping::<redis::Value>();
                    match timeout(self.timeouts.pong_deadline, ping).await {
                        Ok(Ok(_)) => {}
                        Ok(Err(error)) => return error.into(),
                        Err(_) => return Lost::Silent,
                    }
                }
            }
        }
    }

    /// Makes the connection's subscriptions those that are wanted.
    async fn reconcile(
        &self,
        sink: &mut PubSubSink,
        actual: &mut HashMap<Topic, Arc<Line>>,
    ) -> Result<(), Lost> {
        let wanted = self.lines.lock().clone();
        let surplus: Vec<Topic> =
            actual.keys().filter(|topic| !wanted.contains_key(topic)).cloned().collect();
        actual.retain(|topic, _| wanted.contains_key(topic));
        for is_pattern in [false, true] {
            let of_kind = |topic: &&Topic| topic.is_pattern() == is_pattern;
            let names: Vec<&str> = surplus.iter().filter(of_kind).map(Topic::name).collect();
            for names in names.chunks(BATCH) {
                self.in_time(async {
                    if is_pattern {
                        sink.punsubscribe(names).await
                    } else {
                        sink.unsubscribe(names).await
                    }
                })
                .await?;
            }
        }
        let mut missing: Vec<Arc<Line>> = Vec::new();
        for (topic, line) in &wanted {
            match actual.get_mut(topic) {
                // Somebody left and somebody else came meanwhile; the broker knows nothing of it.
                Some(former) => {
                    if !Arc::ptr_eq(former, line) {
                        *former = Arc::clone(line);
                        line.established();
                    }
                }
                None => missing.push(Arc::clone(line)),
            }
        }
        for is_pattern in [false, true] {
            let of_kind = |line: &&Arc<Line>| line.topic().is_pattern() == is_pattern;
            let lines: Vec<Arc<Line>> = missing.iter().filter(of_kind).cloned().collect();
            for lines in lines.chunks(BATCH) {
                self.subscribe(sink, lines, is_pattern, actual).await?;
            }
        }
        Ok(())
    }

    /// Subscribes to all of them. If the broker refuses, to each by itself, to see which one it is.
    async fn subscribe(
        &self,
        sink: &mut PubSubSink,
        lines: &[Arc<Line>],
        is_pattern: bool,
        actual: &mut HashMap<Topic, Arc<Line>>,
    ) -> Result<(), Lost> {
        let mut is_refused = self.try_subscribe(sink, lines, is_pattern, actual).await?;
        if is_refused && lines.len() > 1 {
            for line in lines.chunks(1) {
                is_refused = self.try_subscribe(sink, line, is_pattern, actual).await?;
                if is_refused {
                    line.iter().for_each(|line| line.fail(EventsError::Refused(BrokerKind::Redis)));
                }
            }
        } else if is_refused {
            lines.iter().for_each(|line| line.fail(EventsError::Refused(BrokerKind::Redis)));
        }
        Ok(())
    }

    /// Says whether the broker refused.
    async fn try_subscribe(
        &self,
        sink: &mut PubSubSink,
        lines: &[Arc<Line>],
        is_pattern: bool,
        actual: &mut HashMap<Topic, Arc<Line>>,
    ) -> Result<bool, Lost> {
        let names: Vec<&str> = lines.iter().map(|line| line.topic().name()).collect();
        lines.iter().for_each(|line| line.asked());
        let subscribed = async {
            if is_pattern { sink.psubscribe(&names).await } else { sink.subscribe(&names).await }
        };
        match timeout(self.timeouts.subscribe, subscribed).await {
            Ok(Ok(())) => {
                for line in lines {
                    actual.insert(line.topic().clone(), Arc::clone(line));
                    line.established();
                }
                Ok(false)
            }
            Ok(Err(error)) if matches!(error.kind(), ErrorKind::Server(_)) => Ok(true),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Lost::Silent),
        }
    }

    async fn in_time(
        &self,
        command: impl Future<Output = Result<(), RedisError>>,
    ) -> Result<(), Lost> {
        match timeout(self.timeouts.subscribe, command).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(Lost::Silent),
        }
    }

    /// Wants a topic until this is dropped.
    pub async fn carry(self: Arc<Self>, line: Arc<Line>) {
        let _wanted = Wanted::new(self, line);
        std::future::pending::<()>().await;
    }
}

struct Wanted {
    redis: Arc<Redis>,
    line: Arc<Line>,
}

impl Wanted {
    fn new(redis: Arc<Redis>, line: Arc<Line>) -> Self {
        redis.lines.lock().insert(line.topic().clone(), Arc::clone(&line));
        redis.changed.notify_one();
        Self { redis, line }
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        let mut lines = self.redis.lines.lock();
        if lines.get(self.line.topic()).is_some_and(|line| Arc::ptr_eq(line, &self.line)) {
            lines.remove(self.line.topic());
            drop(lines);
            self.redis.changed.notify_one();
        }
    }
}
