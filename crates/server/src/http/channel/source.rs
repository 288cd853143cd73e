//! The open stream: results of all its operations as events.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use artesian_protocol::{Message, sse};

use super::{super::stream::Source, error_result, registry::Channel};
use crate::{limits::StreamGuard, run::Item, server::State};

/// The messages of one reserved stream; its drop ends the reservation.
pub(super) struct ChannelSource {
    state: Arc<State>,
    channel: Arc<Channel>,
    is_new: bool,
    _guard: StreamGuard,
}

impl ChannelSource {
    /// Of a stream that was just opened.
    pub fn new(state: Arc<State>, channel: Arc<Channel>, guard: StreamGuard) -> Self {
        Self { state, channel, is_new: true, _guard: guard }
    }
}

impl Source for ChannelSource {
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        // Some browsers do not open the stream before its first bytes.
        if std::mem::take(&mut self.is_new) {
            return Poll::Ready(Some(sse::heartbeat()));
        }
        let (id, item) = ready!(self.channel.poll(cx));
        Poll::Ready(Some(match item {
            Some(Item::Result(payload) | Item::Single(payload)) => {
                sse::next_for(&id, payload.bytes)
            }
            Some(Item::Refused(errors) | Item::Ended(errors)) => {
                sse::next_for(&id, error_result(&errors))
            }
            None => sse::complete_for(&id),
        }))
    }

    fn operations(&self) -> usize {
        self.channel.operation_count()
    }

    fn heartbeat(&self) -> Option<Message> {
        Some(sse::heartbeat())
    }
}

impl Drop for ChannelSource {
    fn drop(&mut self) {
        self.state.channels.close(&self.channel);
    }
}
