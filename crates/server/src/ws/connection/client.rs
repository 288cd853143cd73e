//! Who the client of a socket is: found out, found out anew, and until when it holds.

use std::{
    task::{Context, Poll, Waker},
    time::Instant,
};

use artesian_auth::{AuthError, Authenticated};
use artesian_engine::GraphQLError;
use artesian_protocol::{Subprotocol, session::CloseCode};
use serde_json::value::RawValue;

use super::{Connection, Purpose, Socket};
use crate::{metrics::Unwelcome, run, ws::authentication};

/// Until when credentials are good.
pub(super) struct Expiry {
    at: Instant,
    /// Nothing may be delivered any more that is not under way.
    is_over: bool,
}

impl<S: Socket> Connection<S> {
    /// Begins to find out who the client is. Where that takes no waiting it is done at once, so that
    /// messages which came together with the credentials are not too early.
    pub(super) fn authenticate(&mut self, now: Instant, payload: Option<&RawValue>) {
        let mut new = authentication::authenticate(&self.state, self.said.as_deref(), payload);
        match new.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => self.told_apart(now, result),
            // The turn that this is part of asks again, with a waker.
            Poll::Pending => self.rare.change(|rare| rare.authentication = Some(new)),
        }
    }

    /// Goes on with finding out who the client is. Says whether that is done.
    pub(super) fn poll_authentication(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let pending = self.rare.get_mut().and_then(|rare| rare.authentication.as_mut());
        let Some(authentication) = pending else { return false };
        let Poll::Ready(result) = authentication.as_mut().poll(cx) else { return false };
        self.rare.take(|rare| rare.authentication.take());
        self.told_apart(now, result);
        true
    }

    fn told_apart(&mut self, now: Instant, result: Result<Authenticated, AuthError>) {
        match result {
            Ok(client) => self.accept(now, client),
            Err(error) => self.refuse(now, &error),
        }
    }

    fn refuse(&mut self, now: Instant, error: &AuthError) {
        self.identity = None;
        self.rare.take(|rare| rare.expiry.take());
        tracing::info!(
            transport = self.transport.as_str(),
            code = run::code_name(error.code()),
            "socket refused: credentials are missing or wrong"
        );
        let Some(session) = &mut self.session else { return };
        if error.is_ours() {
            // The same credentials may be good later.
            session.turn_away(&error.to_string());
        } else {
            session.authenticated(now, Err(error.to_string()));
        }
    }

    fn accept(&mut self, now: Instant, client: Authenticated) {
        let Some(session) = &mut self.session else { return };
        // Who says again who it is is counted once.
        self.rare.take(|rare| rare.identity_guard.take());
        match self.state.limits.open_identity(&client.identity, self.guard.client()) {
            Ok(None) => {}
            Ok(guard) => self.rare.change(|rare| rare.identity_guard = guard),
            Err(refused) => return session.turn_away(refused.message()),
        }
        let is_first = !session.is_acknowledged();
        let is_first_legacy = is_first && session.protocol() == Subprotocol::Legacy;
        let visit = is_first_legacy
            .then(|| self.state.limits.visit(self.guard.client(), &client.identity))
            .flatten();
        self.rare.take(|rare| rare.expiry.take());
        // Not by `now`, which may be of before its token was verified.
        if let Some(at) = client.deadline(super::now) {
            self.rare.change(|rare| rare.expiry = Some(Expiry { at, is_over: false }));
        }
        self.entry.identified(&client.identity, client.proof.get(), client.expires);
        if !is_first {
            if self.identity.as_ref() != Some(&client.identity) {
                self.operations.change_identity(&client.identity);
            }
            // They may have been held since the credentials before had expired.
            self.operations.wake();
        }
        self.identity = Some(client.identity);
        let (visit, delay) = visit.unzip();
        // A legacy client that says again who it is goes on with its visit.
        self.visit = visit.or(self.visit.take());
        match delay.filter(|delay| !delay.is_zero()) {
            Some(delay) => self.rare.change(|rare| rare.acknowledge_at = Some(now + delay)),
            None => self.acknowledge(now),
        }
    }

    pub(super) fn acknowledge(&mut self, now: Instant) {
        self.rare.take(|rare| rare.acknowledge_at.take());
        self.guard.acknowledged();
        if let Some(session) = &mut self.session {
            session.authenticated(now, Ok(None));
        }
    }

    /// Closes if somebody else says so. Says whether that is so.
    pub(super) fn check_closing(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Poll::Ready(why) = self.entry.poll_closing(cx) else { return false };
        self.identity = None;
        self.close_session(now, CloseCode::FORBIDDEN, why.message());
        true
    }

    /// Whether the client's credentials are good no more, and fresh ones have not come yet.
    pub(super) fn is_expired(&self) -> bool {
        self.rare.get().and_then(|rare| rare.expiry.as_ref()).is_some_and(|expiry| expiry.is_over)
    }

    /// What operations are refused with then.
    pub(super) fn expired_error() -> GraphQLError {
        AuthError::Expired.to_error()
    }

    /// When something is to be done since credentials expire.
    pub(super) fn expiry_deadline(&self) -> Option<Instant> {
        let expiry = self.rare.get()?.expiry.as_ref()?;
        if expiry.is_over {
            return expiry.at.checked_add(self.state.config.expiry_grace);
        }
        Some(expiry.at)
    }

    /// Does what is due. Says whether that was anything.
    pub(super) fn check_expiry(&mut self, now: Instant) -> bool {
        if self.expiry_deadline().is_none_or(|at| at > now) {
            return false;
        }
        match self.rare.get_mut().and_then(|rare| rare.expiry.as_mut()) {
            Some(expiry) if !expiry.is_over => expiry.is_over = true,
            _ => {
                self.identity = None;
                self.rare.take(|rare| rare.expiry.take());
                self.rare.take(|rare| rare.authentication.take());
                self.state.metrics.socket_closed(Unwelcome::Expired);
                if let Some(session) = &mut self.session {
                    session.expire();
                }
                self.pump(now, Purpose::Answer);
            }
        }
        true
    }
}
