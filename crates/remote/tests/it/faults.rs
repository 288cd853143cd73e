//! What services do wrong on a WebSocket. Event streams and bodies: `streams.rs`; HTTP: `http.rs`.

use std::time::Duration;

use artesian_protocol::{Message, ws::OutFrame};
use artesian_remote::{End, Reconnect, RemoteError, Transport, error::Step};
use bytes::Bytes;
use tokio::time::Instant;

use crate::support::{
    Service, config, credentials, end, event, next, peer::WsPeer, settle, subscription,
};

const MODERN: &str = "graphql-transport-ws";

/// Subscribes and plays the service up to the upgrade; gives the end that the client gets.
async fn failed_by(play: impl AsyncFnOnce(&Service)) -> End {
    failed_with(Transport::TransportWs, play).await
}

async fn failed_with(transport: Transport, play: impl AsyncFnOnce(&Service)) -> End {
    let service = Service::new();
    let mut config = config(transport);
    config.retry.attempts = 0;
    config.reconnect = Reconnect::Error;
    let client = service.client(config);
    let mut running = client.subscribe(subscription("{ n }"), credentials("secret")).unwrap();
    play(&service).await;
    let end = end(&mut running).await;
    settle().await;
    assert_eq!(client.stats().subscriptions, 0);
    assert!(!format!("{end:?}").contains("secret"));
    end
}

fn refused(code: Option<u16>, reason: &str) -> End {
    End::Failed(RemoteError::Refused { code, reason: reason.into() })
}

fn timeout(what: Step, seconds: u64) -> End {
    End::Failed(RemoteError::Timeout { what, limit: Duration::from_secs(seconds) })
}

