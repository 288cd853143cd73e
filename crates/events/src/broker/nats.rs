//! NATS core.
//!
//! The library reconnects by itself once for each server, which keeps the subscriptions; after that the
//! connection is given up and this code makes another one, so that nothing runs on when the hub is gone.
//!
//! NATS does not confirm subscriptions. It does handle a connection's commands one after the other, so a
//! message to oneself that follows a subscription says that the subscription is in force when it comes
//! back.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use artesian_fanout::backoff;
use async_nats::{Client, ConnectOptions, Message, SubscribeErrorKind, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep},
};

mod state;

use state::{Registered, State, Waiting};

use super::{
    Task,
    tls::{client_config, file},
};
use crate::{
    config::{EventsConfig, NatsConfig, Retry},
    error::{EventsError, StartError},
    line::Line,
    stats::{Counter, Counters},
    topic::BrokerKind,
};

pub(crate) struct Nats {
    options: Box<dyn Fn() -> Result<ConnectOptions, ()> + Send + Sync>,
    servers: Vec<String>,
    retry: Retry,
    session: watch::Sender<Option<Arc<Session>>>,
    counters: Arc<Counters>,
}

/// A client of the library, until it gives up.
struct Session {
    client: Client,
    state: Arc<State>,
    /// Where this session sends to itself.
    inbox: String,
    _task: Task,
}

impl Nats {
    pub async fn new(
        nats: &NatsConfig,
        config: &EventsConfig,
        counters: Arc<Counters>,
    ) -> Result<Arc<Self>, StartError> {
        let credentials = match &nats.credentials_file {
            Some(path) => {
                const SETTING: &str = "events.nats.credentials_file";
                let text = tokio::fs::read_to_string(path)
                    .await
                    .map_err(|error| file(SETTING, format!("{}: {error}", path.display())))?;
                // Errors could quote the file.
                ConnectOptions::with_credentials(&text)
                    .map_err(|_| file(SETTING, "there are no credentials in the file"))?;
                Some(text)
            }
            None => None,
        };
        let wants_tls =
            config.tls.is_some() || nats.url.iter().any(|url| url.starts_with("tls://"));
        let tls = client_config(config.tls.as_ref()).await?;
        let (settings, timeouts, retry) =
            (nats.clone(), config.timeouts.clone(), config.retry.clone());
        let options = move || {
            let mut options = match &credentials {
                Some(text) => ConnectOptions::with_credentials(text).map_err(drop)?,
                None => ConnectOptions::new(),
            };
            if let (Some(user), Some(password)) = (&settings.user, &settings.password) {
                options = options.user_and_password(user.clone(), password.expose().to_owned());
            }
            if let Some(token) = &settings.token {
                options = options.token(token.expose().to_owned());
            }
            if let Some(seed) = &settings.nkey {
                options = options.nkey(seed.expose().to_owned());
            }
            let pauses = retry.clone();
            Ok(options
                .name("artesian")
                .connection_timeout(timeouts.connect)
                .ping_interval(timeouts.ping_interval)
                .max_reconnects(settings.url.len())
                .reconnect_delay_callback(move |attempt| reconnect_pause(&pauses, attempt))
                .require_tls(wants_tls)
                .tls_client_config(tls.clone()))
        };
        Ok(Arc::new(Self {
            options: Box::new(options),
            servers: nats.url.clone(),
            retry: config.retry.clone(),
            session: watch::Sender::new(None),
            counters,
        }))
    }

