//! What is known of a WebSocket: who its client is at each moment, as far as its messages tell.
//!
//! The boundary between two identities is the server's acknowledgement of the second: before it a
//! result may belong to either, after it only to the second.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::parts::{Held, Operation, Pending, Protocol, Sign, Stop};
use crate::{
    common::{Common, Rest, is_over},
    judge::{Grant, SLACK},
    report::{Tally, Trace},
    watch::Failure,
};

/// One connection.
pub struct Model {
    /// What all share.
    pub common: Arc<Common>,
    /// The subprotocol.
    pub protocol: Protocol,
    /// What was sent so far.
    pub seq: u64,
    opened: SystemTime,
    held: Vec<Held>,
    /// Credentials without an answer.
    pub pending: VecDeque<Pending>,
    /// Operations by id.
    pub operations: BTreeMap<String, Operation>,
    /// The client itself leaves.
    pub is_leaving: bool,
    /// It is over.
    pub is_closed: bool,
    /// What happened.
    pub trace: Trace,
}

impl Model {
    /// A connection that is being opened.
    pub fn new(common: Arc<Common>, protocol: Protocol) -> Self {
        Self {
            common,
            protocol,
            seq: 0,
            opened: SystemTime::now(),
            held: Vec::new(),
            pending: VecDeque::new(),
            operations: BTreeMap::new(),
            is_leaving: false,
            is_closed: false,
            trace: Trace::default(),
        }
    }

    /// The number of the next message.
    pub fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// Adds a line to the trace.
    pub fn note(&mut self, text: impl Into<String>) {
        self.trace.line(&self.common.report, text);
    }

    /// Notes a violation.
    pub fn fail(&mut self, text: &str) {
        let trace = self.trace.text();
        self.common.report.fail(format!("{:?}: {text}\n{trace}", self.protocol));
    }

    /// Whether the client was accepted.
    pub fn is_accepted(&self) -> bool {
        !self.held.is_empty()
    }

    /// Those whose results may come now: of a live operation the last identity that is known to be in
    /// force, of a query the one under which it began and all since; and those that may be in force
    /// already.
    fn allowed(&self, seq: u64, is_live: bool) -> Vec<Grant> {
        let last = self.held.len().saturating_sub(1);
        let first = match is_live {
            true => last,
            false => self.held.iter().rposition(|held| held.seq < seq).unwrap_or(0),
        };
        let held = self.held[first..].iter().flat_map(|held| &held.grants);
        let mut grants: Vec<Grant> = held.copied().collect();
        grants.extend(self.possible());
        grants
    }

    fn possible(&self) -> Vec<Grant> {
        let now = SystemTime::now();
        let grants = |p: &Pending| self.common.judge.grants(&p.headers, p.sent, now);
        self.pending.iter().flat_map(grants).collect()
    }

    /// The server has acted on the first credentials that had no answer.
    fn accept(&mut self) {
        let Some(pending) = self.pending.pop_front() else {
            return self.fail("an acknowledgement of nothing");
        };
        let now = SystemTime::now();
        let grants = self.common.judge.grants(&pending.headers, pending.sent, now);
        if grants.is_empty() {
            return self.fail(&format!("bad credentials were accepted: {:?}", pending.headers));
        }
        self.note(format!("now {grants:?}"));
        if !self.held.is_empty() {
            Tally::count(&self.common.report.tally.refreshed);
        }
        self.held.push(Held { seq: pending.seq, grants, since: now });
    }

    /// The server has acted on all that was sent before that message.
    fn accept_before(&mut self, seq: u64) {
        while self.pending.front().is_some_and(|pending| pending.seq < seq) {
            self.accept();
        }
    }

    /// A message of the server.
    pub fn receive(&mut self, text: &str) {
        self.note(format!("< {text}"));
        let Ok(mut message) = serde_json::from_str::<Value>(text) else {
            return self.fail("no JSON");
        };
        if self.is_closed {
            return self.fail("a message after the end");
        }
        let kind = message["type"].as_str().unwrap_or_default().to_owned();
        let payload = message["payload"].take();
        match (kind.as_str(), message["id"].as_str()) {
            ("connection_ack", None) => self.accept(),
            ("ka", None) => {}
            ("pong", None) => self.pong(payload["n"].as_u64()),
            ("connection_error", None) => {
                if !self.may_be_refused() {
                    self.fail("a refusal without a reason");
                }
            }
            ("next" | "data" | "error" | "complete", Some(id)) => {
                let id = id.to_owned();
                self.answer(&id, &kind, payload);
            }
            _ => self.fail("not a message of the protocol"),
        }
    }

    fn pong(&mut self, number: Option<u64>) {
        let Some(number) = number else { return };
        if let Some(at) = self.pending.iter().position(|p| p.sign == Sign::Pong(number)) {
            let seq = self.pending[at].seq;
            self.accept_before(seq + 1);
        }
        self.operations.retain(|_, operation| operation.stopped != Some(Stop::Pong(number)));
    }

