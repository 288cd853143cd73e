//! What happens to a pair: random, and made so that proptest can shrink it.

use artesian_protocol::Subprotocol;
use proptest::prelude::*;

/// What the server's driver does with an operation.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Next,
    Complete,
    /// A result and the end in one call.
    Result,
    Error,
    Failed,
}

#[derive(Clone, Copy, Debug)]
pub enum ServerEnd {
    Shutdown,
    Expire,
    Fail,
    Close(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// The client subscribes; once started, the driver answers after these waits, whether or not
    /// the operation is alive then.
    Subscribe(Vec<(u64, Answer)>),
    Unsubscribe(usize),
    /// The client sends fresh credentials: alone, or (`graphql-transport-ws`) in an operation that
    /// ends with its first result.
    Refresh(bool),
    /// The driver answers an operation of any age.
    Answer(usize, Answer),
    /// A message past the sessions: `ping`; with the legacy protocol, a further `connection_init`
    /// from the client, `ka` from the server.
    Extra(Side),
    ClientClose,
    ServerEnd(ServerEnd),
    /// How long packets to this side take from now on.
    Delay(Side, u64),
    /// No packet arrives at this side for a while.
    Stall(Side, u64),
    /// This side's driver polls no outputs for a while.
    Pause(Side, u64),
    /// The connection breaks. So many packets still arrive at the client and the server; after so
    /// long they are told, or find out by themselves.
    Cut([usize; 2], [Option<u64>; 2]),
}

#[derive(Clone, Debug)]
pub struct Case {
    pub protocol: Subprotocol,
    /// Whether both sides send WebSocket pings. Without, no one finds out about a silent cut.
    pub pings: bool,
    /// How late drivers are with timeouts, in ms.
    pub lateness: u64,
    /// How long each authentication takes and whether it succeeds; after the last, at once and yes.
    pub authentications: Vec<(u64, bool)>,
    /// Each after a wait.
    pub steps: Vec<(u64, Step)>,
    /// How the connection ends, if it still lives.
    pub end: Step,
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        8 => Just(Answer::Next),
        2 => Just(Answer::Complete),
        1 => Just(Answer::Result),
        1 => Just(Answer::Error),
        1 => Just(Answer::Failed),
    ]
}

/// Mostly short, sometimes longer than any timer.
fn wait() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0u64..20,
        6 => 0u64..500,
        2 => 0u64..5_000,
        1 => 0u64..70_000,
    ]
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Client), Just(Side::Server)]
}

fn server_end() -> impl Strategy<Value = ServerEnd> {
    prop_oneof![
        Just(ServerEnd::Shutdown),
        Just(ServerEnd::Expire),
        Just(ServerEnd::Fail),
        prop::sample::select(vec![1000, 1012, 1013]).prop_map(ServerEnd::Close),
    ]
}

fn cut() -> impl Strategy<Value = Step> {
    let keep = || prop_oneof![2 => Just(0), 1 => 0usize..6];
    let told = || prop::option::weighted(0.6, wait());
    (keep(), keep(), told(), told()).prop_map(|(a, b, c, d)| Step::Cut([a, b], [c, d]))
}

/// What leaves the connection as it is.
fn gentle() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => prop::collection::vec((wait(), answer()), 0..6).prop_map(Step::Subscribe),
        6 => any::<usize>().prop_map(Step::Unsubscribe),
        4 => (any::<usize>(), answer()).prop_map(|(which, answer)| Step::Answer(which, answer)),
        2 => side().prop_map(Step::Extra),
        3 => any::<bool>().prop_map(Step::Refresh),
        3 => (side(), wait()).prop_map(|(side, ms)| Step::Delay(side, ms)),
        2 => (side(), wait()).prop_map(|(side, ms)| Step::Stall(side, ms)),
        2 => (side(), wait()).prop_map(|(side, ms)| Step::Pause(side, ms)),
    ]
}

fn end() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::ClientClose),
        2 => server_end().prop_map(Step::ServerEnd),
        2 => cut(),
    ]
}

pub fn case(protocol: Subprotocol) -> impl Strategy<Value = Case> {
    let step = prop_oneof![30 => gentle(), 1 => end()];
    let authentication = (wait(), prop::bool::weighted(0.9));
    (
        prop::bool::weighted(0.9),
        prop_oneof![3 => Just(0u64), 1 => 0u64..3_000],
        prop::collection::vec(authentication, 0..3),
        prop::collection::vec((wait(), step), 0..40),
        end(),
    )
        .prop_map(move |(pings, lateness, authentications, steps, end)| Case {
            protocol,
            pings,
            lateness,
            authentications,
            steps,
            end,
        })
}