    /// Keeps a session.
    pub async fn run(self: Arc<Self>) {
        let mut attempt = 0;
        loop {
            let begun = Instant::now();
            match self.connect().await {
                Ok(session) => {
                    let mut link = session.state.link.subscribe();
                    self.session.send_replace(Some(session));
                    // An error means that the session is gone.
                    let _ = link.wait_for(|link| link.is_over).await;
                    self.session.send_replace(None);
                    tracing::warn!(broker = "nats", "the connection is lost");
                }
                Err(problem) => {
                    self.counters.add(Counter::ConnectFailed);
                    tracing::warn!(broker = "nats", problem, "the broker cannot be reached");
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

    async fn connect(&self) -> Result<Arc<Session>, &'static str> {
        use async_nats::ConnectErrorKind as Kind;
        let state = Arc::new(State::default());
        let (told, counters) = (Arc::clone(&state), Arc::clone(&self.counters));
        let options = (self.options)().map_err(|()| "the credentials cannot be read")?;
        let options = options.event_callback(move |event| {
            told.on_event(event, &counters);
            std::future::ready(())
        });
        let client = options.connect(self.servers.as_slice()).await.map_err(|error| match error
            .kind()
        {
            Kind::AuthorizationViolation | Kind::Authentication => "the credentials are refused",
            Kind::Tls => "the TLS handshake failed",
            Kind::TimedOut => "no answer in time",
            Kind::Dns => "the name cannot be resolved",
            Kind::ServerParse => "the address cannot be read",
            _ => "no connection",
        })?;
        let inbox = client.new_inbox();
        let subscriber =
            client.subscribe(format!("{inbox}.*")).await.map_err(|_| "no connection")?;
        let task = Task::spawn(listen(subscriber, Arc::clone(&state)));
        Ok(Arc::new(Session { client, state, inbox, _task: task }))
    }

    /// Carries a topic over all sessions.
    pub async fn carry(self: Arc<Self>, line: Arc<Line>) {
        let mut sessions = self.session.subscribe();
        loop {
            let session = match sessions.wait_for(Option::is_some).await {
                Ok(session) => session.clone(),
                Err(_) => return,
            };
            let Some(session) = session else { continue };
            let registered = session.register(&line);
            match session.client.subscribe(line.topic().name().to_owned()).await {
                Ok(subscriber) => session.carry(subscriber, &line).await,
                Err(error) if error.kind() == SubscribeErrorKind::InvalidSubject => {
                    line.fail(EventsError::Refused(BrokerKind::Nats));
                    return;
                }
                Err(_) => {}
            }
            drop(registered);
            line.lost();
            // The library's client does not come back to life.
            session.state.link.send_if_modified(|link| !std::mem::replace(&mut link.is_over, true));
            drop(session);
            if sessions.changed().await.is_err() {
                return;
            }
        }
    }
}

/// The library counts attempts from 1 and asks before the first one, too.
fn reconnect_pause(retry: &Retry, attempt: usize) -> Duration {
    match u32::try_from(attempt).unwrap_or(u32::MAX).checked_sub(2) {
        Some(attempt) => backoff::pause(retry.first, retry.longest, attempt),
        None => Duration::ZERO,
    }
}

impl Session {
    /// So that a refusal finds the line.
    fn register(self: &Arc<Self>, line: &Arc<Line>) -> Registered {
        let name: Box<str> = line.topic().name().into();
        self.state.lines.lock().insert(name, Arc::downgrade(line));
        Registered { state: Arc::clone(&self.state), line: Arc::clone(line) }
    }

    /// Passes on what comes, until the session ends.
    async fn carry(&self, mut subscriber: Subscriber, line: &Line) {
        let mut links = self.state.link.subscribe();
        loop {
            let link = *links.borrow_and_update();
            // What came before the connection broke is there already. What comes from now on is of the
            // next connection, and waits until the gap before it has been told.
            if !link.is_up {
                while let Some(next) = subscriber.next().now_or_never() {
                    let Some(message) = next else { return };
                    self.take(message, line);
                }
            }
            let mut confirmed = std::pin::pin!(async {
                if !link.is_up {
                    return std::future::pending().await;
                }
                line.asked();
                self.confirm().await;
            });
            let mut is_confirmed = false;
            loop {
                tokio::select! {
                    biased;
                    changed = links.changed() => {
                        if changed.is_err() || links.borrow().is_over {
                            return;
                        }
                        break;
                    }
                    message = subscriber.next(), if is_confirmed => match message {
                        Some(message) => self.take(message, line),
                        None => return,
                    },
                    () = &mut confirmed, if !is_confirmed => {
                        is_confirmed = true;
                        line.established();
                    }
                }
            }
            if *links.borrow() != link {
                line.lost();
            }
        }
    }

    fn take(&self, message: Message, line: &Line) {
        // A wildcard may cover what this session sends to itself.
        if !message.subject.starts_with(&self.inbox) {
            line.message(message.payload);
        }
    }

    /// Waits until the server has handled what was sent before.
    async fn confirm(&self) {
        let state = &self.state;
        loop {
            if state.is_mute.load(Ordering::Relaxed) {
                // Written to the socket is the best that there is.
                let _ = self.client.flush().await;
                return;
            }
            let number = state.next_sync.fetch_add(1, Ordering::Relaxed);
            let subject = format!("{}.{number}", self.inbox);
            let (sender, answered) = oneshot::channel();
            state.syncs.lock().insert(subject.clone(), sender);
            let _guard = Waiting { state, subject: &subject };
            if self.client.publish(subject.clone(), Bytes::new()).await.is_err() {
                // The session is over, which is told elsewhere.
                return std::future::pending().await;
            }
            // A refusal comes in order, too.
            if answered.await.is_ok() {
                return;
            }
        }
    }
}

/// Takes what was sent to the inbox.
async fn listen(mut inbox: Subscriber, state: Arc<State>) {
    while let Some(message) = inbox.next().await {
        let waiting = state.syncs.lock().remove(message.subject.as_str());
        if let Some(waiting) = waiting {
            let _ = waiting.send(());
        }
    }
}
