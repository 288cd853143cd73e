//! What the tests of several modules need.

use std::io;

use artesian_compose::{ReadLimits, ServiceSchema};
use artesian_remote::dial::{Dial, Target, Wire};
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::Value as Json;

use super::*;
use crate::{
    config::{SourceConfig, SourceKind},
    service::Service,
};

/// A network that leads nowhere.
struct Nowhere;

impl Dial for Nowhere {
    fn dial(&self, _: Target) -> BoxFuture<'static, io::Result<Wire>> {
        async { Err(io::ErrorKind::ConnectionRefused.into()) }.boxed()
    }
}

/// A service that cannot be reached, by these settings.
pub fn member(settings: &Json) -> Arc<Member> {
    let source = SourceConfig::from_json(settings, std::path::Path::new("/")).unwrap();
    let SourceKind::Service(config) = source.kind else { panic!("no service") };
    Arc::new(Member::new(Service::start(source.name, *config, Arc::new(Nowhere)), source.prefix))
}

/// A service's schema.
pub fn schema(sdl: &str) -> Arc<ServiceSchema> {
    Arc::new(ServiceSchema::from_sdl(sdl, &ReadLimits::default()).unwrap())
}

/// A gateway before these services alone.
pub async fn gateway_of(members: &[Arc<Member>]) -> Arc<Gateway> {
    let sources = Sources { services: members.to_vec(), events: Vec::new() };
    Gateway::start(None, sources, Duration::ZERO).await.unwrap()
}
