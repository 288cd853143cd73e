//! Apollo's multipart subscriptions: the body is the operation.

use std::task::{Context, Poll, ready};

use artesian_engine::GraphQLError;
use artesian_protocol::{Message, multipart::Encoder};
use futures_util::{StreamExt, stream::BoxStream};

use super::stream::Source;
use crate::run::Item;

/// The results of one operation as parts.
pub(super) struct Parts {
    items: BoxStream<'static, Item>,
    encoder: Encoder,
    is_over: bool,
}

impl Parts {
    /// Parts of these items.
    pub fn new(items: BoxStream<'static, Item>) -> Self {
        Self { items, encoder: Encoder::new(), is_over: false }
    }
}

impl Source for Parts {
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(match ready!(self.items.poll_next_unpin(cx)) {
            Some(Item::Result(payload) | Item::Single(payload)) => self.encoder.next(payload.bytes),
            Some(Item::Refused(errors)) => {
                self.encoder.next_errors(GraphQLError::array_json(&errors))
            }
            Some(Item::Ended(errors)) => self.encoder.fatal(GraphQLError::array_json(&errors)),
            None => {
                self.is_over = true;
                self.encoder.complete()
            }
        }))
    }

    fn heartbeat(&self) -> Option<Message> {
        self.encoder.heartbeat()
    }
}
