//! The real binary, over SQLite.

#![allow(clippy::unwrap_used)]

mod checking_auth;
mod commands;
mod following;
mod importing;
mod reloading;
mod reloading_auth;
#[allow(dead_code, unused_imports)]
#[path = "../../../auth/tests/it/service.rs"]
mod service;
mod serving;
mod serving_auth;
mod settings;
mod support;
#[allow(dead_code, unused_imports)]
#[path = "../../../auth/tests/it/support.rs"]
mod tokens;
