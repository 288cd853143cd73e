//! `artesian subscribe`.

use std::io;

use artesian_engine::{Allow, GraphQLError, OperationKind};
use clap::ArgMatches;
use serde_json::Value as Json;

use super::operation::{self, Asked};
use crate::{
    args,
    client::{
        Endpoint,
        results::{Protocol, Results, Update},
    },
    connect::Opened,
    error::CliError,
    output,
    signals::Shutdown,
    table::{self, Canvas},
};

/// Follows an operation until it ends or Ctrl-C.
pub async fn run(matches: &ArgMatches) -> Result<(), CliError> {
    let shutdown = Shutdown::listen()?;
    let asked = Asked::new(matches)?;
    let as_json = matches.get_flag("json") || !output::is_terminal();
    let limit = matches.get_one::<u64>("count").copied().unwrap_or(u64::MAX);
    let mut screen = Screen::new(as_json);
    let mut started = tokio::select! {
        started = start(matches, asked) => started?,
        () = shutdown.wanted() => return Ok(()),
    };
    let mut outcome = Ok(());
    while screen.count < limit {
        let update = tokio::select! {
            biased;
            () = shutdown.wanted() => break,
            update = started.results.next() => update,
        };
        match update {
            Ok(Some(update)) => screen.show(&update)?,
            Ok(None) => break,
            Err(error) => {
                outcome = Err(CliError::from(error));
                break;
            }
        }
    }
    started.results.end().await;
    outcome?;
    if screen.last_is_error { Err(CliError::TOLD) } else { Ok(()) }
}

/// A running operation with what keeps it running.
struct Started {
    results: Results,
    _opened: Option<Opened>,
}

async fn start(matches: &ArgMatches, asked: Asked) -> Result<Started, CliError> {
    if let Some(endpoint) = args::text(matches, "endpoint") {
        let endpoint = Endpoint::parse(endpoint)?;
        let protocol = Protocol::parse(args::text(matches, "protocol").unwrap_or("auto"));
        let init = args::text(matches, "init-payload")
            .map(|text| operation::object("--init-payload", text))
            .transpose()?;
        let results = Results::remote(&endpoint, &asked, protocol, init).await?;
        return Ok(Started { results, _opened: None });
    }
    let opened = super::open(matches).await?;
    let prepared = opened.engine.prepare(asked.request(), &asked.identity(), Allow::ALL);
    let operation = prepared.map_err(told)?;
    if operation.kind() == OperationKind::Mutation {
        let message = "a mutation cannot be followed: use `artesian query`";
        return Err(CliError::Usage(message.to_owned()));
    }
    // A query is followed like a subscription.
    let stream = operation.subscribe().await.map_err(told)?;
    Ok(Started { results: Results::Local(stream), _opened: Some(opened) })
}

fn told(errors: Vec<GraphQLError>) -> CliError {
    operation::tell_errors(&errors);
    CliError::TOLD
}

/// Where results are shown.
struct Screen {
    as_json: bool,
    /// Whether marks may be colours (https://no-color.org).
    has_color: bool,
    /// The last result's data.
    previous: Option<Json>,
    /// Lines of the last result that are on the screen.
    lines: usize,
    count: u64,
    last_is_error: bool,
}

impl Screen {
    fn new(as_json: bool) -> Self {
        Self {
            as_json,
            has_color: std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
            previous: None,
            lines: 0,
            count: 0,
            last_is_error: false,
        }
    }

    fn show(&mut self, update: &Update) -> io::Result<()> {
        output::raw(&self.frame(update, output::terminal_size()))
    }

    /// What to write so that this result is to be seen on a terminal of so many columns and lines.
    fn frame(&mut self, update: &Update, (width, height): (usize, usize)) -> String {
        self.count += 1;
        let result: Json = serde_json::from_slice(&update.bytes).unwrap_or(Json::Null);
        let errors = result.get("errors").filter(|errors| !errors.is_null());
        self.last_is_error = errors.is_some();
        if self.as_json {
            return one_line(&update.bytes);
        }
        // Two lines for the count, and one for the cursor.
        let canvas = Canvas { width, height: height.saturating_sub(3), color: self.has_color };
        let mut lines = Vec::new();
        if let Some(data) = result.get("data").filter(|data| !data.is_null()) {
            lines = table::render(self.previous.as_ref(), data, canvas);
            self.previous = Some(data.clone());
        }
        for error in errors.and_then(Json::as_array).into_iter().flatten() {
            let message = error.get("message").and_then(Json::as_str).unwrap_or("an error");
            lines.push(format!("error: {}", message.escape_debug()));
        }
        lines.push(String::new());
        let results = if self.count == 1 { "result" } else { "results" };
        lines.push(format!("{} {results}; Ctrl-C ends", self.count));
        let mut text = String::new();
        if self.lines > 0 {
            // Back to the first line, and clear from there.
            text.push_str(&format!("\u{1b}[{}F\u{1b}[J", self.lines));
        }
        for line in &lines {
            text.push_str(line);
            text.push('\n');
        }
        self.lines = lines.len();
        text
    }
}

/// A result as one line of JSON, as it came but for line feeds between its parts.
fn one_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    format!("{}\n", text.replace(['\n', '\r'], " ").trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(as_json: bool) -> Screen {
        Screen { has_color: false, ..Screen::new(as_json) }
    }

    fn update(text: &'static str) -> Update {
        Update::new(text.as_bytes().into())
    }

    #[test]
    fn a_table_is_drawn_over_the_one_before() {
        let mut screen = screen(false);
        let first = screen.frame(&update(r#"{"data":{"n":[{"id":1}]}}"#), (80, 24));
        assert_eq!(first, "n (1 row)\nid\n 1\n\n1 result; Ctrl-C ends\n");
        let second = screen.frame(&update(r#"{"data":{"n":[]}}"#), (80, 24));
        assert_eq!(second, "\u{1b}[5F\u{1b}[Jn (0 rows)\n\n2 results; Ctrl-C ends\n");
        assert!(!screen.last_is_error);
        let errors = r#"{"data":null,"errors":[{"message":"away\u001b"}]}"#;
        let third = screen.frame(&update(errors), (80, 24));
        assert!(third.starts_with("\u{1b}[3F\u{1b}[Jerror: away\\u{1b}\n"), "{third:?}");
        assert!(screen.last_is_error);
    }

    #[test]
    fn json_is_one_line_for_each_result_with_its_numbers_as_they_came() {
        let mut screen = screen(true);
        let text = screen.frame(&update("{\"data\":{\"n\":[1.10,\n 2]}}\n"), (80, 24));
        assert_eq!(text, "{\"data\":{\"n\":[1.10,  2]}}\n");
    }
}
