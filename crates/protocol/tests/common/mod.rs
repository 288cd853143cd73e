//! Runs scripts against a session. One step a line:
//!
//! | step | meaning |
//! |---|---|
//! | `> TEXT` | the client sends this text |
//! | `binary TEXT`, `pong` | the client sends a binary message; a pong frame arrives |
//! | `ok`, `ok JSON`, `refuse REASON`, `refuse` | the driver's answer to the authentication |
//! | `next A JSON`, `result A JSON`, `error A JSON`, `fail A JSON`, `done A` | the driver reports (`result`: the only one of a query); a leading `!`: the session must say that the operation is gone |
//! | `wait MS` | time passes, and timeouts are handled where they fall due |
//! | `shutdown`, `expire`, `broken REASON`, `lost`, `end CODE REASON` | the driver ends it |
//! | `< TEXT` | this text is sent |
//! | `auth`, `auth JSON` | authentication is asked for, for the first time |
//! | `again`, `again JSON`, `fresh JSON` | a repeated `connection_init`; fresh credentials |
//! | `start A QUERY`, `start A QUERY as JSON`, `stop A` | the driver is told to run an operation, under an identity of its own with `as`; or to cancel it |
//! | `wsping`, `close CODE REASON` | a ping frame; the end (`-`: no code; a reason that ends in `*`: anything may follow) |
//! | `init` | short for init, acknowledgement and, with the legacy protocol, the first `ka` |
//! | `set NAME N`, `set compat NAME` | a setting, before anything else |
//!
//! Before every input step and at the end no output may be left over.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use artesian_protocol::session::{AuthenticateKind, Compat, CompatProfile};
use artesian_protocol::{OperationKey, Output, Session, SessionConfig, Subprotocol};
use bytes::Bytes;

pub fn run(protocol: Subprotocol, rule: &str, script: &str) {
    let mut config = SessionConfig {
        // Most scripts are not about pings.
        ping_interval: None,
        keep_alive_interval: None,
        ..SessionConfig::default()
    };
    let lines: Vec<&str> = script.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let settings = lines.iter().take_while(|l| l.starts_with("set ")).count();
    for line in &lines[..settings] {
        let mut words = line.split(' ').skip(1);
        let (name, value) = (words.next().unwrap(), words.next().unwrap());
        if name == "compat" {
            let profiles: Vec<_> =
                value.split(',').map(|name| CompatProfile::from_name(name).unwrap()).collect();
            config.compat = Compat::of(&profiles);
            continue;
        }
        let n = value.parse::<u64>().unwrap();
        match name {
            "max_operations" => config.max_operations = n as usize,
            "max_id_bytes" => config.max_id_bytes = n as usize,
            "queue" => config.pre_ack_queue_bytes = n as usize,
            "ping" => config.ping_interval = Some(Duration::from_millis(n)),
            "ka" => config.keep_alive_interval = Some(Duration::from_millis(n)),
            _ => panic!("unknown setting {name}"),
        }
    }
    let with_ka = protocol == Subprotocol::Legacy || config.compat.ping_keep_alive;
    let ka = with_ka && config.keep_alive_interval.is_some();
    let now = Instant::now();
    let mut runner = Runner {
        at: rule.to_owned(),
        session: Session::new(protocol, config, now),
        now,
        keys: HashMap::new(),
    };
    for line in &lines[settings..] {
        runner.at = format!("{rule}\n  at: {line}");
        if *line == "init" {
            for step in [
                "> {\"type\":\"connection_init\"}",
                "auth",
                "ok",
                "< {\"type\":\"connection_ack\"}",
            ] {
                runner.step(step);
            }
            if ka {
                runner.step(match protocol {
                    Subprotocol::Legacy => r#"< {"type":"ka"}"#,
                    Subprotocol::TransportWs => {
                        r#"< {"type":"ping","payload":{"message":"keepalive"}}"#
                    }
                });
            }
        } else {
            runner.step(line);
        }
    }
    runner.nothing_left();
}

struct Runner {
    at: String,
    session: Session,
    now: Instant,
    keys: HashMap<String, OperationKey>,
}

