//! What a connection reads from and writes to: a TCP stream, or a stream of an HTTP/2 connection.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use hyper::{
    rt::{Read, ReadBuf, Write},
    upgrade::Upgraded,
};
use tokio::net::TcpStream;

/// The longest piece that is handed to HTTP/2 at a time: its frames are that long unless the client
/// says otherwise, and what is handed over is beyond the reach of our own limits.
const PIECE: usize = 16 << 10;

/// A stream of bytes in both directions.
pub(super) trait Socket: Unpin + Send + 'static {
    /// Reads what is there; 0 bytes are the end. `WouldBlock` means that it was a false alarm.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes what can be written at once, or fails with `WouldBlock`.
    fn try_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// After `WouldBlock`: whether it is worth while to try again. Else the task is woken when it is.
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Socket for TcpStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.poll_read_ready(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(self.try_read(buffer)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn try_write(&mut self, _: &mut Context<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write_vectored(slices)
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_ready(cx)
    }
}

impl Socket for Upgraded {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let read = Read::poll_read(Pin::new(self), cx, buffer.unfilled());
        read.map_ok(|()| buffer.filled().len())
    }

    fn try_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // It takes one slice at a time and makes a frame of HTTP/2 of it, so they are put together.
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut piece = Vec::with_capacity(total.min(PIECE));
        for slice in slices {
            let room = PIECE - piece.len();
            piece.extend_from_slice(slice.get(..room).unwrap_or(slice));
        }
        match Write::poll_write(Pin::new(self), cx, &piece) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn poll_writable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The write that did not go on has asked to be woken.
        Poll::Pending
    }
}
