//! A service that behaves, on any transport, until it is told not to.

use std::{collections::BTreeMap, sync::Arc};

use artesian_protocol::ws::Event as Frame;
use artesian_remote::{Transport, config::Method};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    Service,
    peer::{Peer, WsPeer},
};

/// An operation that is alive at the service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Live {
    pub token: String,
    pub query: String,
}

/// What a connection is told to do.
#[derive(Clone, Debug)]
pub enum Order {
    /// Send a result of the operation with this id.
    Next(String, String),
    Complete(String),
    Error(String),
    /// Send this as a message of its own.
    Junk(String),
    /// Send a close frame, then end.
    Close(u16),
    /// End without a word.
    Break,
}

struct Connection {
    orders: UnboundedSender<Order>,
    operations: BTreeMap<String, Live>,
}

#[derive(Default)]
struct State {
    serial: u64,
    connections: BTreeMap<u64, Connection>,
    /// How often each operation was begun.
    begun: usize,
}

/// The service.
#[derive(Clone)]
pub struct Server {
    state: Arc<Mutex<State>>,
    transport: Transport,
}

impl Server {
    /// A service without connections.
    pub fn new(transport: Transport) -> Self {
        Self { state: Arc::default(), transport }
    }

    /// Serves every connection of `service` from now on.
    pub fn start(service: &Arc<Service>, transport: Transport) -> Self {
        let server = Self::new(transport);
        let (this, service) = (server.clone(), Arc::clone(service));
        tokio::spawn(async move {
            loop {
                let peer = service.accept().await;
                let this = this.clone();
                tokio::spawn(async move { this.serve(peer).await });
            }
        });
        server
    }

    /// The operations that are alive, sorted.
    pub fn live(&self) -> Vec<Live> {
        let state = self.state.lock();
        let operations = state.connections.values().flat_map(|c| c.operations.values().cloned());
        let mut live: Vec<Live> = operations.collect();
        live.sort();
        live
    }

    pub fn begun(&self) -> usize {
        self.state.lock().begun
    }

    pub fn connections(&self) -> usize {
        self.state.lock().connections.len()
    }

    /// Sends a result for every operation with this query. It says whose it is.
    pub fn emit(&self, query: &str, n: u64) {
        self.each(|live| live.query == query, |id, live| Order::Next(id, result(live, n)));
    }

    /// Tells the connections of all operations that are chosen.
    pub fn each(&self, chosen: impl Fn(&Live) -> bool, order: impl Fn(String, &Live) -> Order) {
        for connection in self.state.lock().connections.values() {
            for (id, live) in &connection.operations {
                if chosen(live) {
                    let _gone = connection.orders.send(order(id.clone(), live));
                }
            }
        }
    }

    /// Tells one connection.
    pub fn tell(&self, n: usize, order: Order) {
        let state = self.state.lock();
        let count = state.connections.len();
        if let Some(connection) = state.connections.values().nth(n % count.max(1)) {
            let _gone = connection.orders.send(order);
        }
    }

    pub fn tell_all(&self, order: &Order) {
        for connection in self.state.lock().connections.values() {
            let _gone = connection.orders.send(order.clone());
        }
    }

    /// Serves one connection.
    pub async fn serve(&self, peer: Peer) {
        let (orders, ordered) = unbounded_channel();
        let connection = Connection { orders, operations: BTreeMap::new() };
        let number = {
            let mut state = self.state.lock();
            state.serial += 1;
            let number = state.serial;
            state.connections.insert(number, connection);
            number
        };
        match self.transport {
            Transport::Sse(_) | Transport::Multipart => self.stream(number, peer, ordered).await,
            Transport::LegacyWs => self.websocket(number, peer, "graphql-ws", ordered).await,
            _ => self.websocket(number, peer, "graphql-transport-ws", ordered).await,
        }
        self.state.lock().connections.remove(&number);
    }

    fn begin(&self, number: u64, id: &str, live: Live) {
        let mut state = self.state.lock();
        state.begun += 1;
        let connection = state.connections.get_mut(&number).unwrap();
        let former = connection.operations.insert(id.to_owned(), live);
        assert!(former.is_none(), "an id is used once");
    }

    fn finish(&self, number: u64, id: &str) {
        let mut state = self.state.lock();
        state.connections.get_mut(&number).unwrap().operations.remove(id);
    }

