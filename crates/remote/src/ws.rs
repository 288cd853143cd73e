//! Subscriptions over WebSockets, many on each socket.

mod driver;
mod opening;
mod pool;
mod socket;

pub(crate) use pool::{Pool, Shared};
pub(crate) use socket::Running;
