//! What the service saw, and what it is to do.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use apollo_compiler::{Schema, validation::Valid};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    schema::{self, Root},
    script::{Act, Door, Reply},
    seen::Seen,
};

/// An operation that is alive at the service.
#[derive(Clone, Debug)]
pub struct Live {
    /// The number of its entry in [`State::begun`].
    pub number: usize,
    /// On which connection it lives.
    pub connection: u64,
    /// Its id there.
    pub id: String,
    /// Its key in results.
    pub key: String,
    /// Its argument.
    pub topic: String,
    /// For whom it was begun ([`Seen::who`]).
    pub who: String,
    /// Who carries out orders.
    pub orders: UnboundedSender<(String, Act)>,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client stopped it, or closed its stream.
    Stopped,
    /// With the connection.
    Gone,
    /// The service ended it.
    Ours,
}

/// A subscription that was begun.
#[derive(Clone, Debug)]
pub struct Begun {
    /// On which connection.
    pub connection: u64,
    /// Its argument.
    pub topic: String,
    /// What was told of the client.
    pub seen: Seen,
    /// The request.
    pub request: Value,
    /// How it ended, if it has.
    pub ended: Option<Ended>,
}

/// A query or a mutation that came.
#[derive(Clone, Debug)]
pub struct Question {
    /// On which connection.
    pub connection: u64,
    /// The arguments of its fields.
    pub topics: Vec<String>,
    /// What was told of the client.
    pub seen: Seen,
    /// The request.
    pub request: Value,
}

/// All of it.
pub struct State {
    /// What it offers.
    pub schema: Arc<Valid<Schema>>,
    /// How clients are let in, by their header `authorization`.
    pub doors: BTreeMap<String, Door>,
    /// What is done when operations begin, by topic.
    pub plays: BTreeMap<String, VecDeque<Vec<Act>>>,
    /// How queries and mutations are answered, by topic.
    pub answers: BTreeMap<String, Reply>,
    /// Topics of queries and mutations that are not answered yet.
    pub held: BTreeSet<String>,
    /// All subscriptions that were ever begun.
    pub begun: Vec<Begun>,
    /// Those that are alive, by number.
    pub live: BTreeMap<usize, Live>,
    /// All queries and mutations.
    pub asked: Vec<Question>,
    /// How often the schema was asked for.
    pub introspected: usize,
    /// Upgrades and streams that were asked for.
    pub opened: Vec<Seen>,
    /// Connections that are open.
    pub connections: BTreeMap<u64, ()>,
    /// Connections that were told to end.
    pub doomed: BTreeSet<u64>,
    /// What a client must never do, such as using an id twice.
    pub faults: Vec<String>,
    serial: u64,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            schema: Arc::new(schema::parsed(schema::SDL)),
            doors: BTreeMap::new(),
            plays: BTreeMap::new(),
            answers: BTreeMap::new(),
            held: BTreeSet::new(),
            begun: Vec::new(),
            live: BTreeMap::new(),
            asked: Vec::new(),
            introspected: 0,
            opened: Vec::new(),
            connections: BTreeMap::new(),
            doomed: BTreeSet::new(),
            faults: Vec::new(),
            serial: 0,
        }
    }

    pub(super) fn connected(&mut self) -> u64 {
        self.serial += 1;
        self.connections.insert(self.serial, ());
        self.serial
    }

    /// How many connections were ever accepted.
    pub fn accepted(&self) -> u64 {
        self.serial
    }

    pub(super) fn disconnected(&mut self, connection: u64) {
        self.connections.remove(&connection);
        self.doomed.remove(&connection);
        let left: Vec<usize> =
            self.live.values().filter(|l| l.connection == connection).map(|l| l.number).collect();
        for number in left {
            self.end(number, Ended::Gone);
        }
    }

    /// Gives what is to be done first.
    pub(super) fn begin(
        &mut self,
        connection: u64,
        id: &str,
        root: &Root,
        (seen, request): (Seen, Value),
        orders: UnboundedSender<(String, Act)>,
    ) -> Vec<Act> {
        if self.find(connection, id).is_some() {
            self.faults.push(format!("the id {id} is taken"));
        }
        let (number, topic, who) = (self.begun.len(), root.topic.clone(), seen.who());
        let (id, key) = (id.to_owned(), root.key.clone());
        self.live.insert(
            number,
            Live { number, connection, id, key, topic: topic.clone(), who, orders },
        );
        self.begun.push(Begun { connection, topic: topic.clone(), seen, request, ended: None });
        self.plays.get_mut(&topic).and_then(VecDeque::pop_front).unwrap_or_default()
    }

    /// Those that are alive and not about to lose their connection.
    pub fn alive(&self) -> impl Iterator<Item = &Live> {
        self.live.values().filter(|live| !self.doomed.contains(&live.connection))
    }

    pub(super) fn find(&self, connection: u64, id: &str) -> Option<&Live> {
        self.live.values().find(|live| live.connection == connection && live.id == id)
    }

    pub(super) fn end(&mut self, number: usize, how: Ended) {
        self.live.remove(&number);
        self.begun[number].ended = Some(how);
    }

    /// For a failure.
    pub fn text(&self) -> String {
        let mut text = String::from("alive at the service:\n");
        for live in self.live.values() {
            text += &format!("  {} of {}\n", live.topic, live.who);
        }
        text += &format!("connections: {:?}\nlast begun:\n", self.connections.keys());
        for begun in self.begun.iter().rev().take(20) {
            text += &format!(
                "  {} of {} on {}: {:?}\n",
                begun.topic,
                begun.seen.who(),
                begun.connection,
                begun.ended
            );
        }
        text
    }
}
