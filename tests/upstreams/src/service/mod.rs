//! A service on the loopback that speaks every transport at one address, does what it is told, and
//! remembers what it saw.

mod serve;
mod socket;
mod state;
mod stream;

use std::{net::SocketAddr, sync::Arc};

use artesian_isolation::common::Observed;
use parking_lot::Mutex;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use self::state::{Begun, Ended, Live, Question, State};
use crate::{
    schema,
    script::{Act, Door, Reply},
    wire::Wire,
};

/// What ends the task that accepts connections, and the task.
type Life = (CancellationToken, tokio::task::JoinHandle<()>);

/// The service.
#[derive(Clone)]
pub struct Service {
    /// What it saw and what it is to do.
    pub state: Arc<Observed<State>>,
    /// Where it listens when it listens.
    pub address: SocketAddr,
    /// Ends what accepts connections and all of them.
    life: Arc<Mutex<Option<Life>>>,
}

impl Service {
    /// A service that listens.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Self { state: Observed::new(State::new()), address, life: Arc::default() };
        service.listen(listener);
        service
    }

    fn listen(&self, listener: TcpListener) {
        let (stop, service) = (CancellationToken::new(), self.clone());
        let token = stop.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    () = token.cancelled() => break,
                    Some(ended) = connections.join_next() => ended.unwrap(),
                    accepted = listener.accept() => {
                        let wire = Wire::new(accepted.unwrap().0);
                        let (service, token) = (service.clone(), token.clone());
                        connections.spawn(async move { service.connection(wire, token).await });
                    }
                }
            }
            drop(listener);
            while let Some(ended) = connections.join_next().await {
                ended.unwrap();
            }
        });
        *self.life.lock() = Some((stop, accepting));
    }

    async fn connection(&self, wire: Wire, stop: CancellationToken) {
        let number = self.state.with(State::connected);
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.serve(number, wire) => {}
        }
        self.state.with(|state| state.disconnected(number));
        self.state.changed();
    }

    /// Closes the listener and all connections.
    pub async fn down(&self) {
        let life = self.life.lock().take();
        let (stop, accepting) = life.expect("it is up");
        stop.cancel();
        accepting.await.unwrap();
    }

    /// Listens again, at the same address.
    pub async fn up(&self) {
        self.listen(TcpListener::bind(self.address).await.unwrap());
    }

    /// How this client is let in: the value of its header `authorization`.
    pub fn door(&self, header: &str, door: Door) {
        self.state.with(|state| state.doors.insert(header.to_owned(), door));
    }

    /// What is done when an operation with this topic begins, when it begins again, and so on.
    pub fn play(&self, topic: &str, acts: Vec<Vec<Act>>) {
        self.state.with(|state| state.plays.insert(topic.to_owned(), acts.into()));
    }

    /// How a query or mutation with this topic is answered.
    pub fn answer(&self, topic: &str, reply: Reply) {
        self.state.with(|state| state.answers.insert(topic.to_owned(), reply));
    }

    /// Lets clients in again as usual.
    pub fn open_door(&self, header: &str) {
        self.state.with(|state| state.doors.remove(header));
    }

    /// Leaves queries and mutations with this topic without an answer until [`Self::release`].
    pub fn hold(&self, topic: &str) {
        self.state.with(|state| state.held.insert(topic.to_owned()));
    }

    /// Answers what was held.
    pub fn release(&self, topic: &str) {
        self.state.with(|state| state.held.remove(topic));
        self.state.changed();
    }

    /// Offers another schema from now on.
    pub fn change(&self, sdl: &str) {
        let schema = Arc::new(schema::parsed(sdl));
        self.state.with(|state| state.schema = schema);
    }

    /// Tells all live operations that are chosen.
    pub fn tell(&self, chosen: impl Fn(&Live) -> bool, act: &Act) -> usize {
        self.state.with(|state| {
            let chosen: Vec<Live> = state.alive().filter(|live| chosen(live)).cloned().collect();
            let mut told = 0;
            for live in chosen {
                // Whose connection has just ended hears nothing.
                told += usize::from(live.orders.send((live.id, act.clone())).is_ok());
                if matches!(act, Act::Cut | Act::CutInside | Act::Close(_) | Act::Hush) {
                    state.doomed.insert(live.connection);
                }
            }
            told
        })
    }

    /// Sends a result for every operation with this topic.
    pub fn emit(&self, topic: &str, n: u64) -> usize {
        self.tell(|live| live.topic == topic, &Act::Event(n))
    }

    /// Waits until something holds.
    ///
    /// # Panics
    /// If it does not within half a minute.
    pub async fn until<R>(&self, what: &str, holds: impl FnMut(&mut State) -> Option<R>) -> R {
        match self.state.until(holds).await {
            Some(found) => found,
            None => self.state.with(|state| panic!("never: {what}\n{}", state.text())),
        }
    }

    /// Waits until an operation with this topic is alive.
    pub async fn alive(&self, topic: &str) -> Live {
        let find = |state: &mut State| state.alive().find(|l| l.topic == topic).cloned();
        self.until(&format!("{topic} is alive"), find).await
    }

    /// Waits until there is none with it.
    pub async fn gone(&self, topic: &str) {
        let is_gone = |state: &mut State| {
            (!state.live.values().any(|live| live.topic == topic)).then_some(())
        };
        self.until(&format!("{topic} is gone"), is_gone).await;
    }

    /// Waits until nothing is alive at all.
    pub async fn empty(&self) {
        self.until("nothing is alive", |state| state.live.is_empty().then_some(())).await;
    }

    /// The operations with this topic that were begun so far.
    pub fn begun(&self, topic: &str) -> Vec<Begun> {
        let is_it = |begun: &&Begun| begun.topic == topic;
        self.state.with(|state| state.begun.iter().filter(is_it).cloned().collect())
    }

    /// The queries and mutations with this topic that came so far.
    pub fn asked(&self, topic: &str) -> Vec<Question> {
        let is_it = |asked: &&Question| asked.topics.iter().any(|t| t == topic);
        self.state.with(|state| state.asked.iter().filter(is_it).cloned().collect())
    }
}
