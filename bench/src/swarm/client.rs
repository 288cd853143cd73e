//! One client: enough of a WebSocket and of `graphql-transport-ws` to follow one live query.

use std::{cell::RefCell, fmt, io};

use artesian_protocol::{
    Message,
    ws::{Decoder, DecoderConfig, Event, Opcode, OutFrame, Role},
};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};

/// The key of all masks. Nothing between these two processes is fooled by what clients send.
const MASK: [u8; 4] = *b"mask";

/// The subscription of the gateway's benchmark.
const TICKS: &str = "subscription { ticks { n at body } }";

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; 64 << 10].into());
}

/// Why a client did not reach its goal.
#[derive(Debug)]
pub enum Failure {
    /// Refused for now: it may come again after so many seconds.
    Later(u64),
    /// The socket broke or was closed.
    Lost(io::Error),
    /// What came was not what was asked for.
    Unexpected(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Later(seconds) => write!(f, "refused for {seconds} s"),
            Self::Lost(error) => write!(f, "socket lost: {error}"),
            Self::Unexpected(what) => write!(f, "unexpected: {what}"),
        }
    }
}

/// A connected client.
pub struct Client {
    stream: TcpStream,
    decoder: Decoder,
    input: BytesMut,
}

impl Client {
    /// A TCP connection. Sixty thousand ports are not many: sources differ by `number`.
    pub async fn connect(address: &str, number: usize) -> Result<Self, Failure> {
        let socket = TcpSocket::new_v4()?;
        socket.set_nodelay(true)?;
        let source = format!("127.0.{}.{}:0", number / 200 % 200, 1 + number % 200);
        socket.bind(source.parse().unwrap())?;
        let stream = socket.connect(address.parse().unwrap()).await?;
        let config = DecoderConfig { role: Role::Client, ..DecoderConfig::default() };
        Ok(Self { stream, decoder: Decoder::new(config), input: BytesMut::new() })
    }

    /// Its end is a reset: nothing is said and nothing waits to be sent.
    pub fn abandon(&self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// The upgrade, and `init`, which is `connection_init`, until its acknowledgement.
    pub async fn acknowledge(&mut self, init: &str) -> Result<(), Failure> {
        self.stream
            .write_all(
                b"GET /graphql HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\n\
                  Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                  Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n",
            )
            .await?;
        let end = loop {
            if let Some(at) = self.input.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            self.fill().await?;
        };
        let head = self.input.split_to(end);
        if !head.starts_with(b"HTTP/1.1 101") {
            return Err(refusal(&String::from_utf8_lossy(&head)));
        }
        self.send(init.to_owned()).await?;
        let ack = self.text().await?;
        if !ack.windows(16).any(|w| w == b"\"connection_ack\"") {
            return Err(Failure::Unexpected(String::from_utf8_lossy(&ack).into_owned()));
        }
        Ok(())
    }

    /// Asks for a row and waits for the first result.
    pub async fn subscribe(&mut self, row: usize) -> Result<(), Failure> {
        self.send(format!(
            r#"{{"id":"1","type":"subscribe","payload":{{"query":"subscription Note($id: Int!) {{ bench_notes_by_pk(id: $id) {{ id body }} }}","variables":{{"id":{row}}}}}}}"#
        ))
        .await?;
        let first = self.text().await?;
        if !is_result(&first) {
            return Err(Failure::Unexpected(String::from_utf8_lossy(&first).into_owned()));
        }
        Ok(())
    }

    /// Asks for the events of the gateway's benchmark, of which none comes by itself.
    pub async fn follow(&mut self, number: usize) -> Result<(), Failure> {
        self.send(format!(
            r#"{{"id":"{number}","type":"subscribe","payload":{{"query":"{TICKS}"}}}}"#
        ))
        .await
    }

    /// The next event: its number, and when it was sent.
    pub async fn tick(&mut self) -> Result<(u64, u64), Failure> {
        let text = self.text().await?;
        let tick = if is_result(&text) { Some(&text[..]).and_then(tick) } else { None };
        tick.ok_or_else(|| Failure::Unexpected(String::from_utf8_lossy(&text).into_owned()))
    }

    /// The number of results that came together, at least one.
    pub async fn results(&mut self) -> Result<u64, Failure> {
        loop {
            let mut results = 0;
            while let Some(text) = self.decode().await? {
                if !is_result(&text) {
                    return Err(Failure::Unexpected(String::from_utf8_lossy(&text).into_owned()));
                }
                results += 1;
            }
            if results > 0 {
                return Ok(results);
            }
            self.fill().await?;
        }
    }

    async fn send(&mut self, text: String) -> Result<(), Failure> {
        self.write(OutFrame::masked(Opcode::Text, &Message::whole(text), MASK)).await
    }

    async fn write(&mut self, frame: OutFrame) -> Result<(), Failure> {
        Ok(self.stream.write_all(&frame.to_bytes()).await?)
    }

    async fn text(&mut self) -> Result<Bytes, Failure> {
        loop {
            if let Some(text) = self.decode().await? {
                return Ok(text);
            }
            self.fill().await?;
        }
    }

    /// The next text among what has arrived. Pings are answered on the way.
    async fn decode(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let event = self.decoder.decode(&mut self.input);
            match event.map_err(|error| Failure::Unexpected(error.to_string()))? {
                None => {
                    if self.input.is_empty() {
                        self.input = BytesMut::new();
                    }
                    return Ok(None);
                }
                Some(Event::Text(text)) => return Ok(Some(text)),
                Some(Event::Ping(payload)) => {
                    let pong = Message::whole(payload);
                    self.write(OutFrame::masked(Opcode::Pong, &pong, MASK)).await?;
                }
                Some(Event::Close(frame)) => {
                    return Err(match frame {
                        Some(frame) if frame.code == 1013 => Failure::Later(1),
                        frame => Failure::Unexpected(format!("{frame:?}")),
                    });
                }
                Some(Event::Binary(_) | Event::Pong(_)) => {}
            }
        }
    }

    async fn fill(&mut self) -> Result<(), Failure> {
        loop {
            self.stream.readable().await?;
            let Self { stream, input, .. } = self;
            let read = SCRATCH.with_borrow_mut(|scratch| {
                let count = stream.try_read(scratch)?;
                input.extend_from_slice(&scratch[..count]);
                Ok::<_, io::Error>(count)
            });
            match read {
                Ok(0) => return Err(Failure::Lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The number and the time of an event of which nothing else has such members.
fn tick(text: &[u8]) -> Option<(u64, u64)> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, n) = text.split_once(r#""n":"#)?;
    let (_, at) = text.split_once(r#""at":""#)?;
    let number = |text: &str| text.split([',', '"', '}']).next()?.parse().ok();
    Some((number(n)?, number(at)?))
}

fn is_result(text: &[u8]) -> bool {
    text[..text.len().min(40)].windows(6).any(|w| w == b"\"next\"")
}

fn refusal(head: &str) -> Failure {
    let head = head.to_ascii_lowercase();
    let wait = head.lines().find_map(|line| line.strip_prefix("retry-after:"));
    match wait.and_then(|seconds| seconds.trim().parse().ok()) {
        Some(seconds) => Failure::Later(seconds),
        None => Failure::Unexpected(head.lines().next().unwrap_or_default().to_owned()),
    }
}