#[tokio::test(start_paused = true)]
async fn upgrades_that_fail() {
    for (status, kind, body, expected) in [
        (401, "text/plain", "no", refused(Some(401), "")),
        (403, "text/plain", "no", refused(Some(403), "")),
        (200, "text/html", "<html>", End::Failed(RemoteError::Status(200))),
        (404, "text/html", "<html>", End::Failed(RemoteError::Status(404))),
        (302, "text/html", "", End::Failed(RemoteError::Redirect(302))),
        (503, "text/html", "", End::Failed(RemoteError::Status(503))),
    ] {
        let end = failed_by(async |service| {
            let mut peer = service.accept().await;
            peer.request().await;
            peer.respond(status, kind, body).await;
        });
        assert_eq!(end.await, expected, "{status}");
    }
    for answer in [
        // The accept value of another handshake.
        "HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        "HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    ] {
        let end = failed_by(async |service| {
            let mut peer = service.accept().await;
            peer.request().await;
            peer.send(answer).await;
        });
        let end = end.await;
        assert!(matches!(end, End::Failed(RemoteError::Protocol(_))), "{end:?}");
    }
    for answer in ["SSH-2.0-OpenSSH_9.2\r\n", "", "HTTP/1.1 101"] {
        let end = failed_by(async |service| {
            let mut peer = service.accept().await;
            peer.request().await;
            peer.send(answer).await;
        });
        let end = end.await;
        assert!(matches!(end, End::Failed(RemoteError::Unreachable(_))), "{answer} {end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn services_that_never_answer() {
    let start = Instant::now();
    let end = failed_by(async |service| {
        let mut peer = service.accept().await;
        peer.request().await;
        peer.gone().await;
    });
    assert_eq!(end.await, timeout(Step::Connect, 5));
    assert_eq!(start.elapsed().as_secs(), 5);

    // One byte a second.
    let end = failed_by(async |service| {
        let mut peer = service.accept().await;
        peer.request().await;
        for byte in "HTTP/1.1 101 Switching Protocols\r\n".bytes() {
            if !peer.send([byte]).await {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    assert_eq!(end.await, timeout(Step::Connect, 5));

    let end = failed_by(async |service| {
        let mut ws = service.accept().await.upgrade(Some(MODERN)).await;
        assert_eq!(ws.closed().await, Some(4504));
    });
    assert_eq!(end.await, timeout(Step::Acknowledge, 10));

    // A message of one byte a second.
    let end = failed_by(async |service| {
        let (mut ws, _) = service.accept().await.welcome(MODERN).await;
        ws.started().await;
        let frame = OutFrame::text(Message::whole("x".repeat(100))).to_bytes();
        for byte in frame {
            if !ws.peer.send([byte]).await {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    assert_eq!(end.await, timeout(Step::FinishMessage, 30));
}

#[tokio::test(start_paused = true)]
async fn refusals() {
    let refuse = async |message: &str, code: Option<u16>| {
        failed_by(async |service| {
            let mut ws = service.accept().await.upgrade(Some(MODERN)).await;
            ws.message().await;
            if !message.is_empty() {
                ws.text(message).await;
            }
            if let Some(code) = code {
                ws.close(code, "why").await;
            }
        })
        .await
    };
    let error = r#"{"type":"connection_error","payload":{"message":"Forbidden\n"}}"#;
    assert_eq!(refuse(error, Some(1011)).await, refused(None, "Forbidden"));
    assert_eq!(refuse("", Some(4401)).await, refused(Some(4401), "why"));
    assert_eq!(refuse("", Some(4403)).await, refused(Some(4403), "why"));
    for code in [4400, 4406, 4409, 4429, 1002] {
        let end = refuse("", Some(code)).await;
        assert!(matches!(end, End::Failed(RemoteError::Protocol(_))), "{code} {end:?}");
    }
    for code in [1000, 1001, 1011, 1012, 4408, 4500] {
        let lost = RemoteError::Lost { code: Some(code), reason: "why".into() };
        assert_eq!(refuse("", Some(code)).await, End::Failed(lost), "{code}");
    }
}

/// Two operations on one socket; what the service does to the first must not harm the second.
async fn bystander(transport: Transport, play: impl AsyncFnOnce(&mut WsPeer, &str)) -> u64 {
    let service = Service::new();
    let client = service.client(config(transport));
    let mut victim = client.subscribe(subscription("{ victim }"), credentials("a")).unwrap();
    let mut other = client.subscribe(subscription("{ other }"), credentials("a")).unwrap();
    let (protocol, kind) = match transport {
        Transport::LegacyWs => ("graphql-ws", "data"),
        _ => (MODERN, "next"),
    };
    let (mut ws, _) = service.accept().await.welcome(protocol).await;
    let [id, other_id] = ws.started_as(["{ victim }", "{ other }"]).await;
    play(&mut ws, &id).await;
    ws.next(kind, &other_id, 7).await;
    assert_eq!(event(&mut other).await, next(r#"{"data":{"n":7}}"#));
    ws.text(format!(r#"{{"type":"complete","id":"{other_id}"}}"#)).await;
    assert_eq!(end(&mut other).await, End::Complete);
    // And the first one still works, or has ended once.
    ws.next(kind, &id, 8).await;
    ws.text(format!(r#"{{"type":"complete","id":"{id}"}}"#)).await;
    loop {
        match event(&mut victim).await {
            artesian_remote::Event::End(_) => break,
            artesian_remote::Event::Next(payload) => {
                assert!(payload.starts_with(b"{\"data\""), "{payload:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(service.dialled(), 1);
    client.stats().junk
}

#[tokio::test(start_paused = true)]
async fn junk_harms_nobody() {
    for transport in [Transport::TransportWs, Transport::LegacyWs] {
        for message in [
            "",
            "<html>",
            "null",
            "[]",
            "{}",
            "{\"type\":1}",
            "{\"id\":\"ID\",\"type\":\"next\",\"payload\":{\"data\":",
            "{\"id\":\"ID\",\"type\":\"next\"}",
            "{\"id\":\"ID\",\"type\":\"next\",\"payload\":[]}",
            "{\"id\":\"99\",\"type\":\"next\",\"payload\":{\"data\":{}}}",
            "{\"id\":\"99\",\"type\":\"complete\"}",
            "{\"id\":\"99\",\"type\":\"error\",\"payload\":[]}",
            "{\"id\":null,\"type\":\"next\",\"payload\":{\"data\":{}}}",
            "{\"id\":{\"a\":1},\"type\":\"next\",\"payload\":{\"data\":{}}}",
            "{\"type\":\"connection_ack\"}",
            "{\"type\":\"connection_error\",\"payload\":{\"message\":\"x\"}}",
            "{\"id\":\"ID\",\"type\":\"subscribe\",\"payload\":{}}",
            "{\"type\":\"unknown\"}",
        ] {
            let junk = bystander(transport, async |ws: &mut WsPeer, id: &str| {
                ws.text(message.replace("ID", id)).await;
            });
            assert_eq!(junk.await, 1, "{transport:?} {message}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_the_end_is_nobodys() {
    for transport in [Transport::TransportWs, Transport::LegacyWs] {
        for end in [
            r#"{"id":"ID","type":"complete"}"#,
            r#"{"id":"ID","type":"complete","payload":null}"#,
            r#"{"id":"ID","type":"error","payload":[{"message":"x"}]}"#,
            r#"{"id":"ID","type":"error","payload":{"message":"x"}}"#,
            r#"{"id":"ID","type":"error","payload":"x"}"#,
        ] {
            let junk = bystander(transport, async |ws: &mut WsPeer, id: &str| {
                for _ in 0..2 {
                    ws.text(end.replace("ID", id)).await;
                    ws.next("next", id, 1).await;
                    ws.next("data", id, 1).await;
                }
            });
            // All but the first end, and what the bystander's test sends for the dead operation.
            assert_eq!(junk.await, 5, "{transport:?} {end}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn odd_messages_that_can_be_understood() {
    for transport in [Transport::TransportWs, Transport::LegacyWs] {
        for message in [
            r#"{"id":ID,"type":"next","payload":{"data":{"n":1}}}"#,
            r#"{"id":"ID","type":"data","payload":{"data":{"n":1}},"extra":true}"#,
            r#"{"type":"pong"}"#,
        ] {
            let junk = bystander(transport, async |ws: &mut WsPeer, id: &str| {
                ws.text(message.replace("ID", id)).await;
            });
            assert_eq!(junk.await, 0, "{transport:?} {message}");
        }
        let junk = bystander(transport, async |ws: &mut WsPeer, id: &str| {
            let text = format!(r#"{{"id":"{id}","type":"next","payload":{{"data":{{}}}}}}"#);
            let frame = OutFrame::binary(Message::whole(text)).to_bytes();
            ws.peer.send(frame).await;
            let frame = OutFrame::binary(Message::whole(vec![0xff; 100])).to_bytes();
            ws.peer.send(frame).await;
        });
        assert_eq!(junk.await, 1, "binary frames");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ka_or_a_ping_before_the_ack() {
    for (transport, protocol, kind) in
        [(Transport::LegacyWs, "graphql-ws", "data"), (Transport::TransportWs, MODERN, "next")]
    {
        let service = Service::new();
        let client = service.client(config(transport));
        let mut running = client.subscribe(subscription("{ n }"), credentials("a")).unwrap();
        let mut ws = service.accept().await.upgrade(Some(protocol)).await;
        ws.message().await;
        for early in [
            r#"{"type":"ka"}"#,
            r#"{"type":"pong"}"#,
            r#"{"id":"1","type":"next","payload":{"data":{}}}"#,
            r#"{"id":"1","type":"complete"}"#,
            "<html>",
            r#"{"type":"connection_ack"}"#,
        ] {
            ws.text(early).await;
        }
        let (id, _) = ws.started().await;
        ws.next(kind, &id, 1).await;
        assert_eq!(event(&mut running).await, next(r#"{"data":{"n":1}}"#));
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_whose_kas_stop() {
    let start = Instant::now();
    let end = failed_with(Transport::LegacyWs, async |service| {
        let (mut ws, _) = service.accept().await.welcome("graphql-ws").await;
        ws.started().await;
        ws.text(r#"{"type":"ka"}"#).await;
        // Its machine still answers pings.
        assert_eq!(ws.closed().await, Some(4499));
    });
    assert_eq!(end.await, End::Failed(RemoteError::Silent));
    assert_eq!(start.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn frames_against_the_protocol() {
    for (bytes, code) in [
        // Masked, reserved bits, an unknown opcode, a lone continuation, text that is no UTF-8.
        (&[0x81, 0x81, 0, 0, 0, 0, b'x'][..], 1002),
        (&[0xf1, 0x00], 1002),
        (&[0x83, 0x00], 1002),
        (&[0x80, 0x00], 1002),
        (&[0x81, 0x01, 0xff], 1007),
    ] {
        let end = failed_by(async |service| {
            let (mut ws, _) = service.accept().await.welcome(MODERN).await;
            ws.started().await;
            ws.peer.send(bytes).await;
            assert_eq!(ws.closed().await, Some(code), "{bytes:?}");
        });
        let end = end.await;
        assert!(matches!(end, End::Failed(RemoteError::Protocol(_))), "{end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_of_50_mb_is_not_taken() {
    let end = failed_by(async |service| {
        let (mut ws, _) = service.accept().await.welcome(MODERN).await;
        ws.started().await;
        let frame = OutFrame::text(Message::whole(Bytes::from(vec![b'x'; 50 << 20])));
        let mut sent = 0;
        for piece in frame.to_bytes().chunks(1 << 16) {
            if !ws.peer.send(piece).await {
                break;
            }
            sent += piece.len();
        }
        assert!(sent < 1 << 20, "{sent}");
    });
    assert_eq!(end.await, End::Failed(RemoteError::TooLarge(4 << 20)));
    // In fragments.
    let end = failed_by(async |service| {
        let (mut ws, _) = service.accept().await.welcome(MODERN).await;
        ws.started().await;
        let mut first = true;
        loop {
            let mut frame = vec![u8::from(first), 127];
            frame.extend((1_u64 << 20).to_be_bytes());
            frame.extend(vec![b'x'; 1 << 20]);
            first = false;
            if !ws.peer.send(&frame).await {
                break;
            }
        }
    });
    assert_eq!(end.await, End::Failed(RemoteError::TooLarge(4 << 20)));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pings_from_a_service_that_does_not_read() {
    let end = failed_by(async |service| {
        let (mut ws, _) = service.accept().await.welcome(MODERN).await;
        ws.started().await;
        let pings = OutFrame::ping(Bytes::from(vec![b'x'; 125])).to_bytes().repeat(100);
        let mut sent = 0;
        while ws.peer.send(&pings).await {
            sent += pings.len();
        }
        assert!(sent < 16 << 20, "what is kept is bounded: {sent}");
    });
    assert_eq!(end.await, timeout(Step::Read, 30));
}
