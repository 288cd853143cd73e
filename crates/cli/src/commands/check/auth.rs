//! Authentication, tried out.

use std::io::{self, Read};

use artesian_auth::{
    Mode,
    inspect::{FoundKeys, HookFound, Inspection, Refusal, Who},
    jwt::{
        config::{JwtConfig, TokenPlace},
        explain::{moment, quoted},
    },
};
use artesian_engine::identity::ADMIN_ROLE;
use artesian_server::AuthConfig;
use clap::ArgMatches;

use super::report::Report;
use crate::{
    args,
    error::CliError,
    settings::{self, Settings},
};

/// The longest token that is read from standard input, in bytes; clients may send less.
const LONGEST_TOKEN: u64 = 1 << 20;

/// Asks the services of the settings, and says what becomes of the token that was given.
pub async fn check(
    settings: &Settings,
    matches: &ArgMatches,
    report: &mut Report,
) -> Result<(), CliError> {
    let config = &settings.server.auth;
    let token = match args::text(matches, "token").map(read_token).transpose() {
        Ok(token) => token,
        Err(error) => {
            report.error(&format!("token: {error}"))?;
            None
        }
    };
    let inspection = match Inspection::start(config.clone()).await {
        Ok(inspection) => inspection,
        Err(error) => return report.error(&format!("authentication: {error}")),
    };
    let summary = config.summary();
    match &config.mode {
        Mode::Jwt(_) if config.admin_secrets.is_empty() => report.good(&format!(
            "authentication: {summary}. There is no admin secret: the administrator is who has a token \
             that allows the role admin"
        ))?,
        Mode::Webhook(_) if config.admin_secrets.is_empty() => report.good(&format!(
            "authentication: {summary}. There is no admin secret: the administrator is whom the webhook \
             gives the role admin"
        ))?,
        _ => report.good(&format!("authentication: {summary}"))?,
    }
    for doubt in settings::auth::doubts(&settings.server) {
        report.warning(&doubt)?;
    }
    for found in inspection.key_sets() {
        keys(found, report)?;
    }
    if let Some(found) = inspection.webhook(None, None).await {
        webhook(&found, report)?;
    }
    match token {
        Some(token) => {
            Asked { config, token: &token, role: args::text(matches, "role") }
                .tell(&inspection, report)
                .await
        }
        None => Ok(()),
    }
}

/// The token, without what is often copied with it.
fn read_token(given: &str) -> io::Result<String> {
    let mut text = given.to_owned();
    if given == "-" {
        text.clear();
        io::stdin().lock().take(LONGEST_TOKEN).read_to_string(&mut text)?;
    }
    let text = text.trim();
    let token = text.get(..7).filter(|start| start.eq_ignore_ascii_case("bearer "));
    let token = token.map_or(text, |start| text.get(start.len()..).unwrap_or_default()).trim();
    if token.is_empty() {
        return Err(io::Error::other("there is none"));
    }
    Ok(token.to_owned())
}

fn keys(found: &FoundKeys, report: &mut Report) -> Result<(), CliError> {
    let keys = match &found.keys {
        Ok(keys) => keys,
        Err(error) => {
            return report.error(&format!(
                "keys: {error}. `artesian serve` starts all the same, and refuses tokens until the \
                 keys are there"
            ));
        }
    };
    let count: usize = keys.usable.values().sum();
    let by_algorithm: Vec<String> =
        keys.usable.iter().map(|(names, count)| format!("{count} for {names}")).collect();
    let noun = if count == 1 { "key" } else { "keys" };
    report.good(&format!(
        "keys: {count} usable {noun} at {}: {}; fetched again after {} s",
        found.url,
        by_algorithm.join("; "),
        keys.life.as_secs()
    ))?;
    for key in &keys.unusable {
        let name = key.id.as_deref().map_or_else(|| "without kid".to_owned(), quoted);
        let line = format!("keys: the key {name} is not used: {}", key.reason);
        if key.is_for_other_use { report.good(&line) } else { report.warning(&line) }?;
    }
    Ok(())
}

