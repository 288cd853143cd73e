//! Everything that was ever committed, and what each identity may have seen when.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use parking_lot::{Mutex, RwLock};
use serde_json::Value;

use crate::{document::Document, rows::State, who::Who};

/// The commits, in order; the first is the empty database.
pub struct History {
    commits: RwLock<Vec<Commit>>,
    answers: Mutex<HashMap<(Who, Document), Answers>>,
}

struct Commit {
    /// Just before it began: what holds it was read later.
    began: SystemTime,
    state: Arc<State>,
}

/// The answers of one operation to one identity, with the first commit of each.
#[derive(Default)]
struct Answers {
    runs: Vec<(usize, Value)>,
    /// How many commits are looked at.
    until: usize,
}

impl History {
    /// Nothing was committed.
    pub fn new() -> Self {
        let first = Commit { began: SystemTime::UNIX_EPOCH, state: Arc::default() };
        Self { commits: RwLock::new(vec![first]), answers: Mutex::default() }
    }

    /// The last state, and the number of the next commit.
    pub fn last(&self) -> (Arc<State>, usize) {
        let commits = self.commits.read();
        (commits[commits.len() - 1].state.clone(), commits.len())
    }

    /// A commit is about to begin.
    pub fn begin(&self, state: State) {
        let commit = Commit { began: SystemTime::now(), state: Arc::new(state) };
        self.commits.write().push(commit);
    }

    /// What somebody sees now; `None` if it may not ask.
    pub fn now(&self, who: Who, document: Document) -> Option<Value> {
        document.is_for(who).then(|| document.answer(&self.last().0, who))
    }

    /// The earliest commit, not before `from`, whose state gives this answer to that identity.
    pub fn find(&self, who: Who, document: Document, data: &Value, from: usize) -> Option<usize> {
        if !document.is_for(who) {
            return None;
        }
        let mut answers = self.answers.lock();
        let answers = answers.entry((who, document)).or_default();
        answers.extend(&self.commits.read(), document, who);
        let ends = answers.runs.iter().skip(1).map(|run| run.0).chain([answers.until]);
        let mut runs = answers.runs.iter().zip(ends).filter(|(_, end)| *end > from);
        runs.find(|((_, answer), _)| answer == data).map(|((start, _), _)| from.max(*start))
    }

    /// When that commit began.
    pub fn began(&self, commit: usize) -> SystemTime {
        self.commits.read()[commit].began
    }

    /// Who would be given such an answer, and as of which commit.
    pub fn explain(&self, document: Document, data: &Value) -> String {
        let found: Vec<String> = Who::all()
            .into_iter()
            .filter_map(|who| {
                let commit = self.find(who, document, data, 0)?;
                Some(format!("{who:?} at {commit}"))
            })
            .collect();
        if found.is_empty() { "nobody, ever".to_owned() } else { found.join(", ") }
    }
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl Answers {
    fn extend(&mut self, commits: &[Commit], document: Document, who: Who) {
        for (number, commit) in commits.iter().enumerate().skip(self.until) {
            let answer = document.answer(&commit.state, who);
            if self.runs.last().is_none_or(|(_, last)| *last != answer) {
                self.runs.push((number, answer));
            }
        }
        self.until = commits.len();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{rows::Note, who::Role};

    #[test]
    fn an_answer_is_found_where_it_holds() {
        let history = History::new();
        let who = |user| Who { role: Role::User, user: Some(user), tenant: Some(0) };
        let note = |owner, seq| Note { owner, tenant: 0, published: false, seq };
        for state in [[(1, note(0, 1))], [(1, note(1, 2))], [(1, note(0, 3))]] {
            history.begin(State { notes: state.into(), ..State::default() });
        }
        let rows = |seq: &[i64]| {
            let rows: Value = seq.iter().map(|seq| json!({"id": 1, "seq": seq})).collect();
            json!({ "note": rows })
        };
        let find =
            |user, seq: &[i64], from| history.find(who(user), Document::Since(0), &rows(seq), from);
        assert_eq!((find(0, &[], 0), find(0, &[], 1), find(0, &[], 3)), (Some(0), Some(2), None));
        assert_eq!((find(0, &[1], 0), find(0, &[1], 2)), (Some(1), None));
        assert_eq!((find(1, &[2], 0), find(1, &[1], 0)), (Some(2), None));
        assert_eq!(history.now(who(0), Document::Since(0)), Some(rows(&[3])));
        assert_eq!(history.now(who(0), Document::Review), None);
        let leaked = history.explain(Document::Since(0), &rows(&[2]));
        assert!(leaked.contains("user/u1/t0 at 2") && !leaked.contains("user/u0/"), "{leaked}");
    }
}
