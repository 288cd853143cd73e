//! HTTP: connections for requests, and single operations over them.

mod client;
mod connector;
mod request;

pub(crate) use client::{Answer, HttpClient, Repeat, collect, headers};
pub(crate) use request::{Answered, Requests, classify};
