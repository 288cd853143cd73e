//! A second opinion on credentials: who they stand for by the settings of each moment.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::RwLock;

use crate::{
    credentials::{Headers, Key, ROLE, SECRET, TENANT, Token, USER},
    who::{Role, Who},
};

/// How much the test and the server may disagree about what comes first: the server's threads may
/// stand still between a look at the clock and what follows from it.
pub const SLACK: Duration = Duration::from_secs(1);

/// How clients without the admin secret are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By tokens.
    Jwt,
    /// By a webhook.
    Webhook,
}

/// What lets a client in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// The admin secret of that number.
    Secret(u32),
    /// A token with that key.
    Key(Key),
    /// The webhook of that number.
    Webhook(u32),
    /// Nothing: everybody is somebody.
    Nothing,
}

/// Settings of authentication.
#[derive(Clone, Debug)]
pub struct Version {
    /// Numbers of the admin secrets.
    pub secrets: Vec<u32>,
    /// The number of the secret of HS256.
    pub hs: u32,
    /// The number of the webhook.
    pub webhook: u32,
    began: SystemTime,
    ended: Option<SystemTime>,
}

/// What credentials give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The identity.
    pub who: Who,
    /// Until when.
    pub expires: Option<SystemTime>,
    /// By what.
    pub proof: Proof,
}

/// A call of the administrator that closes connections.
#[derive(Clone, Debug)]
pub struct Closing {
    /// Those of this user.
    pub user: Option<u8>,
    /// Those of this role.
    pub role: Option<Role>,
    began: SystemTime,
    /// When its answer had come.
    ended: Option<SystemTime>,
}

impl Closing {
    /// One that is about to be sent.
    pub fn new(user: Option<u8>, role: Option<Role>) -> Self {
        Self { user, role, began: SystemTime::now(), ended: None }
    }

    /// Whether it means somebody.
    pub fn means(&self, who: Who) -> bool {
        self.user.is_none_or(|user| who.user == Some(user))
            && self.role.is_none_or(|role| who.role == role)
    }
}

/// What credentials mean, and meant.
pub struct Judge {
    mode: Mode,
    tokens: RwLock<HashMap<String, Arc<Token>>>,
    versions: RwLock<Vec<Version>>,
    closings: RwLock<Vec<Closing>>,
}

impl Judge {
    /// By the first settings.
    pub fn new(mode: Mode) -> Self {
        let began = SystemTime::now();
        let first = Version { secrets: vec![0, 1], hs: 0, webhook: 0, began, ended: None };
        Self {
            mode,
            tokens: RwLock::default(),
            versions: RwLock::new(vec![first]),
            closings: RwLock::default(),
        }
    }

    /// How clients are told apart.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// A token was made.
    pub fn learn(&self, token: Arc<Token>) {
        self.tokens.write().insert(token.text.clone(), token);
    }

    /// The token of that text.
    pub fn token(&self, text: &str) -> Option<Arc<Token>> {
        self.tokens.read().get(text).cloned()
    }

    /// Tokens of some kind, in an order that a seed can rely on.
    pub fn tokens(&self, is_wanted: impl Fn(&Token) -> bool) -> Vec<Arc<Token>> {
        let mut found: Vec<_> =
            self.tokens.read().values().filter(|token| is_wanted(token)).cloned().collect();
        found.sort_by(|a, b| a.text.cmp(&b.text));
        found
    }

    /// The settings that are in force, or about to be.
    pub fn present(&self) -> Version {
        let versions = self.versions.read();
        versions[versions.len() - 1].clone()
    }

    /// Other settings are about to come into force.
    pub fn change(&self, f: impl FnOnce(&mut Version)) -> Version {
        let mut versions = self.versions.write();
        let mut next = versions[versions.len() - 1].clone();
        f(&mut next);
        next.began = SystemTime::now();
        versions.push(next.clone());
        next
    }

    /// They are.
    pub fn changed(&self) {
        let mut versions = self.versions.write();
        let old = versions.len() - 2;
        versions[old].ended = Some(SystemTime::now());
    }

    /// The administrator is about to close connections.
    pub fn close(&self, closing: Closing) {
        self.closings.write().push(closing);
    }

    /// The last of those calls was answered.
    pub fn closed(&self) {
        if let Some(closing) = self.closings.write().last_mut() {
            closing.ended = Some(SystemTime::now());
        }
    }

    /// Whether the administrator closed what means one of these after that time.
    pub fn was_closed(
        &self,
        after: SystemTime,
        mut is_meant: impl FnMut(&Closing) -> bool,
    ) -> bool {
        let is_later = |closing: &Closing| closing.ended.is_none_or(|ended| ended >= after);
        self.closings.read().iter().any(|closing| is_later(closing) && is_meant(closing))
    }

