//! Logs, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt};

use crate::settings::LogSettings;

/// Libraries that log values which may be secret: parameters of statements, session variables among
/// them, at the level debug. They keep that to themselves, whatever level is set.
const DISCREET: [&str; 2] = ["tokio_postgres=info", "tokio_postgres::query=info"];

/// Changes what is logged.
pub struct Logs {
    default_level: &'static str,
    replace: Box<dyn Fn(EnvFilter) + Send + Sync>,
}

impl Logs {
    /// Logs at the level of these settings from now on.
    pub fn set_level(&self, settings: &LogSettings) {
        (self.replace)(filter(settings, self.default_level));
    }
}

/// Starts to log. `default_level` holds if nobody set one.
pub fn start(settings: &LogSettings, default_level: &'static str) -> Logs {
    let logs = fmt().with_writer(io::stderr);
    let first = filter(settings, default_level);
    // Starting fails only if logs have been started already, which is as good; replacing the filter
    // only if they were never started.
    let replace: Box<dyn Fn(EnvFilter) + Send + Sync> = if settings.json {
        let logs = logs.json().flatten_event(true).with_current_span(false).with_span_list(false);
        let logs = logs.with_env_filter(first).with_filter_reloading();
        let handle = logs.reload_handle();
        let _ = logs.try_init();
        Box::new(move |filter| drop(handle.reload(filter)))
    } else {
        let logs = logs.with_target(false).with_ansi(io::stderr().is_terminal());
        let logs = logs.with_env_filter(first).with_filter_reloading();
        let handle = logs.reload_handle();
        let _ = logs.try_init();
        Box::new(move |filter| drop(handle.reload(filter)))
    };
    Logs { default_level, replace }
}

fn filter(settings: &LogSettings, default_level: &str) -> EnvFilter {
    let level = settings.level.as_deref().unwrap_or(default_level);
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new(default_level));
    DISCREET.iter().filter_map(|one| one.parse().ok()).fold(filter, EnvFilter::add_directive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libraries_know_of_values_is_never_logged() {
        for level in ["trace", "debug,tokio_postgres=trace", "tokio_postgres::query=trace"] {
            let settings = LogSettings { json: false, level: Some(level.to_owned()) };
            let filter = filter(&settings, "info").to_string();
            let of_library = filter.split(',').filter(|one| one.starts_with("tokio_postgres"));
            let levels: Vec<_> = of_library.map(str::to_owned).collect();
            assert!(
                levels.len() == 2 && levels.iter().all(|one| one.ends_with("=info")),
                "{filter}"
            );
        }
    }
}