fn webhook(found: &HookFound, report: &mut Report) -> Result<(), CliError> {
    const WHOM: &str = "a client without credentials";
    match found {
        HookFound::Refuses => report.good(&format!("webhook: it refuses {WHOM} (401)")),
        HookFound::Takes(who) if who.role == ADMIN_ROLE => {
            report.error(&format!("webhook: it makes {WHOM} the administrator"))
        }
        HookFound::Takes(who) => {
            report.good(&format!("webhook: it gives {WHOM} the role {}", quoted(&who.role)))
        }
        HookFound::Bad { status, reason } => report.error(&format!(
            "webhook: it answers {status} to {WHOM}, and {reason}. It must answer 401, or 200 with a \
             JSON object that has x-hasura-role. Such clients get an error"
        )),
        HookFound::Away(reason) => report
            .error(&format!("webhook: it does not answer: {reason}. Until it does, nobody gets in")),
    }
}

/// A token and how it is used.
struct Asked<'a> {
    config: &'a AuthConfig,
    token: &'a str,
    role: Option<&'a str>,
}

impl Asked<'_> {
    async fn tell(&self, inspection: &Inspection, report: &mut Report) -> Result<(), CliError> {
        match &self.config.mode {
            Mode::Secrets => report.error(
                "token: no tokens are configured, so nobody looks at it. Set jwt-secret or auth-hook",
            ),
            Mode::Jwt(issuers) => {
                self.by_issuers(issuers, &inspection.token(self.token, self.role).await, report)
            }
            Mode::Webhook(_) => match inspection.webhook(Some(self.token), self.role).await {
                Some(HookFound::Takes(found)) => {
                    report.good("token: the webhook accepts it as `Authorization: Bearer …`")?;
                    who(&found, report)
                }
                Some(HookFound::Refuses) => report.error("token: the webhook refuses it (401)"),
                Some(HookFound::Bad { status, reason }) => report
                    .error(&format!("token: the webhook answers {status}, and {reason}")),
                Some(HookFound::Away(reason)) => {
                    report.error(&format!("token: the webhook does not answer: {reason}"))
                }
                None => Ok(()),
            },
        }
    }

    fn by_issuers(
        &self,
        issuers: &[JwtConfig],
        results: &[Result<Who, Refusal>],
        report: &mut Report,
    ) -> Result<(), CliError> {
        let number = |at: usize| {
            if issuers.len() > 1 { format!(" number {}", at + 1) } else { String::new() }
        };
        for (at, (issuer, result)) in issuers.iter().zip(results).enumerate() {
            if let Ok(found) = result {
                let place = match &issuer.place {
                    TokenPlace::Authorization => "`Authorization: Bearer …`".to_owned(),
                    TokenPlace::Cookie(name) => format!("the cookie {}", quoted(name)),
                    TokenPlace::Header(name) => format!("the header {}", quoted(name.as_str())),
                };
                report.good(&format!(
                    "token: the JWT secret{} accepts it; clients send it as {place}",
                    number(at)
                ))?;
                return who(found, report);
            }
        }
        let mut refusals: Vec<String> = Vec::new();
        for (at, result) in results.iter().enumerate() {
            let Err(Refusal { error, detail }) = result else { continue };
            let detail = detail.as_ref().map_or_else(String::new, |detail| format!("; {detail}"));
            refusals.push(format!("the JWT secret{} refuses it: {error}{detail}", number(at)));
        }
        // Names of claims are the token's.
        report.error(&format!("token: {}", shown(&refusals.join(". "))))
    }
}

/// Text without characters that a terminal obeys.
fn shown(text: &str) -> String {
    let escaped = |c: char| {
        if c.is_control() { c.escape_default().to_string() } else { c.to_string() }
    };
    text.chars().map(escaped).collect()
}

fn who(who: &Who, report: &mut Report) -> Result<(), CliError> {
    let allowed = who.allowed_roles.as_ref().map_or_else(String::new, |roles| {
        let roles: Vec<_> = roles.iter().map(|role| quoted(role)).collect();
        format!("; allowed are {}", roles.join(", "))
    });
    report.good(&format!("token: the role is {}{allowed}", quoted(&who.role)))?;
    for (name, value) in &who.session {
        report.good(&format!("token: {} is {}", name.escape_debug(), quoted(value)))?;
    }
    match who.expires {
        Some(expires) => report.good(&format!("token: it holds until {}", moment(expires))),
        None => report.good("token: it holds without end"),
    }
}