    /// Whether a stream of such a client may be cut off.
    pub fn may_cut(&self, headers: &Headers, sent: SystemTime, heard: SystemTime) -> bool {
        let grants = self.grants(headers, sent, heard);
        self.was_closed(sent, |closing| grants.iter().any(|grant| closing.means(grant.who)))
            || grants.iter().any(|grant| !self.honours(grant.proof))
    }

    /// Whether a connection of that identity, known since then, was told to close.
    pub fn must_be_closed(&self, who: Who, since: SystemTime) -> bool {
        self.closings.read().iter().any(|closing| closing.began > since && closing.means(who))
    }

    /// Whether what let a client in is still configured.
    pub fn honours(&self, proof: Proof) -> bool {
        honours(&self.present(), proof)
    }

    /// The same until what let the client in was no longer configured.
    pub fn bounded(&self, grants: &[Grant]) -> Vec<Grant> {
        let versions = self.versions.read();
        let until = |grant: &Grant| {
            let last = versions.iter().rfind(|version| honours(version, grant.proof));
            let retired = last.and_then(|version| version.ended);
            let expires = [grant.expires, retired].into_iter().flatten().min();
            Grant { expires, ..*grant }
        };
        grants.iter().map(until).collect()
    }

    /// What these credentials mean by some settings, whatever the time.
    pub fn verdict(&self, headers: &Headers, version: &Version) -> Option<Grant> {
        let role = headers.get(ROLE).map(|name| Role::named(name));
        let variable = |name: &str| headers.get(name).map(String::as_str);
        if let Some(secret) = headers.get(SECRET) {
            let number = secret.strip_prefix("secret-")?.parse().ok()?;
            let who = Who {
                role: role.unwrap_or(Some(Role::Admin))?,
                user: variable(USER).and_then(Who::user_of),
                tenant: variable(TENANT).and_then(Who::tenant_of),
            };
            let is_good = version.secrets.contains(&number);
            return is_good.then_some(Grant { who, expires: None, proof: Proof::Secret(number) });
        }
        let by_mode = |proof| match self.mode {
            Mode::Jwt => proof,
            Mode::Webhook => Proof::Webhook(version.webhook),
        };
        let Some(authorization) = headers.get("authorization") else {
            let who = Who { role: Role::Anonymous, user: None, tenant: None };
            return Some(Grant { who, expires: None, proof: by_mode(Proof::Nothing) });
        };
        let token = self.token(authorization.strip_prefix("Bearer ")?)?;
        let role = role.unwrap_or(Some(token.who.role))?;
        let is_known = match self.mode {
            Mode::Jwt => honours(version, Proof::Key(token.key)),
            Mode::Webhook => token.is_known_to(version.webhook),
        };
        let is_good = token.fault.is_none() && is_known && token.allowed.contains(&role);
        is_good.then_some(Grant {
            who: Who { role, ..token.who },
            expires: Some(token.expires),
            proof: by_mode(Proof::Key(token.key)),
        })
    }

    fn during(&self, from: SystemTime, to: SystemTime) -> Vec<Version> {
        let is_there = |v: &&Version| v.began <= to && v.ended.is_none_or(|ended| ended >= from);
        self.versions.read().iter().filter(is_there).cloned().collect()
    }

    /// What credentials may have been found to mean within a time.
    pub fn grants(&self, headers: &Headers, from: SystemTime, to: SystemTime) -> Vec<Grant> {
        let versions = self.during(from, to);
        let mut found: Vec<Grant> = Vec::new();
        for grant in versions.iter().filter_map(|version| self.verdict(headers, version)) {
            let is_new = !found.contains(&grant);
            if is_new && grant.expires.is_none_or(|expires| expires > from) {
                found.push(grant);
            }
        }
        found
    }

    /// What credentials mean now, to the webhook of that number.
    pub fn answer(&self, headers: &Headers, webhook: u32) -> Option<Grant> {
        let grant = self.verdict(headers, &Version { webhook, ..self.present() })?;
        grant.expires.is_none_or(|expires| expires > SystemTime::now()).then_some(grant)
    }

    /// Whether credentials may have been refused within a time.
    pub fn may_refuse(&self, headers: &Headers, from: SystemTime, to: SystemTime) -> bool {
        self.during(from, to).iter().any(|version| match self.verdict(headers, version) {
            None => true,
            Some(grant) => grant.expires.is_some_and(|expires| expires <= to + SLACK),
        })
    }
}

fn honours(version: &Version, proof: Proof) -> bool {
    match proof {
        Proof::Secret(number) => version.secrets.contains(&number),
        Proof::Key(Key::Hs(number)) => version.hs == number,
        Proof::Key(Key::Rs) | Proof::Nothing => true,
        Proof::Webhook(number) => version.webhook == number,
    }
}
