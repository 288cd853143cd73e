//! A request as every transport hands it over.

use std::sync::Arc;

/// A GraphQL request, whatever transport brought it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The document; empty if only its name was sent.
    pub query: Arc<str>,
    /// The name of a document that the server knows. Does not count if `query` is there.
    pub document_id: Option<String>,
    /// Which operation of the document, if it has several.
    pub operation_name: Option<String>,
    /// Values of the variables.
    pub variables: serde_json::Map<String, serde_json::Value>,
    /// Protocol extensions of the client.
    pub extensions: serde_json::Map<String, serde_json::Value>,
}

/// The kind of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// `query`.
    Query,
    /// `mutation`.
    Mutation,
    /// `subscription`.
    Subscription,
}

impl OperationKind {
    /// The keyword.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }
}

/// What a transport allows: a GET must not change anything, an HTTP POST cannot stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allow {
    /// Mutations may run.
    pub mutations: bool,
    /// Subscriptions and live queries may run.
    pub streams: bool,
}

impl Allow {
    /// Everything: WebSocket.
    pub const ALL: Self = Self { mutations: true, streams: true };
    /// A single answer to a POST.
    pub const POST: Self = Self { mutations: true, streams: false };
    /// A single answer to a GET.
    pub const GET: Self = Self { mutations: false, streams: false };
    /// An event stream opened by POST or GET.
    pub const STREAM: Self = Self { mutations: false, streams: true };
}
