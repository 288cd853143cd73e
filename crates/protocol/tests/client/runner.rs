//! Runs scripts against a client's session. One step a line:
//!
//! | step | meaning |
//! |---|---|
//! | `sub A JSON`, `unsub A` | we subscribe and cancel; the first operation has the id 1 on the wire. A leading `!`: the session must refuse, or say that the operation is gone |
//! | `fresh JSON` | we send fresh credentials |
//! | `> TEXT`, `binary TEXT`, `pong` | the server sends this |
//! | `wait MS` | time passes, and timeouts are handled where they fall due |
//! | `end CODE REASON`, `gone CODE REASON` | we close; the server does, or the socket is gone (`-`: no code) |
//! | `ignored N` | so many messages were ignored so far |
//! | `< TEXT` | this text is sent |
//! | `acked`, `acked JSON` | the driver hears of the acknowledgement |
//! | `next A JSON`, `error A JSON`, `complete A`, `lost A REASON` | news of an operation |
//! | `wsping`, `close CODE REASON` | a ping frame; the end |
//! | `init` | short for init and its acknowledgement |
//! | `set NAME N` | a setting, before anything else; `set payload JSON`: that of `connection_init` |
//!
//! Before every input step and at the end no output may be left over.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use artesian_protocol::session::client::{ClientConfig, ClientOutput, ClientSession};
use artesian_protocol::{Message, OperationKey, Subprotocol};
use bytes::Bytes;

pub fn run_all(protocol: Subprotocol, scripts: &[(&str, &str)]) {
    let mut rules: Vec<_> = scripts.iter().map(|(rule, _)| *rule).collect();
    rules.sort_unstable();
    rules.dedup();
    assert_eq!(rules.len(), scripts.len(), "a rule is listed twice");
    for (rule, script) in scripts {
        run(protocol, rule, script);
    }
}

fn run(protocol: Subprotocol, rule: &str, script: &str) {
    // Most scripts are not about pings.
    let mut config = ClientConfig { ping_interval: None, ..ClientConfig::default() };
    let mut payload = None;
    let lines: Vec<&str> = script.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let settings = lines.iter().take_while(|l| l.starts_with("set ")).count();
    for line in &lines[..settings] {
        let (name, value) = line[4..].split_once(' ').unwrap();
        let n = || value.parse::<u64>().unwrap();
        match name {
            "payload" => payload = Some(Bytes::from(value.to_owned())),
            "max_operations" => config.max_operations = n() as usize,
            "queue" => config.max_waiting_bytes = n() as usize,
            "ping" => config.ping_interval = Some(Duration::from_millis(n())),
            _ => panic!("unknown setting {name}"),
        }
    }
    let now = Instant::now();
    let mut runner = Runner {
        at: rule.to_owned(),
        session: ClientSession::new(protocol, config, payload, now),
        now,
        keys: HashMap::new(),
    };
    for line in &lines[settings..] {
        runner.at = format!("{rule}\n  at: {line}");
        if *line == "init" {
            for step in
                [r#"< {"type":"connection_init"}"#, r#"> {"type":"connection_ack"}"#, "acked"]
            {
                runner.step(step);
            }
        } else {
            runner.step(line);
        }
    }
    runner.nothing_left();
}

struct Runner {
    at: String,
    session: ClientSession,
    now: Instant,
    keys: HashMap<String, OperationKey>,
}

impl Runner {
    fn step(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if matches!(
            word,
            "<" | "acked" | "next" | "error" | "complete" | "lost" | "wsping" | "close"
        ) {
            let output = self.session.poll_output();
            let got = output.map_or_else(|| "nothing".to_owned(), |o| self.show(o));
            assert_eq!(got, line, "{}", self.at);
            return;
        }
        self.nothing_left();
        let text = Bytes::from(rest.to_owned());
        match word {
            ">" => self.session.handle_text(self.now, text),
            "binary" => self.session.handle_binary(self.now, text),
            "pong" => self.session.handle_activity(self.now),
            "fresh" => self.session.refresh(text),
            "wait" => self.wait(rest.parse().unwrap()),
            "end" => {
                let (code, reason) = rest.split_once(' ').unwrap();
                self.session.close(code.parse().unwrap(), reason);
            }
            "gone" => {
                let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
                self.session.connection_lost(code.parse().ok(), reason);
            }
            "sub" => {
                let (name, request) = rest.split_once(' ').unwrap();
                let key = self.session.subscribe(Bytes::from(request.to_owned())).unwrap();
                assert!(self.session.is_live(key));
                assert!(self.keys.values().all(|other| *other != key), "key used twice");
                self.keys.insert(name.to_owned(), key);
            }
            "!sub" => assert!(self.session.subscribe(text).is_err(), "{}", self.at),
            "unsub" | "!unsub" => {
                let alive = self.session.unsubscribe(self.now, self.keys[rest]);
                assert_eq!(alive, word == "unsub", "{}", self.at);
            }
            "ignored" => {
                assert_eq!(self.session.ignored_messages().to_string(), rest, "{}", self.at);
            }
            _ => panic!("{}: unknown step", self.at),
        }
    }

    fn wait(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        // Early calls must do nothing.
        if self.session.next_timeout().is_none_or(|at| at > self.now) {
            self.session.handle_timeout(self.now);
            self.nothing_left();
        }
        while let Some(at) = self.session.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now);
        }
        self.now = until;
    }

    fn show(&self, output: ClientOutput) -> String {
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let name = |key: OperationKey| {
            self.keys.iter().find(|(_, k)| **k == key).map_or("?", |(name, _)| name.as_str())
        };
        let shown = match output {
            ClientOutput::Send(message) => {
                let message = Message::to_bytes(&message);
                serde_json::from_slice::<serde_json::Value>(&message).unwrap();
                format!("< {}", text(message))
            }
            ClientOutput::WsPing => "wsping".to_owned(),
            ClientOutput::Acknowledged { payload } => {
                format!("acked {}", text(payload.unwrap_or_default()))
            }
            ClientOutput::Next { key, payload } => {
                format!("next {} {}", name(key), text(payload))
            }
            ClientOutput::Error { key, errors } => {
                assert!(!self.session.is_live(key));
                let list: Vec<serde_json::Map<String, serde_json::Value>> =
                    serde_json::from_slice(&errors).unwrap();
                assert!(!list.is_empty());
                format!("error {} {}", name(key), text(errors))
            }
            ClientOutput::Complete { key } => {
                assert!(!self.session.is_live(key));
                format!("complete {}", name(key))
            }
            ClientOutput::Lost { key, reason } => {
                assert!(!self.session.is_live(key));
                format!("lost {} {reason}", name(key))
            }
            ClientOutput::Close { code, reason } => {
                assert!(self.session.is_closed() && self.session.next_timeout().is_none());
                format!("close {code} {reason}")
            }
        };
        shown.trim_end().to_owned()
    }

    fn nothing_left(&mut self) {
        if let Some(output) = self.session.poll_output() {
            panic!("{}\n unexpected before it: {}", self.at, self.show(output));
        }
    }
}
