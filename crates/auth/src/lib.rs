//! Who is asking, on every transport: admin secrets, JSON Web Tokens and webhooks become an
//! [`Identity`](artesian_engine::Identity) with a time until which it holds.
//!
//! An [`Auth`] is made from an [`AuthConfig`] and asked with the [`Credentials`] of a client: headers
//! of a request or of an upgrade, and the payload of `connection_init`. Where identity is in doubt
//! the answer is an [`AuthError`].
//!
//! | module | subject |
//! |---|---|
//! | [`credentials`] | what a client says of itself |
//! | [`config`] | settings, Hasura's `--jwt-secret` among them |
//! | [`inspect`] | trying a configuration out, for `artesian check` |
//! | [`jwt`] | tokens: keys, key sets by URL, claims |
//! | [`webhook`] | asking a service of the user's |
//! | [`origin`] | origins of pages, and patterns for them |
//! | [`error`] | refusals, with Hasura's codes and words |
//! | [`stats`] | what was counted |
//!
//! No value of a header, token or cookie is ever part of an error or of a log line.

mod about;
pub mod admin;
pub mod auth;
pub mod config;
pub mod cookie;
pub mod credentials;
pub mod error;
mod fetch;
mod freshness;
pub mod inspect;
pub mod jwt;
mod members;
pub mod origin;
mod place;
mod proof;
pub mod stats;
pub mod webhook;

pub use admin::AdminSecrets;
pub use auth::{Auth, Authenticated};
pub use config::{AuthConfig, ConfigError, Mode};
pub use credentials::Credentials;
pub use error::AuthError;
pub use proof::Proof;
pub use stats::{Counters, Stats};