impl Runner {
    fn step(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if matches!(word, "<" | "auth" | "again" | "fresh" | "start" | "stop" | "wsping" | "close")
        {
            let output = self.session.poll_output();
            let got = output.as_ref().map_or_else(|| "nothing".to_owned(), |o| self.show(o));
            if let Some(prefix) = line.strip_suffix('*') {
                assert!(got.starts_with(prefix), "{}\n got: {got}", self.at);
            } else if word == "start" {
                let (name, query) = rest.split_once(' ').unwrap();
                assert_eq!(got, format!("start {query}"), "{}", self.at);
                if let Some(Output::Start { key, .. }) = output {
                    assert!(!self.keys.values().any(|k| *k == key), "key used twice");
                    self.keys.insert(name.to_owned(), key);
                }
            } else {
                assert_eq!(got, line, "{}", self.at);
            }
            return;
        }
        self.nothing_left();
        match word {
            ">" => self.session.handle_text(self.now, rest.as_bytes()),
            "binary" => self.session.handle_binary(self.now, rest.as_bytes()),
            "pong" => self.session.handle_activity(self.now),
            "ok" if rest.is_empty() => self.session.authenticated(self.now, Ok(None)),
            "ok" => self.session.authenticated(self.now, Ok(Some(Bytes::from(rest.to_owned())))),
            "refuse" => self.session.authenticated(self.now, Err(rest.to_owned())),
            "shutdown" => self.session.shutdown(),
            "expire" => self.session.expire(),
            "broken" => self.session.fail(rest),
            "lost" => self.session.connection_lost(),
            "end" => {
                let (code, reason) = rest.split_once(' ').unwrap();
                self.session.close(code.parse().unwrap(), reason);
            }
            "wait" => self.wait(rest.parse().unwrap()),
            _ => self.report(word, rest),
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

    fn report(&mut self, word: &str, rest: &str) {
        let (word, alive) = match word.strip_prefix('!') {
            Some(word) => (word, false),
            None => (word, true),
        };
        let (name, json) = rest.split_once(' ').unwrap_or((rest, ""));
        let key = self.keys[name];
        let json = Bytes::from(json.to_owned());
        let got = match word {
            "next" => self.session.operation_next(key, json),
            "result" => {
                let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
                self.session.operation_result(key, json, value.get("errors").is_some())
            }
            "error" => self.session.operation_error(key, json),
            "fail" => self.session.operation_failed(key, json),
            "done" => self.session.operation_complete(key),
            _ => panic!("{}: unknown step", self.at),
        };
        assert_eq!(got, alive, "{}", self.at);
    }

    fn show(&self, output: &Output) -> String {
        match output {
            Output::Send(message) => {
                let text = message.to_bytes();
                serde_json::from_slice::<serde_json::Value>(&text).unwrap();
                format!("< {}", String::from_utf8(text.to_vec()).unwrap())
            }
            Output::WsPing => "wsping".into(),
            Output::Authenticate { payload, kind } => {
                let word = match kind {
                    AuthenticateKind::First => "auth",
                    AuthenticateKind::Repeated => "again",
                    AuthenticateKind::Refresh => "fresh",
                };
                let payload = payload.as_ref().map_or("", |payload| payload.get());
                format!("{word} {payload}").trim_end().to_owned()
            }
            Output::Start { request, init, .. } => {
                let extensions = request.extensions.as_ref();
                let credentials = extensions.and_then(|all| all.get("connectionInit"));
                assert!(credentials.is_none_or(|value| !value["headers"].is_object()));
                let init = init.as_ref().map(|init| format!(" as {init}")).unwrap_or_default();
                format!("start {}{init}", request.query.as_deref().unwrap_or("-"))
            }
            Output::Stop { key } => {
                let name = self.keys.iter().find(|(_, k)| *k == key);
                format!("stop {}", name.map_or("?", |(n, _)| n))
            }
            Output::Close { code, reason } => {
                assert!(reason.len() <= 123);
                let code = code.map_or_else(|| "-".to_owned(), |c| c.to_string());
                format!("close {code} {reason}").trim_end().to_owned()
            }
        }
    }

    fn nothing_left(&mut self) {
        if let Some(output) = self.session.poll_output() {
            panic!("{}\n unexpected before it: {}", self.at, self.show(&output));
        }
    }
}