    async fn websocket(
        &self,
        number: u64,
        peer: Peer,
        protocol: &str,
        mut ordered: UnboundedReceiver<Order>,
    ) {
        let mut ws = peer.upgrade(Some(protocol)).await;
        let next = if protocol == "graphql-ws" { "data" } else { "next" };
        let header = ws.head.all("authorization").join(",");
        loop {
            tokio::select! {
                frame = ws.frame() => match frame {
                    Some(Frame::Text(text)) => {
                        let message: Value = serde_json::from_slice(&text).unwrap();
                        self.hear(number, &mut ws, &header, &message).await;
                    }
                    _ => return,
                },
                order = ordered.recv() => match order.unwrap() {
                    Order::Next(id, payload) => {
                        let text = format!(r#"{{"id":"{id}","type":"{next}","payload":{payload}}}"#);
                        ws.text(text).await;
                    }
                    Order::Complete(id) => {
                        self.finish(number, &id);
                        ws.text(format!(r#"{{"id":"{id}","type":"complete"}}"#)).await;
                    }
                    Order::Error(id) => {
                        self.finish(number, &id);
                        let errors = r#"[{"message":"x"}]"#;
                        let text = format!(r#"{{"id":"{id}","type":"error","payload":{errors}}}"#);
                        ws.text(text).await;
                    }
                    Order::Junk(text) => {
                        ws.text(text).await;
                    }
                    Order::Close(code) => {
                        ws.close(code, "").await;
                        return;
                    }
                    Order::Break => return,
                },
            }
        }
    }

    async fn hear(&self, number: u64, ws: &mut WsPeer, header: &str, message: &Value) {
        let id = message["id"].as_str().unwrap_or_default();
        match message["type"].as_str().unwrap() {
            "connection_init" => {
                let token = message["payload"]["token"].as_str().unwrap_or_default();
                assert_eq!(token, header, "both say the same");
                ws.text(r#"{"type":"connection_ack"}"#).await;
            }
            "subscribe" | "start" => {
                let query = message["payload"]["query"].as_str().unwrap().to_owned();
                self.begin(number, id, Live { token: header.to_owned(), query });
            }
            "complete" | "stop" => self.finish(number, id),
            "connection_terminate" | "pong" => {}
            other => panic!("{other}"),
        }
    }

    async fn stream(&self, number: u64, mut peer: Peer, mut ordered: UnboundedReceiver<Order>) {
        let Some(head) = peer.try_request().await else { return };
        let is_multipart = self.transport == Transport::Multipart;
        let accepts = head.all("accept").join(",");
        if !head.all("upgrade").is_empty() || accepts.starts_with("multipart") != is_multipart {
            peer.respond(406, "text/plain", "").await;
            return;
        }
        let query = if self.transport == Transport::Sse(Method::Get) {
            let (_, query) = head.path.split_once("query=").unwrap();
            query.replace("%20", " ").replace("%7B", "{").replace("%7D", "}")
        } else {
            head.json()["query"].as_str().unwrap().to_owned()
        };
        let kind = if is_multipart { "multipart/mixed;boundary=b" } else { "text/event-stream" };
        self.begin(number, "1", Live { token: head.all("authorization").join(","), query });
        peer.begin(kind).await;
        loop {
            let order = tokio::select! {
                () = peer.gone() => return,
                order = ordered.recv() => order.unwrap(),
            };
            match (order, is_multipart) {
                (Order::Next(_, payload), true) => {
                    peer.send(format!("\r\n--b\r\n\r\n{{\"payload\":{payload}}}")).await;
                }
                (Order::Next(_, payload), false) => {
                    peer.send(format!("event: next\ndata: {payload}\n\n")).await;
                }
                (Order::Junk(text), true) => {
                    peer.send(format!("\r\n--b\r\n\r\nx{text}")).await;
                }
                (Order::Junk(text), false) => {
                    peer.send(format!("event: next\ndata: {text}x\n\n")).await;
                }
                (Order::Complete(_), true) => {
                    peer.send("\r\n--b--").await;
                    return;
                }
                (Order::Complete(_), false) => {
                    peer.send("event: complete\ndata:\n\n").await;
                    return;
                }
                (Order::Error(_), true) => {
                    let part = r#"{"payload":null,"errors":[{"message":"x"}]}"#;
                    peer.send(format!("\r\n--b\r\n\r\n{part}\r\n--b--")).await;
                    return;
                }
                (Order::Error(_), false) => {
                    peer.send("event: complete\n\n").await;
                    return;
                }
                (Order::Close(_) | Order::Break, _) => return,
            }
        }
    }
}

/// A result that says whose it is.
pub fn result(live: &Live, n: u64) -> String {
    let (token, query) = (&live.token, &live.query);
    format!(r#"{{"data":{{"token":"{token}","query":"{query}","n":{n}}}}}"#)
}
