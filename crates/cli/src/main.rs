//! The `artesian` binary: settings, commands, wiring.

mod administration;
mod args;
mod backends;
mod client;
mod commands;
mod connect;
mod documents;
mod error;
mod help;
mod logging;
mod metadata;
mod output;
mod redact;
mod reload;
mod services;
mod settings;
mod signals;
mod table;

use std::process::ExitCode;

use error::CliError;

fn main() -> ExitCode {
    let matches = args::command().get_matches();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::note(&format!("error: no threads can be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(commands::run(&matches));
    // What still runs (a lookup of a name, a read of standard input) must not delay the exit.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !matches!(error, CliError::Told(_)) {
                output::note(&format!("error: {error}"));
            }
            ExitCode::from(error.exit_code())
        }
    }
}
