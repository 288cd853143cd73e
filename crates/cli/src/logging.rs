//! Logs, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt};

use crate::settings::LogSettings;

/// Starts to log. `default_level` holds if nobody set one.
pub fn start(settings: &LogSettings, default_level: &str) {
    let level = settings.level.as_deref().unwrap_or(default_level);
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new(default_level));
    let logs = fmt().with_env_filter(filter).with_writer(io::stderr);
    // Fails only if logs have been started already, which is as good.
    let _ = if settings.json {
        logs.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        logs.with_target(false).with_ansi(io::stderr().is_terminal()).try_init()
    };
}
