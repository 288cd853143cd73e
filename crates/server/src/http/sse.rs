//! GraphQL over server-sent events, distinct connections mode: the body is the operation.

use std::task::{Context, Poll, ready};

use artesian_engine::GraphQLError;
use artesian_protocol::{Message, sse};
use futures_util::{StreamExt, stream::BoxStream};

use super::stream::Source;
use crate::run::Item;

/// The results of one operation as events.
pub(super) struct Events {
    items: BoxStream<'static, Item>,
    progress: Progress,
}

enum Progress {
    New,
    Running,
    Over,
}

impl Events {
    /// Events of these items.
    pub fn new(items: BoxStream<'static, Item>) -> Self {
        Self { items, progress: Progress::New }
    }
}

impl Source for Events {
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        match self.progress {
            // Some browsers do not open the stream before its first bytes.
            Progress::New => {
                self.progress = Progress::Running;
                return Poll::Ready(Some(sse::heartbeat()));
            }
            Progress::Running => {}
            Progress::Over => return Poll::Ready(None),
        }
        Poll::Ready(Some(match ready!(self.items.poll_next_unpin(cx)) {
            Some(Item::Result(payload) | Item::Single(payload)) => sse::next(payload.bytes),
            Some(Item::Refused(errors) | Item::Ended(errors)) => {
                sse::next_errors(GraphQLError::array_json(&errors))
            }
            None => {
                self.progress = Progress::Over;
                sse::complete()
            }
        }))
    }

    fn heartbeat(&self) -> Option<Message> {
        Some(sse::heartbeat())
    }
}
