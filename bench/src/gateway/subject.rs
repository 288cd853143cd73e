//! One gateway with a service of its own behind it.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::{peer::Peer, server::Server};

/// Which gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Artesian with this value of `connection_init`.
    Artesian(&'static str),
    /// npm `@mercuriusjs/gateway`.
    Mercurius,
    /// npm `@graphql-hive/gateway`.
    Hive,
}

impl Kind {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Artesian("extension") => "artesian, `extension`",
            Self::Artesian(_) => "artesian",
            Self::Mercurius => "@mercuriusjs/gateway",
            Self::Hive => "@graphql-hive/gateway",
        }
    }
}

/// A running gateway and its service.
pub struct Subject {
    /// Which.
    pub kind: Kind,
    /// Where clients connect.
    pub address: String,
    /// The gateway's process.
    pub pid: u32,
    /// The service.
    pub service: Service,
    _gateway: Gateway,
    _config: Option<Config>,
}

/// What ends when it is dropped.
enum Gateway {
    Peer { _peer: Peer },
    Server { _server: Server },
}

impl Subject {
    /// Starts both.
    pub async fn start(kind: Kind, artesian: Option<&str>) -> Self {
        let service = Service::start().await;
        let mut config = None;
        let (gateway, address, pid) = match kind {
            Kind::Artesian(init) => {
                let file = Config::create(&service, init);
                let flags = ["--config", file.0.to_str().unwrap()];
                let server = Server::start_as(artesian.unwrap(), &flags).await;
                config = Some(file);
                let (address, pid) = (server.address.clone(), server.pid());
                (Gateway::Server { _server: server }, address, pid)
            }
            Kind::Mercurius => node("mercurius.js", &service).await,
            Kind::Hive => node("hive.js", &service).await,
        };
        Self { kind, address, pid, service, _gateway: gateway, _config: config }
    }
}

/// Whether the gateways of Node are installed.
pub fn has_node_peers() -> bool {
    let installed = folder().join("node_modules").exists();
    if !installed {
        println!("the gateways of Node are left out: run `npm ci` in bench/peers/gateway");
    }
    installed
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/gateway")
}

async fn node(file: &str, service: &Service) -> (Gateway, String, u32) {
    let mut command = Command::new("node");
    command.args([file, &service.url(), &service.ws_url()]).current_dir(folder());
    command.env("NODE_ENV", "production").env("NODE_NO_WARNINGS", "1");
    let peer = Peer::start(&mut command).await;
    let (address, pid) = (peer.address.clone(), peer.pid());
    (Gateway::Peer { _peer: peer }, address, pid)
}

/// The service behind a gateway.
pub struct Service {
    peer: Peer,
}

impl Service {
    /// Starts one.
    pub async fn start() -> Self {
        Self { peer: Peer::ours(&["gateway-service"]).await }
    }

    /// Where it answers queries.
    pub fn http(&self) -> &str {
        self.peer.address.split_once(' ').unwrap().0
    }

    fn url(&self) -> String {
        format!("http://{}/graphql", self.http())
    }

    fn ws_url(&self) -> String {
        format!("ws://{}/graphql", self.peer.address.split_once(' ').unwrap().1)
    }

    /// Sends an event to whoever has subscribed.
    pub async fn fire(&mut self, number: u64) {
        self.peer.order(&format!("fire {number}")).await;
    }

    /// Sockets that are open, all there have been; operations that run, all there have been.
    pub async fn counts(&mut self) -> [usize; 4] {
        let answer = self.peer.order("counts").await;
        let counts: Vec<usize> = answer.split(' ').map(|n| n.parse().unwrap()).collect();
        counts.try_into().unwrap()
    }
}

/// An `artesian.yaml`, removed when dropped.
struct Config(PathBuf);

impl Config {
    fn create(service: &Service, init: &str) -> Self {
        let (url, ws_url) = (service.url(), service.ws_url());
        let name = format!("artesian-bench-{}-{}.yaml", std::process::id(), service.peer.pid());
        let file = std::env::temp_dir().join(name);
        let text = format!(
            "sources:\n  - name: ticks\n    graphql:\n      url: {url}\n      subscriptions:\n        \
             protocol: graphql-transport-ws\n        url: {ws_url}\n        \
             connection_init: {init}\n      limits: {{ sockets: 10000, operations_per_socket: 10000 }}\n"
        );
        std::fs::write(&file, text).unwrap();
        Self(file)
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
