//! A frame decoder that follows RFC 6455, section 5, sentence by sentence, and has all bytes at
//! once. Slow and simple, so that it can be seen to be right.

use artesian_protocol::ws::{CloseFrame, DecoderConfig, Event, Role, close_code_is_valid};
use bytes::Bytes;

const PROTOCOL: u16 = 1002;
const NOT_UTF8: u16 = 1007;
const TOO_BIG: u16 = 1009;

/// The events, and the close code of the error that ends them.
pub fn decode(config: DecoderConfig, bytes: &[u8]) -> (Vec<Event>, Option<u16>) {
    let mut events = Vec::new();
    let error = frames(config, bytes, &mut events).err();
    (events, error)
}

/// A message whose last fragment has not come.
struct Unfinished {
    text: bool,
    data: Vec<u8>,
    fragments: usize,
}

fn frames(config: DecoderConfig, mut bytes: &[u8], events: &mut Vec<Event>) -> Result<(), u16> {
    let mut message: Option<Unfinished> = None;
    // Whatever is missing at the end is waited for.
    while let Some(first) = bytes.first().copied() {
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        let control = opcode >= 8;
        let wrong = first & 0x70 != 0
            || !matches!(opcode, 0..=2 | 8..=10)
            || (control && !fin)
            || (opcode == 0 && message.is_none())
            || (matches!(opcode, 1 | 2) && message.is_some());
        if wrong {
            return Err(PROTOCOL);
        }
        let Some(second) = bytes.get(1).copied() else {
            return Ok(());
        };
        let (masked, short) = (second & 0x80 != 0, second & 0x7f);
        if masked != (config.role == Role::Server) || (control && short > 125) {
            return Err(PROTOCOL);
        }
        let (length, header) = match short {
            126 => (number(bytes.get(2..4)), 4),
            127 => (number(bytes.get(2..10)), 10),
            _ => (Some(u64::from(short)), 2),
        };
        let Some(length) = length else {
            return Ok(());
        };
        let shortest = match length {
            0..126 => 2,
            126..0x1_0000 => 4,
            _ => 10,
        };
        if header != shortest || length >= 1 << 63 {
            return Err(PROTOCOL);
        }
        if !control {
            let (so_far, fragments) =
                message.as_ref().map_or((0, 0), |m| (m.data.len(), m.fragments));
            let sum = length.saturating_add(so_far as u64);
            if sum > config.max_message_bytes as u64 || fragments >= config.max_fragments {
                return Err(TOO_BIG);
            }
        }
        let mut rest = &bytes[header..];
        let mut key = [0; 4];
        if masked {
            let Some((found, after)) = rest.split_first_chunk::<4>() else {
                return Ok(());
            };
            (key, rest) = (*found, after);
        }
        let there = rest.len().min(length as usize);
        let payload: Vec<u8> =
            rest[..there].iter().zip(key.iter().cycle()).map(|(byte, k)| byte ^ k).collect();
        let whole = there as u64 == length;
        if control {
            if !whole {
                return Ok(());
            }
            let payload = Bytes::from(payload);
            match opcode {
                9 => events.push(Event::Ping(payload)),
                10 => events.push(Event::Pong(payload)),
                _ => {
                    events.push(Event::Close(close(&payload)?));
                    return Ok(());
                }
            }
        } else {
            let message_now = message.get_or_insert(Unfinished {
                text: opcode == 1,
                data: Vec::new(),
                fragments: 0,
            });
            message_now.data.extend_from_slice(&payload);
            message_now.fragments += 1;
            let utf8 = std::str::from_utf8(&message_now.data);
            // What more bytes cannot mend is an error at once.
            if message_now.text && utf8.is_err_and(|e| e.error_len().is_some()) {
                return Err(NOT_UTF8);
            }
            if !whole {
                return Ok(());
            }
            if fin && let Some(message) = message.take() {
                if message.text && std::str::from_utf8(&message.data).is_err() {
                    return Err(NOT_UTF8);
                }
                let data = Bytes::from(message.data);
                events.push(if message.text { Event::Text(data) } else { Event::Binary(data) });
            }
        }
        bytes = &rest[there..];
    }
    Ok(())
}

fn number(bytes: Option<&[u8]>) -> Option<u64> {
    Some(bytes?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

fn close(body: &[u8]) -> Result<Option<CloseFrame>, u16> {
    let Some((code, reason)) = body.split_first_chunk::<2>() else {
        return if body.is_empty() { Ok(None) } else { Err(PROTOCOL) };
    };
    let code = u16::from_be_bytes(*code);
    if !close_code_is_valid(code) {
        return Err(PROTOCOL);
    }
    let reason = String::from_utf8(reason.to_vec()).map_err(|_| NOT_UTF8)?;
    Ok(Some(CloseFrame { code, reason }))
}
