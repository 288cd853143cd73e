//! The operations: few documents for everybody, and what each gives to whom.

use artesian_oracle::random::Random;
use serde_json::{Map, Value, json};

use crate::{
    rows::{Note, Reply, State, text},
    who::{Role, USERS, Who},
};

/// An operation with the values of its variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Document {
    /// Rows as all roles may see them.
    Plain,
    /// With columns that users see, under an alias.
    Own,
    /// With columns that editors see.
    Review,
    /// Rows written since that commit.
    Since(i64),
    /// Rows of a user that the client names, whoever it is itself.
    OwnedBy(u8),
    /// One row.
    ByKey(i64),
    /// With rows of another table, whose permission leads through the first.
    Nested,
    /// The other table by itself.
    Replies,
    /// How many there are.
    Count,
    /// Two fields in one snapshot; not for subscriptions.
    Both,
}

/// How a document is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// `subscription`
    Subscription,
    /// `query @live`
    LiveQuery,
    /// `query`
    Once,
}

impl Run {
    /// Whether there is more than one result.
    pub fn is_live(self) -> bool {
        self != Self::Once
    }
}

impl Document {
    /// Any of them; `seq` is about the number of the last commit.
    pub fn random(random: &mut Random, seq: i64) -> Self {
        match random.below(14) {
            0..=2 => Self::Plain,
            3 | 4 => Self::Own,
            5 => Self::Review,
            // One of few values, so that clients share what is behind them.
            6 | 7 => Self::Since((seq / 50) * 50),
            8 => Self::OwnedBy(u8::try_from(random.below(USERS.into())).unwrap()),
            9 => Self::ByKey(1 + i64::try_from(random.below(4)).unwrap()),
            10 => Self::Nested,
            11 => Self::Replies,
            12 => Self::Count,
            _ => Self::Both,
        }
    }

    /// How it may be run live.
    pub fn live(self, random: &mut Random) -> Run {
        if self == Self::Both || random.one_in(3) { Run::LiveQuery } else { Run::Subscription }
    }

    /// The members `query` and `variables` of a request.
    pub fn request(self, run: Run) -> Map<String, Value> {
        let (declared, variables, fields) = match self {
            Self::Plain => ("", json!({}), "note(order_by: {id: asc}) { id seq body }"),
            Self::Own => ("", json!({}), "mine: note(order_by: {id: asc}) { id seq owner draft }"),
            Self::Review => ("", json!({}), "note(order_by: {id: asc}) { id seq tenant review }"),
            Self::Since(seq) => (
                "($since: Int!)",
                json!({ "since": seq }),
                "note(where: {seq: {_gte: $since}}, order_by: {id: asc}) { id seq }",
            ),
            Self::OwnedBy(user) => (
                "($owner: String!)",
                json!({ "owner": Who::user_name(user) }),
                "note(where: {owner: {_eq: $owner}}, order_by: {id: asc}) { id seq owner }",
            ),
            Self::ByKey(id) => {
                ("($id: Int!)", json!({ "id": id }), "note_by_pk(id: $id) { id seq body }")
            }
            Self::Nested => (
                "",
                json!({}),
                "note(order_by: {id: asc}) { id seq replies(order_by: {id: asc}) { id seq text } }",
            ),
            Self::Replies => {
                ("", json!({}), "reply(order_by: {id: asc}) { id seq note { id seq } }")
            }
            Self::Count => ("", json!({}), "note_aggregate { aggregate { count max { seq } } }"),
            Self::Both => (
                "",
                json!({}),
                "reply(order_by: {id: asc}) { id seq } note_aggregate { aggregate { count } }",
            ),
        };
        let head = match run {
            Run::Subscription => format!("subscription {declared}"),
            Run::LiveQuery => format!("query q{declared} @live"),
            Run::Once => format!("query {declared}"),
        };
        let mut request = Map::new();
        request.insert("query".to_owned(), format!("{head} {{ {fields} }}").into());
        if variables != json!({}) {
            request.insert("variables".to_owned(), variables);
        }
        request
    }

    /// Whether somebody may run it at all.
    pub fn is_for(self, who: Who) -> bool {
        let has_variables = match who.role {
            Role::Admin | Role::Anonymous => true,
            Role::User | Role::Reader => who.user.is_some(),
            Role::Editor => who.tenant.is_some(),
        };
        let has_columns = match self {
            Self::Own | Self::OwnedBy(_) => {
                matches!(who.role, Role::Admin | Role::User | Role::Reader)
            }
            Self::Review => matches!(who.role, Role::Admin | Role::Editor),
            _ => true,
        };
        has_variables && has_columns
    }

