//! Ctrl-C and SIGTERM.

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
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
