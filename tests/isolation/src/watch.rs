//! The rules that the results of one operation are held to.

use std::time::SystemTime;

use serde_json::Value;

use crate::{
    document::{Document, Run},
    history::History,
    judge::{Grant, SLACK},
    who::Who,
};

/// An operation, and what came of it.
pub struct Watch {
    /// What was asked.
    pub document: Document,
    /// How.
    pub run: Run,
    /// When it was sent.
    pub sent: SystemTime,
    /// The last result, and whose it was taken for.
    pub last: Option<(Who, Value)>,
    /// The commit that the last result is from, or one before it.
    from: usize,
    /// It was refused or ended with errors.
    pub failure: Option<Failure>,
}

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Its client may not run it.
    NotAllowed,
    /// Its client's credentials have expired.
    Expired,
}

impl Watch {
    /// An operation that is being sent.
    pub fn new(document: Document, run: Run) -> Self {
        let sent = SystemTime::now();
        Self { document, run, sent, last: None, from: 0, failure: None }
    }

    /// A result has come, and belongs to one of these identities. What was committed later than
    /// `grace` after the end of an identity cannot be its.
    pub fn result(
        &mut self,
        history: &History,
        allowed: &[Grant],
        grace: std::time::Duration,
        data: &Value,
    ) -> Result<(), String> {
        if self.failure.is_some() {
            return Err("a result after an error".to_owned());
        }
        match &self.last {
            Some(_) if !self.run.is_live() => return Err("a second result of a query".to_owned()),
            Some((_, last)) if last == data => return Err("the same result twice".to_owned()),
            _ => {}
        }
        let mut late = None;
        for grant in allowed {
            let is_known = self.last.as_ref().is_some_and(|(who, _)| *who == grant.who);
            let from = if is_known { self.from } else { 0 };
            let Some(commit) = history.find(grant.who, self.document, data, from) else { continue };
            let end = grant.expires.map(|expires| expires + SLACK);
            let began = history.began(commit);
            if end.is_some_and(|end| self.sent > end || began > end + grace) {
                let since = |time: SystemTime| time.duration_since(grant.expires?).ok();
                late = Some(format!(
                    "\n  which had expired: the operation was sent {:?} later, the rows were written {:?} later",
                    since(self.sent),
                    since(began)
                ));
                continue;
            }
            self.last = Some((grant.who, data.clone()));
            self.from = commit;
            return Ok(());
        }
        let last = self.last.as_ref().map(|(who, _)| format!("{who:?} at {}", self.from));
        Err(format!(
            "a result that is not for this client\n  {:?} {:?}\n  allowed: {allowed:?} {}\n  \
             it is for: {}\n  the last was for: {last:?}\n  {data}",
            self.document,
            self.run,
            late.unwrap_or_default(),
            history.explain(self.document, data),
        ))
    }

    /// Errors have come in the place of a result.
    pub fn errors(&mut self, allowed: &[Grant], errors: &Value) -> Result<(), String> {
        let now = SystemTime::now();
        let code = errors[0]["extensions"]["code"].as_str();
        let is_expiry = code == Some("invalid-jwt");
        self.failure = Some(if is_expiry { Failure::Expired } else { Failure::NotAllowed });
        let is_legitimate = allowed.iter().any(|grant| {
            let has_expired = grant.expires.is_some_and(|expires| expires <= now + SLACK);
            !self.document.is_for(grant.who) || (has_expired && is_expiry)
        });
        if is_legitimate {
            return Ok(());
        }
        Err(format!(
            "an error without a reason\n  {:?} {:?}\n  allowed: {allowed:?}\n  {errors}",
            self.document, self.run
        ))
    }

    /// It has completed.
    pub fn complete(&self) -> Result<(), String> {
        match (self.failure, self.run, &self.last) {
            (Some(_), ..) | (None, Run::Once, Some(_)) => Ok(()),
            (_, run, last) => Err(format!("{run:?} has completed by itself after {last:?}")),
        }
    }

    /// Why it is not yet at rest, while nothing is written and its client is this.
    pub fn unsettled(&self, history: &History, who: Who) -> Option<String> {
        let what = format!("{:?} {:?} of {who:?}", self.document, self.run);
        if !self.run.is_live() {
            return Some(format!("{what} has no result"));
        }
        let Some(expected) = history.now(who, self.document) else {
            return Some(format!("{what} must end"));
        };
        match &self.last {
            Some((_, last)) if *last == expected => None,
            last => Some(format!("{what} has {last:?}\n  and not {expected}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::{
        judge::Proof,
        rows::{Note, State},
        who::Role,
    };

    fn grant(user: u8, expires: Option<SystemTime>) -> Grant {
        let who = Who { role: Role::User, user: Some(user), tenant: Some(0) };
        Grant { who, expires, proof: Proof::Nothing }
    }

    #[test]
    fn results_are_held_to_their_identity_and_its_time() {
        let history = History::new();
        for seq in 1..4 {
            let note = Note { owner: 1, tenant: 0, published: false, seq };
            history.begin(State { notes: [(7, note)].into(), ..State::default() });
        }
        let data = |seq: i64| json!({"note": [{"id": 7, "seq": seq}]});
        let grace = Duration::ZERO;
        let new = || Watch::new(Document::Since(0), Run::Subscription);
        let owner = [grant(1, None)];

        let mut watch = new();
        assert_eq!(watch.result(&history, &owner, grace, &data(2)), Ok(()));
        assert!(watch.result(&history, &owner, grace, &data(2)).is_err(), "twice");
        assert!(watch.result(&history, &owner, grace, &data(1)).is_err(), "older");
        assert_eq!(watch.result(&history, &owner, grace, &data(3)), Ok(()));
        assert_eq!(watch.unsettled(&history, owner[0].who), None);
        assert!(watch.unsettled(&history, grant(2, None).who).is_some());
        assert!(watch.complete().is_err());
        assert!(watch.errors(&owner, &json!([{"extensions": {"code": "invalid-jwt"}}])).is_err());

        let leaked = new().result(&history, &[grant(2, None)], grace, &data(1)).unwrap_err();
        assert!(leaked.contains("user/u1/t0 at 1"), "{leaked}");
        assert_eq!(new().result(&history, &[grant(2, None), owner[0]], grace, &data(1)), Ok(()));
        assert!(new().result(&history, &owner, grace, &data(9)).is_err(), "never there");

        let over = SystemTime::now() - Duration::from_secs(10);
        let expired = [grant(1, Some(over))];
        assert!(new().result(&history, &expired, grace, &data(3)).is_err());
        let mut running = new();
        running.sent = over;
        assert!(running.result(&history, &expired, grace, &data(3)).is_err());
        assert_eq!(running.result(&history, &expired, Duration::from_secs(60), &data(3)), Ok(()));
    }
}