    fn answer(&mut self, id: &str, kind: &str, payload: Value) {
        let Some(mut operation) = self.operations.remove(id) else {
            return self.fail("a message of an operation that is over");
        };
        let is_ours = operation.stopped == Some(Stop::Complete) && kind == "complete";
        if is_ours {
            return;
        }
        // Nothing is started before the credentials that were sent before it have been checked.
        self.accept_before(operation.seq);
        if self.held.is_empty() {
            return self.fail("an answer to a stranger");
        }
        let is_live = operation.watch.run.is_live();
        let allowed = self.allowed(operation.seq, is_live);
        let watch = &mut operation.watch;
        let grace = if is_live { Duration::ZERO } else { self.common.grace };
        let result = match kind {
            "complete" => watch.complete(),
            "error" if payload.is_array() => watch.errors(&allowed, &payload),
            "error" => watch.errors(&allowed, &Value::Array(vec![payload])),
            _ if payload.get("errors").is_some() => watch.errors(&allowed, &payload["errors"]),
            _ => {
                let allowed = self.common.judge.bounded(&allowed);
                watch.result(&self.common.history, &allowed, grace, &payload["data"])
            }
        };
        let is_over = matches!(kind, "complete" | "error");
        let tally = &self.common.report.tally;
        Tally::count(match watch.failure {
            None => &tally.results,
            Some(Failure::Expired) => &tally.expired,
            Some(Failure::NotAllowed) => &tally.ended,
        });
        if !is_over {
            self.operations.insert(id.to_owned(), operation);
        }
        if let Err(text) = result {
            self.fail(&text);
        }
    }

    fn may_be_refused(&self) -> bool {
        let now = SystemTime::now();
        self.pending.iter().any(|p| self.common.judge.may_refuse(&p.headers, p.sent, now))
    }

    /// The connection has ended; 1006 without a close frame.
    pub fn closed(&mut self, code: u16, reason: &str) {
        self.note(format!("closed {code} {reason}"));
        self.is_closed = true;
        if self.is_leaving {
            return;
        }
        let judge = &self.common.judge;
        let held = self.held.iter().flat_map(|held| held.grants.iter().copied());
        let ever: Vec<Grant> = held.chain(self.possible()).collect();
        let tally = &self.common.report.tally;
        Tally::count(match (code, reason) {
            (_, "Forbidden: token expired") => &tally.expired,
            (_, "Forbidden: closed by the administrator") => &tally.revoked,
            (_, "Forbidden: the credentials are no longer accepted") => &tally.rotated,
            _ => &tally.refused,
        });
        let is_good = match (code, reason) {
            (4403, "Forbidden: token expired") => {
                // Fresh credentials that no message told of may have expired, too.
                let has_expired = |grant: &Grant| is_over(grant.expires, Duration::ZERO);
                self.held.last().is_some_and(|held| held.may(has_expired))
                    || self.possible().iter().any(has_expired)
            }
            (4403, "Forbidden: closed by the administrator") => {
                judge.was_closed(self.opened, |closing| ever.iter().any(|g| closing.means(g.who)))
            }
            (4403, "Forbidden: the credentials are no longer accepted") => {
                ever.iter().any(|grant| !judge.honours(grant.proof))
            }
            (4403, _) if self.protocol == Protocol::Modern => self.may_be_refused(),
            (1011, _) if self.protocol == Protocol::Legacy => self.may_be_refused(),
            (1013, _) => self.may_be_refused(),
            _ => false,
        };
        if !is_good {
            self.fail("closed without a reason");
        }
    }

    /// Whether it is as it should be while nothing is written.
    pub fn rest(&mut self, is_last: bool) -> Rest {
        if self.is_closed || self.common.report.has_failed() {
            return Rest::Settled;
        }
        let missing = |text: &str| Rest::Missing(text.to_owned());
        let Some(held) = self.held.last() else { return missing("the first answer") };
        let Grant { who, expires, .. } = held.grants[0];
        let judge = &self.common.judge;
        if judge.must_be_closed(who, held.since) {
            return missing("the end that the administrator ordered");
        }
        if !held.may(|grant| judge.honours(grant.proof)) {
            return missing("the end of who is no longer let in");
        }
        if !self.pending.is_empty() {
            return missing("an answer to fresh credentials");
        }
        if is_over(expires, Duration::ZERO) {
            let is_late = is_over(expires, self.common.grace + 2 * SLACK);
            return if is_last || is_late {
                missing("the end of who has expired")
            } else {
                Rest::Settled
            };
        }
        for operation in self.operations.values() {
            if operation.stopped.is_some() {
                return missing("the end of a stopped operation");
            }
            if let Some(text) = operation.watch.unsettled(&self.common.history, who) {
                return Rest::Missing(text);
            }
        }
        Rest::Settled
    }
}
