//! `artesian check`.

mod auth;
mod report;

use std::sync::Arc;

use artesian_engine::{Allow, Identity, Request};
use artesian_live::NoObserver;
use artesian_server::{ConfigError, Metrics, Server};
use artesian_sql::model::ModelTable;
use clap::ArgMatches;
use serde_json::Value as Json;

use self::report::Report;
use crate::{
    connect::{Opened, Plan},
    error::CliError,
    logging, output,
    settings::{Environment, Settings},
};

/// Looks at everything and says what is wrong.
pub async fn run(matches: &ArgMatches) -> Result<(), CliError> {
    let mut report = Report::default();
    let result = check(matches, &mut report).await;
    if let Err(error) = result {
        report.error(&error.to_string())?;
    }
    let (errors, warnings) = (report.errors, report.warnings);
    let many = |count: usize, what: &str| {
        if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
    };
    output::line(&format!("{}, {}", many(errors, "error"), many(warnings, "warning")))?;
    if errors > 0 { Err(CliError::TOLD) } else { Ok(()) }
}

async fn check(matches: &ArgMatches, report: &mut Report) -> Result<(), CliError> {
    let environment = Environment::of_process();
    let settings = super::settings(matches, &environment)?;
    logging::start(&settings.log, "error");
    match &settings.config_file {
        Some(file) => report.good(&format!("settings: {} and the environment", file.display()))?,
        None => report.good("settings: flags and the environment; there is no artesian.yaml")?,
    }
    for warning in &settings.warnings {
        report.warning(warning)?;
    }
    auth::check(&settings, matches, report).await?;
    let plan = Plan::new(&settings, &environment)?;
    if let Some(path) = &settings.source.metadata {
        report.good(&format!("metadata: {} was read", path.display()))?;
    }
    let opened = plan.open(&settings, Arc::new(NoObserver)).await?;
    if let Some(database) = &opened.database {
        report.good(&format!("database: {} answers", database.url))?;
    }
    services(&opened, report)?;
    let model = opened.model();
    for warning in &model.warnings {
        report.warning(warning)?;
    }
    if model.tables.is_empty() && opened.database.is_some() {
        report.warning(
            "nothing is served: the default schema has no tables, or the metadata tracks none",
        )?;
    }
    server(&settings, &opened, report)?;
    if let Some(database) = &opened.database {
        tables(&opened, report).await?;
        report.good(&format!("changes: {}", database.changes))?;
    }
    Ok(())
}

/// Whether the services answer, and what they are for.
fn services(opened: &Opened, report: &mut Report) -> Result<(), CliError> {
    for member in opened.gateway.members() {
        let status = member.service.status();
        let name = member.service.name();
        match member.service.schema() {
            Some(_) => report.good(&format!("service {name}: {} answers", status.url))?,
            None => {
                let why = status.error.unwrap_or_else(|| "it has not answered yet".into());
                report.error(&format!("service {name}: {}: {why}", status.url))?;
            }
        }
    }
    Ok(())
}

/// The settings of the server, as the server sees them.
fn server(settings: &Settings, opened: &Opened, report: &mut Report) -> Result<(), CliError> {
    let metrics = Arc::new(Metrics::new(super::serve::VERSION));
    match Server::new(opened.engine.clone(), settings.server.clone(), metrics) {
        Ok(_) => report.good("server: its settings can be used")?,
        // This was told already.
        Err(ConfigError::Auth(_)) => {}
        Err(error) => report.error(&format!("server: {error}"))?,
    }
    let host = settings.listen.rsplit_once(':').map_or("", |(host, _)| host);
    let is_local = matches!(host, "localhost" | "[::1]") || host.starts_with("127.");
    if settings.server.auth.is_open() && !is_local {
        report.warning(&format!(
            "no authentication is set and {} is not a loopback address: everybody who can reach it \
             may read everything. Set ARTESIAN_ADMIN_SECRET, or tokens or a webhook",
            settings.listen
        ))?;
    }
    Ok(())
}

/// Reads no rows of every column of every table, to see whether the user may.
async fn tables(opened: &Opened, report: &mut Report) -> Result<(), CliError> {
    let model = opened.model();
    let mut good = 0_usize;
    for table in &model.tables {
        match read_nothing(opened, table).await {
            Ok(()) => good += 1,
            Err(why) => report.error(&format!("{}: {why}", table.table.name))?,
        }
    }
    let all = model.tables.len();
    report
        .line(good == all, &format!("privileges: {good} of {all} tables and views can be read"))?;
    Ok(())
}

async fn read_nothing(opened: &Opened, table: &ModelTable) -> Result<(), String> {
    let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let columns = if columns.is_empty() { "__typename".to_owned() } else { columns.join(" ") };
    let query = format!("{{ {}(limit: 0) {{ {columns} }} }}", table.roots.select.0);
    let request = Request { query: query.into(), ..Request::default() };
    let prepared = opened.engine.prepare(request, &Identity::admin(), Allow::POST);
    let operation = prepared.map_err(|errors| {
        errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join("; ")
    })?;
    let payload = operation.execute().await;
    if !payload.is_error {
        return Ok(());
    }
    let answer: Json = serde_json::from_slice(&payload.bytes).unwrap_or(Json::Null);
    let text = |pointer: &str| answer.pointer(pointer).and_then(Json::as_str).map(str::to_owned);
    let code = text("/errors/0/extensions/internal/code").unwrap_or_default();
    let message = text("/errors/0/extensions/internal/message")
        .or_else(|| text("/errors/0/message"))
        .unwrap_or_else(|| "it cannot be read".to_owned());
    let remedy = match code.as_str() {
        "42501" => {
            format!(". GRANT SELECT ON {} TO the user that Artesian connects as", table.table.name)
        }
        _ => String::new(),
    };
    Err(format!("{message}{remedy}"))
}
