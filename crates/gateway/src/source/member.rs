//! A service that takes part, and what each role sees of it.

use std::sync::Arc;

use artesian_compose::{Part, ServiceSchema};
use artesian_engine::identity::ADMIN_ROLE;
use artesian_remote::Transport;

use crate::{
    config::{Fields, Prefix},
    identity::Wants,
    service::Service,
};

/// A service with its place in the schema.
pub struct Member {
    /// It.
    pub service: Service,
    /// What comes before the names of its root fields and types.
    pub prefix: Prefix,
    pub(super) wants: Wants,
    /// What the roles see that do not see everything, sorted by role; `None`: everybody sees
    /// everything.
    permissions: Option<Vec<(String, Fields)>>,
}

impl Member {
    /// A service under these prefixes.
    pub fn new(service: Service, prefix: Prefix) -> Self {
        let config = service.config();
        let wants = config.identity.wants();
        let permissions = config.permissions.clone().map(|map| map.into_iter().collect());
        Self { prefix, wants, permissions, service }
    }

    /// Which view a role has: 0 is everything; `None` if it sees nothing.
    pub(super) fn view(&self, role: &str) -> Option<usize> {
        match &self.permissions {
            Some(permissions) if role != ADMIN_ROLE => {
                permissions.iter().position(|(name, _)| name == role).map(|at| at + 1)
            }
            _ => Some(0),
        }
    }

    /// What is to be seen of it.
    pub(super) fn part(&self, view: usize, schema: &ServiceSchema) -> Part {
        let config = self.service.config();
        let (fields, live) = (&config.fields, &config.live.fields);
        let narrowed = view.checked_sub(1).and_then(|at| self.permissions.as_ref()?.get(at));
        Part {
            name: Arc::clone(self.service.name()),
            schema: schema.clone(),
            field_prefix: self.prefix.root_fields.clone(),
            type_prefix: self.prefix.types.clone(),
            include: fields.include.clone(),
            exclude: fields.exclude.clone(),
            streams: config.upstream.transport != Transport::None,
            live: live.keys().map(|field| field.as_str().into()).collect(),
            narrowed: narrowed.map(|(_, f)| (f.include.clone(), f.exclude.clone())),
        }
    }
}
