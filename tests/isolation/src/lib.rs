//! Isolation by property: clients of every transport with random identities come, change and go
//! while rows change owners, and every result has to be one that its client's identity could see.
//!
//! | module | subject |
//! |---|---|
//! | [`who`], [`rows`], [`document`] | identities, rows, operations: what each gives to whom, said once for the server as metadata and once as plain loops |
//! | [`history`] | what was committed when, and so which answers there can be |
//! | [`credentials`], [`judge`], [`webhook`] | tokens good and bad, and a second opinion on each |
//! | [`watch`] | the rules that results are held to |
//! | [`socket`], [`stream`], [`channel`], [`post`] | clients of the transports |
//! | [`scene`] | the server, its administrator, and all of them together |
//!
//! Everything follows from one seed, except for the order of what happens at the same time.

#![allow(clippy::unwrap_used, reason = "test support: a panic is the report")]

pub mod channel;
pub mod common;
pub mod credentials;
pub mod document;
pub mod frames;
pub mod history;
pub mod judge;
pub mod link;
pub mod operator;
pub mod post;
pub mod report;
pub mod rows;
pub mod scene;
pub mod socket;
pub mod store;
pub mod stream;
pub mod watch;
pub mod webhook;
pub mod who;
