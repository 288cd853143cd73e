//! `artesian query`.

use artesian_engine::{Allow, Payload};
use bytes::Bytes;
use clap::ArgMatches;
use serde_json::Value as Json;

use super::operation::Asked;
use crate::{args, client, error::CliError, output, signals::Shutdown};

/// Runs an operation once and prints its answer.
pub async fn run(matches: &ArgMatches) -> Result<(), CliError> {
    let shutdown = Shutdown::listen()?;
    let asked = Asked::new(matches)?;
    let (bytes, is_error) = tokio::select! {
        answer = answer(matches, &asked) => answer?,
        () = shutdown.wanted() => return Err(CliError::TOLD),
    };
    let one_line = matches.get_flag("json") || !output::is_terminal();
    output::line(&printed(&bytes, one_line))?;
    if is_error { Err(CliError::TOLD) } else { Ok(()) }
}

async fn answer(matches: &ArgMatches, asked: &Asked) -> Result<(Bytes, bool), CliError> {
    if let Some(endpoint) = args::text(matches, "endpoint") {
        let endpoint = client::Endpoint::parse(endpoint)?;
        let bytes = client::http::query(&endpoint, asked).await?;
        let has_errors = serde_json::from_slice::<Json>(&bytes)
            .is_ok_and(|answer| answer.get("errors").is_some_and(|errors| !errors.is_null()));
        return Ok((bytes, has_errors));
    }
    let opened = super::open(matches).await?;
    let prepare = |allow| opened.engine.prepare(asked.request(), &asked.identity(), allow);
    let is_stream = prepare(Allow::ALL).is_ok_and(|operation| operation.is_stream());
    if is_stream {
        let message = "this is a live operation: use `artesian subscribe`";
        return Err(CliError::Usage(message.to_owned()));
    }
    let payload = match prepare(Allow::POST) {
        Ok(operation) => operation.execute().await,
        Err(errors) => Payload::request_error(&errors),
    };
    Ok((payload.bytes, payload.is_error))
}

/// An answer on one line, or indented for a person.
fn printed(bytes: &[u8], one_line: bool) -> String {
    let parsed = serde_json::from_slice::<Json>(bytes);
    let text = match (parsed, one_line) {
        (Ok(json), true) => serde_json::to_string(&json).ok(),
        (Ok(json), false) => serde_json::to_string_pretty(&json).ok(),
        (Err(_), _) => None,
    };
    text.unwrap_or_else(|| String::from_utf8_lossy(bytes).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_the_order_of_keys_survive() {
        let bytes = b"{\"data\":{\"z\":1.10,\n\"a\":12345678901234567890}}";
        assert_eq!(printed(bytes, true), r#"{"data":{"z":1.10,"a":12345678901234567890}}"#);
        assert!(printed(bytes, false).contains("\n    \"z\": 1.10,\n"));
        assert_eq!(printed(b"no json\n", true), "no json");
    }
}
