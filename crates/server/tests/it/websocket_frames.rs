//! Frames that no library sends, and the opening and closing handshakes.

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    TestServer,
    socket::{LEGACY, MODERN, RawSocket, frame},
    start,
};

const INIT: &str = r#"{"type":"connection_init"}"#;
const ACK: &[u8] = br#"{"type":"connection_ack"}"#;

async fn raw(server: &TestServer) -> RawSocket {
    let mut socket = RawSocket::connect(server.address, MODERN, b"").await;
    socket.text(INIT).await;
    assert_eq!(socket.frame().await, (0x81, ACK.to_vec()));
    socket
}

#[tokio::test]
async fn violations_close_with_their_code_and_cancel() {
    let server = start().await;
    let mut too_long = vec![0x81, 0xff];
    too_long.extend_from_slice(&(1_u64 << 40).to_be_bytes());
    let mut unmasked = frame(0x81, b"");
    unmasked[1] = 0;
    let rows: Vec<(Vec<u8>, u16)> = vec![
        (frame(0x81, b"\xff\xfe"), 1007),
        (frame(0x81, b"\xed\xa0\x80"), 1007),
        // Found before the message is whole.
        (frame(0x01, b"\xc0\xaf"), 1007),
        (too_long, 1009),
        (frame(0x81, &vec![b' '; (1 << 20) + 1]), 1009),
        (unmasked, 1002),
        (frame(0xc1, b"{}"), 1002),
        (frame(0x83, b""), 1002),
        (frame(0x80, b""), 1002),
        (frame(0x09, b""), 1002),
        (frame(0x88, b"\x03"), 1002),
        (frame(0x88, &[0x03, 0xed]), 1002),
        (frame(0x82, b"{}"), 4400),
    ];
    for (n, (bytes, code)) in rows.iter().enumerate() {
        let mut socket = raw(&server).await;
        let subscribe =
            format!(r#"{{"id":"1","type":"subscribe","payload":{{"query":"live {n}"}}}}"#);
        socket.text(&subscribe).await;
        socket.frame().await;
        // The rest of a message that is too long may meet a closed socket.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut socket.stream, bytes).await;
        assert_eq!(socket.closed().await, *code, "row {n}");
        server.fake.happened(&format!("drop {n}")).await;
    }
}

#[tokio::test]
async fn many_small_fragments_are_too_many() {
    let server = start().await;
    let mut socket = raw(&server).await;
    socket.write(&frame(0x01, b"")).await;
    let fragments: Vec<u8> = (0..2000).flat_map(|_| frame(0x00, b"")).collect();
    let _ = tokio::io::AsyncWriteExt::write_all(&mut socket.stream, &fragments).await;
    assert_eq!(socket.closed().await, 1009);
}

#[tokio::test]
async fn fragments_with_a_ping_between_and_byte_by_byte() {
    let server = start().await;
    let mut socket = raw(&server).await;
    let text = r#"{"id":"é","type":"subscribe","payload":{"query":"mutation"}}"#.as_bytes();
    // The cut goes through a character.
    let (left, right) = text.split_at(8);
    let mut bytes = frame(0x01, left);
    bytes.extend(frame(0x89, b"here?"));
    bytes.extend(frame(0x80, right));
    for byte in bytes {
        socket.write(&[byte]).await;
    }
    assert_eq!(socket.frame().await, (0x8a, b"here?".to_vec()));
    let next = r#"{"id":"é","type":"next","payload":{"data":true}}"#;
    assert_eq!(socket.frame().await, (0x81, next.as_bytes().to_vec()));
    assert_eq!(socket.frame().await.0, 0x81);
}

#[tokio::test]
async fn results_of_every_length_form() {
    let server = start().await;
    let mut socket = raw(&server).await;
    for length in [1, 100, 200, 70_000, 3 << 20] {
        let payload = format!("{{\"data\":\"{}\"}}", "x".repeat(length));
        server.fake.publish("a", payload.clone());
        socket.text(r#"{"id":"1","type":"subscribe","payload":{"query":"raw a"}}"#).await;
        let expected = format!(r#"{{"id":"1","type":"next","payload":{payload}}}"#);
        let (first, text) = socket.frame().await;
        assert!(first == 0x81 && text == expected.as_bytes(), "{length}");
        assert_eq!(socket.frame().await.1, br#"{"id":"1","type":"complete"}"#);
    }
}

#[tokio::test]
async fn close_frames_are_answered_and_end_the_connection() {
    let server = start().await;
    for payload in [&b""[..], &[0x03, 0xe8], b"\x0f\xa0bye"] {
        let mut socket = raw(&server).await;
        socket.write(&frame(0x88, payload)).await;
        let code = payload.get(..2).unwrap_or_default();
        assert_eq!(socket.frame().await, (0x88, code.to_vec()));
        // The server ends the TCP connection, without waiting.
        assert_eq!(socket.stream.read(&mut [0]).await.unwrap(), 0);
    }
    let closed = |code: u16| {
        format!("artesian_connections_closed_total{{transport=\"{MODERN}\",code=\"{code}\"}}")
    };
    for code in [1000, 1005, 4000] {
        server.sample_becomes(&closed(code), 1.0).await;
    }
}

#[tokio::test]
async fn binary_messages() {
    let server = start().await;
    let mut legacy = server.socket(LEGACY).await;
    legacy.send_raw(Message::binary("{}")).await;
    assert_eq!(legacy.next().await["type"], "connection_error");
    legacy.nothing_more().await;
}

#[tokio::test]
async fn bad_upgrades() {
    let server = start().await;
    let good = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let rows = [
        ("Connection", "close", 400),
        ("Sec-WebSocket-Version", "8", 426),
        ("Sec-WebSocket-Key", "short", 400),
    ];
    for (name, value, status) in rows {
        let mut head = String::from("GET /graphql HTTP/1.1\r\nHost: x\r\n");
        for (other, good) in good {
            let value = if other == name { value } else { good };
            head.push_str(&format!("{other}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let count = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..count]).to_lowercase();
        assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{answer}");
        assert!(status != 426 || answer.contains("sec-websocket-version: 13"), "{answer}");
    }
    let elsewhere = "GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n";
    assert!(server.raw(elsewhere.as_bytes()).await.starts_with("HTTP/1.1 404 "));
    // The alias takes upgrades too; nothing else was opened.
    let mut socket = server.connect(MODERN, &[]).await;
    socket.init(Value::Null).await;
}
