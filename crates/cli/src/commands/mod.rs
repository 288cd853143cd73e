//! What the binary does.

mod check;
mod demo;
mod explain;
mod import;
mod operation;
mod query;
mod schema;
mod serve;
mod subscribe;

pub use operation::Asked;

use std::sync::Arc;

use artesian_live::NoObserver;
use clap::ArgMatches;

use crate::{
    args,
    connect::{Opened, Plan},
    error::CliError,
    logging, output,
    settings::{Environment, Settings},
};

/// Runs the command that was given.
pub async fn run(matches: &ArgMatches) -> Result<(), CliError> {
    match matches.subcommand() {
        Some(("serve", matches)) => serve::run(matches).await,
        Some(("demo", matches)) => demo::run(matches).await,
        Some(("check", matches)) => check::run(matches).await,
        Some(("schema", matches)) => schema::run(matches).await,
        Some(("query", matches)) => query::run(matches).await,
        Some(("subscribe", matches)) => subscribe::run(matches).await,
        Some(("explain", matches)) => explain::run(matches).await,
        Some(("import", matches)) => import::run(matches),
        // clap asks for a known command before it comes to this.
        _ => Err(CliError::Usage("no such command; see artesian --help".to_owned())),
    }
}

/// The settings that hold for a command.
fn settings(matches: &ArgMatches, environment: &Environment) -> Result<Settings, CliError> {
    let (flags, config) = (args::flags(matches), args::config(matches));
    Ok(Settings::load(flags, config, environment.clone())?)
}

/// Opens the configured database for a command that ends soon.
async fn open(matches: &ArgMatches) -> Result<Opened, CliError> {
    let environment = Environment::of_process();
    let settings = settings(matches, &environment)?;
    logging::start(&settings.log, "warn");
    for warning in &settings.warnings {
        output::note(&format!("warning: {warning}"));
    }
    let plan = Plan::new(&settings, &environment)?;
    plan.open(&settings, Arc::new(NoObserver)).await
}
