//! Ctrl-C and SIGTERM, which end the process, and SIGHUP, which does not.

use std::io;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// The wish of the user or of the system that the process ends.
#[derive(Clone)]
pub struct Shutdown {
    wanted: watch::Receiver<bool>,
}

impl Shutdown {
    /// Listens from now on. After the first signal a second one ends the process at once, with the
    /// exit code that shells give to an interrupted command.
    pub fn listen() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (sender, wanted) = watch::channel(false);
        tokio::spawn(async move {
            let mut is_second = false;
            loop {
                tokio::select! {
                    Some(()) = interrupt.recv() => {}
                    Some(()) = terminate.recv() => {}
                    else => return,
                }
                if is_second {
                    std::process::exit(130);
                }
                is_second = true;
                sender.send_replace(true);
            }
        });
        Ok(Self { wanted })
    }

    /// Done when the process is to end.
    pub async fn wanted(&self) {
        let mut wanted = self.wanted.clone();
        // An error means that the listener is gone, so no signal can come.
        if wanted.wait_for(|wanted| *wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The wish that configuration and metadata are read again.
pub struct Hangup(Signal);

impl Hangup {
    /// Listens from now on: without this, the signal would end the process.
    pub fn listen() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Done at the next signal; several at once count as one.
    pub async fn wanted(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}