    /// The `data` that somebody gets who may run it.
    pub fn answer(self, state: &State, who: Who) -> Value {
        let notes = || state.notes.iter().filter(|(_, note)| sees(who, note));
        let replies = || state.replies.iter().filter(|(_, reply)| sees_reply(state, who, reply));
        let list = |row: &dyn Fn(i64, &Note) -> Value| -> Value {
            notes().map(|(id, note)| row(*id, note)).collect()
        };
        match self {
            Self::Plain => json!({"note": list(&|id, note| json!({
                "id": id, "seq": note.seq, "body": text("body", note.seq)
            }))}),
            Self::Own => json!({"mine": list(&|id, note| json!({
                "id": id, "seq": note.seq, "owner": Who::user_name(note.owner),
                "draft": text("draft", note.seq)
            }))}),
            Self::Review => json!({"note": list(&|id, note| json!({
                "id": id, "seq": note.seq, "tenant": Who::tenant_name(note.tenant),
                "review": text("review", note.seq)
            }))}),
            Self::Since(since) => {
                let notes = notes().filter(|(_, note)| note.seq >= since);
                let rows: Value =
                    notes.map(|(id, note)| json!({"id": id, "seq": note.seq})).collect();
                json!({ "note": rows })
            }
            Self::OwnedBy(user) => {
                let notes = notes().filter(|(_, note)| note.owner == user);
                let owner = Who::user_name(user);
                let rows: Value = notes
                    .map(|(id, note)| json!({"id": id, "seq": note.seq, "owner": owner}))
                    .collect();
                json!({ "note": rows })
            }
            Self::ByKey(id) => {
                let row = notes().find(|(key, _)| **key == id);
                let row = row.map(
                    |(id, note)| json!({"id": id, "seq": note.seq, "body": text("body", note.seq)}),
                );
                json!({ "note_by_pk": row })
            }
            Self::Nested => json!({"note": list(&|id, note| {
                let replies: Value = replies()
                    .filter(|(_, reply)| reply.note == id)
                    .map(|(id, reply)| json!({
                        "id": id, "seq": reply.seq, "text": text("text", reply.seq)
                    }))
                    .collect();
                json!({"id": id, "seq": note.seq, "replies": replies})
            })}),
            Self::Replies => {
                let rows: Value = replies()
                    .map(|(id, reply)| {
                        // Its author may not see what it is about.
                        let note = state.notes.get(&reply.note).filter(|note| sees(who, note));
                        let note = note.map(|note| json!({"id": reply.note, "seq": note.seq}));
                        json!({"id": id, "seq": reply.seq, "note": note})
                    })
                    .collect();
                json!({ "reply": rows })
            }
            Self::Count => {
                let max = notes().map(|(_, note)| note.seq).max();
                json!({"note_aggregate": {"aggregate": {
                    "count": notes().count(), "max": {"seq": max}
                }}})
            }
            Self::Both => {
                let rows: Value =
                    replies().map(|(id, reply)| json!({"id": id, "seq": reply.seq})).collect();
                json!({"reply": rows, "note_aggregate": {"aggregate": {"count": notes().count()}}})
            }
        }
    }
}

fn sees(who: Who, note: &Note) -> bool {
    match who.role {
        Role::Admin => true,
        Role::User | Role::Reader => who.user == Some(note.owner),
        Role::Editor => who.tenant == Some(note.tenant),
        Role::Anonymous => note.published,
    }
}

fn sees_reply(state: &State, who: Who, reply: &Reply) -> bool {
    let of_note = state.notes.get(&reply.note).is_some_and(|note| sees(who, note));
    let is_author = matches!(who.role, Role::User | Role::Reader) && who.user == Some(reply.author);
    of_note || is_author
}

/// The metadata that says the same to the server.
pub fn metadata(kind: &str) -> Value {
    let allow = |role: &str, columns: &[&str], filter: Value| {
        json!({"role": role, "permission": {
            "columns": columns, "filter": filter, "allow_aggregations": true
        }})
    };
    let owner = || json!({"owner": {"_eq": "X-Hasura-User-Id"}});
    let tenant = || json!({"tenant": {"_eq": "X-Hasura-Tenant-Id"}});
    let published = || json!({"published": {"_eq": true}});
    let of_users = ["id", "owner", "seq", "body", "draft"];
    let own_replies =
        || json!({"_or": [{"author": {"_eq": "X-Hasura-User-Id"}}, {"note": owner()}]});
    let of_replies = ["id", "seq", "text"];
    json!({"version": 3, "sources": [{"name": "default", "kind": kind, "tables": [
        {
            "table": "note",
            "array_relationships": [{"name": "replies", "using": {"foreign_key_constraint_on":
                {"table": "reply", "column": "note_id"}}}],
            "select_permissions": [
                allow("user", &of_users, owner()),
                allow("reader", &of_users, owner()),
                allow("editor", &["id", "tenant", "seq", "body", "review"], tenant()),
                allow("anonymous", &["id", "seq", "body"], published()),
            ],
        },
        {
            "table": "reply",
            "object_relationships": [
                {"name": "note", "using": {"foreign_key_constraint_on": "note_id"}}
            ],
            "select_permissions": [
                allow("user", &of_replies, own_replies()),
                allow("reader", &of_replies, own_replies()),
                allow("editor", &of_replies, json!({"note": tenant()})),
                allow("anonymous", &of_replies, json!({"note": published()})),
            ],
        },
    ]}]})
}
