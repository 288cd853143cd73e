//! The rows, and transactions that change them.

use std::collections::BTreeMap;

use artesian_oracle::random::Random;

use crate::who::{TENANTS, USERS, Who};

/// The most notes and the most replies that there are at a time.
const MOST: usize = 16;

/// A row that belongs to a user and to a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whose it is.
    pub owner: u8,
    /// The owner's tenant.
    pub tenant: u8,
    /// Whether everybody sees it.
    pub published: bool,
    /// The commit that wrote it last. Its texts say the same.
    pub seq: i64,
}

/// A row that belongs to a note, and so to whoever that belongs to, and to its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The note's key.
    pub note: i64,
    /// Who wrote it.
    pub author: u8,
    /// The commit that wrote it last.
    pub seq: i64,
}

/// What the tables hold, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The notes.
    pub notes: BTreeMap<i64, Note>,
    /// The replies.
    pub replies: BTreeMap<i64, Reply>,
}

/// The tables, empty.
pub const TABLES: &str = "
CREATE TABLE note (
    id integer NOT NULL PRIMARY KEY, owner text NOT NULL, tenant text NOT NULL,
    published boolean NOT NULL, seq integer NOT NULL, body text, draft text, review text
);
CREATE TABLE reply (
    id integer NOT NULL PRIMARY KEY, note_id integer NOT NULL REFERENCES note(id),
    author text NOT NULL, seq integer NOT NULL, text text
);";

/// A transaction.
pub struct Transaction {
    /// Its statements.
    pub statements: Vec<String>,
    /// What holds after it; `None` if it is rolled back.
    pub result: Option<State>,
}

/// The next transaction, which is commit number `seq` if it commits.
pub fn transaction(random: &mut Random, before: &State, seq: i64) -> Transaction {
    if random.one_in(8) {
        // Everything to one user, to be seen by nobody.
        let owner = Who::user_name(user(random));
        let statements = vec![
            format!("UPDATE note SET owner = '{owner}', published = true, seq = -1"),
            format!("UPDATE reply SET author = '{owner}', seq = -1"),
        ];
        return Transaction { statements, result: None };
    }
    let mut state = before.clone();
    let mut statements = Vec::new();
    for _ in 0..1 + random.below(3) {
        statements.extend(step(random, &mut state, seq));
    }
    Transaction { statements, result: Some(state) }
}

fn user(random: &mut Random) -> u8 {
    u8::try_from(random.below(USERS.into())).unwrap()
}

fn step(random: &mut Random, state: &mut State, seq: i64) -> Vec<String> {
    let notes: Vec<i64> = state.notes.keys().copied().collect();
    let replies: Vec<i64> = state.replies.keys().copied().collect();
    let tenant = u8::try_from(random.below(TENANTS.into())).unwrap();
    let note = Note { owner: user(random), tenant, published: random.one_in(4), seq };
    match random.below(10) {
        0 | 1 if notes.len() < MOST => {
            let Some(id) = (1..).find(|id| !state.notes.contains_key(id)) else { return vec![] };
            state.notes.insert(id, note);
            vec![insert_note(id, note)]
        }
        0..=2 if !notes.is_empty() => {
            let id = *random.pick(&notes);
            state.notes.remove(&id);
            state.replies.retain(|_, reply| reply.note != id);
            vec![
                format!("DELETE FROM reply WHERE note_id = {id}"),
                format!("DELETE FROM note WHERE id = {id}"),
            ]
        }
        // It goes to somebody else, or stays and is written anew.
        3..=6 if !notes.is_empty() => {
            let id = *random.pick(&notes);
            let old = state.notes[&id];
            let new = match random.below(4) {
                0 => note,
                1 => Note { published: !old.published, seq, ..old },
                2 => Note { owner: note.owner, seq, ..old },
                _ => Note { seq, ..old },
            };
            state.notes.insert(id, new);
            vec![update_note(id, new)]
        }
        7 | 8 if !notes.is_empty() && replies.len() < MOST => {
            let Some(id) = (1..).find(|id| !state.replies.contains_key(id)) else { return vec![] };
            let reply = Reply { note: *random.pick(&notes), author: user(random), seq };
            state.replies.insert(id, reply);
            vec![insert_reply(id, reply)]
        }
        _ if !replies.is_empty() => {
            let id = *random.pick(&replies);
            if random.one_in(3) {
                state.replies.remove(&id);
                return vec![format!("DELETE FROM reply WHERE id = {id}")];
            }
            let reply = Reply { note: *random.pick(&notes), author: user(random), seq };
            state.replies.insert(id, reply);
            let author = Who::user_name(reply.author);
            vec![format!(
                "UPDATE reply SET note_id = {}, author = '{author}', seq = {seq}, text = '{}' WHERE id = {id}",
                reply.note,
                text("text", seq)
            )]
        }
        _ => vec![],
    }
}

/// The value of a column of texts.
pub fn text(column: &str, seq: i64) -> String {
    format!("{column} {seq}")
}

fn insert_note(id: i64, note: Note) -> String {
    let Note { owner, tenant, published, seq } = note;
    let (owner, tenant) = (Who::user_name(owner), Who::tenant_name(tenant));
    let [body, draft, review] = ["body", "draft", "review"].map(|column| text(column, seq));
    format!(
        "INSERT INTO note (id, owner, tenant, published, seq, body, draft, review) VALUES \
         ({id}, '{owner}', '{tenant}', {published}, {seq}, '{body}', '{draft}', '{review}')"
    )
}

fn update_note(id: i64, note: Note) -> String {
    let Note { owner, tenant, published, seq } = note;
    let (owner, tenant) = (Who::user_name(owner), Who::tenant_name(tenant));
    let [body, draft, review] = ["body", "draft", "review"].map(|column| text(column, seq));
    format!(
        "UPDATE note SET owner = '{owner}', tenant = '{tenant}', published = {published}, seq = {seq}, \
         body = '{body}', draft = '{draft}', review = '{review}' WHERE id = {id}"
    )
}

fn insert_reply(id: i64, reply: Reply) -> String {
    let Reply { note, author, seq } = reply;
    let (author, text) = (Who::user_name(author), text("text", seq));
    format!(
        "INSERT INTO reply (id, note_id, author, seq, text) VALUES ({id}, {note}, '{author}', {seq}, '{text}')"
    )
}
