//! Echoes every message, so that Autobahn's cases can be run against the codec of
//! `artesian-protocol` (`make autobahn`). Says its address as one line. Not part of the product.

use std::{io, net::SocketAddr};

use artesian_protocol::{
    Message,
    ws::{
        CloseState, Decoder, DecoderConfig, Deflate, Deflated, Event, Opcode, OutFrame, handshake,
    },
};
use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[tokio::main]
async fn main() -> io::Result<()> {
    let address: SocketAddr = std::env::args()
        .nth(1)
        .and_then(|a| a.parse().ok())
        .ok_or_else(|| io::Error::other("usage: artesian-autobahn ADDRESS:PORT"))?;
    let listener = TcpListener::bind(address).await?;
    #[expect(clippy::print_stdout, reason = "whoever starts it reads the port")]
    {
        println!("{}", listener.local_addr()?);
    }
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(async move {
            // A peer that breaks the connection is part of the cases.
            let _ = serve(socket).await;
        });
    }
}

async fn serve(mut socket: TcpStream) -> io::Result<()> {
    let mut input = BytesMut::new();
    let deflate = upgrade(&mut socket, &mut input).await?;
    // Autobahn sends messages of 16 MiB, and fragments of 64 bytes.
    let mut decoder = Decoder::new(DecoderConfig {
        max_message_bytes: 32 << 20,
        max_fragments: 1 << 20,
        deflate: deflate.is_some(),
        ..DecoderConfig::default()
    });
    let mut close = CloseState::new();
    loop {
        loop {
            let answer = match decoder.decode(&mut input) {
                Ok(Some(Event::Text(text))) => echo(deflate, Opcode::Text, text),
                Ok(Some(Event::Binary(bytes))) => echo(deflate, Opcode::Binary, bytes),
                Ok(Some(Event::Ping(payload))) => OutFrame::pong(payload),
                Ok(Some(Event::Pong(_))) => continue,
                Ok(Some(Event::Close(frame))) => match close.received(frame.as_ref()) {
                    Some(answer) => answer,
                    None => return Ok(()),
                },
                Ok(None) => break,
                Err(error) => {
                    if let Some(frame) = close.close(Some(error.close_code()), &error.to_string()) {
                        send(&mut socket, frame).await?;
                    }
                    return socket.shutdown().await;
                }
            };
            send(&mut socket, answer).await?;
            if close.is_finished() {
                return socket.shutdown().await;
            }
        }
        if socket.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    }
}

/// A message in three pieces, as the product sends them, compressed if that was agreed on. What is
/// longer than the client's window goes in stored blocks: kosoku takes a text that is not marked as
/// compressed for an error of its own.
fn echo(agreed: Option<Deflate>, opcode: Opcode, bytes: Bytes) -> OutFrame {
    let (a, b) = (bytes.len() / 16, bytes.len() - bytes.len() / 16);
    let message = Message::new(bytes.slice(..a), bytes.slice(a..b), bytes.slice(b..));
    let payload = match agreed {
        None => return OutFrame::unmasked(opcode, message),
        Some(agreed) if agreed.allows(message.payload.len()) => Deflated::new(&message.payload),
        Some(_) => Deflated::stored(&message.payload),
    };
    OutFrame::deflated(opcode, &message, &payload)
}

async fn send(socket: &mut TcpStream, mut frame: OutFrame) -> io::Result<()> {
    while frame.has_remaining() {
        socket.write_buf(&mut frame).await?;
    }
    Ok(())
}

/// Reads the request and answers it; what follows it stays in `input`. Gives the compression that was
/// agreed on.
async fn upgrade(socket: &mut TcpStream, input: &mut BytesMut) -> io::Result<Option<Deflate>> {
    let end = loop {
        if let Some(i) = input.windows(4).position(|w| w == b"\r\n\r\n") {
            break i + 4;
        }
        if socket.read_buf(input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head: Bytes = input.split_to(end).freeze();
    let text = String::from_utf8_lossy(&head);
    let headers: Vec<(&str, &[u8])> = text
        .lines()
        .skip(1)
        .filter_map(|l| l.split_once(':'))
        .map(|(n, v)| (n.trim(), v.trim().as_bytes()))
        .collect();
    let upgrade = handshake::check("GET", headers.iter().copied())
        .map_err(|e| io::Error::other(e.to_string()))?;
    let mut reply = String::from("HTTP/1.1 101 Switching Protocols\r\n");
    for (name, value) in upgrade.headers() {
        reply.push_str(&format!("{name}: {value}\r\n"));
    }
    reply.push_str("\r\n");
    socket.write_all(reply.as_bytes()).await?;
    Ok(upgrade.deflate)
}
