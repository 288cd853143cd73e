//! `artesian schema`.

use artesian_engine::identity::ADMIN_ROLE;
use clap::ArgMatches;

use crate::{args, error::CliError, output};

/// Prints the schema of a role.
pub async fn run(matches: &ArgMatches) -> Result<(), CliError> {
    let opened = super::open(matches).await?;
    let role = args::text(matches, "role").unwrap_or(ADMIN_ROLE);
    let model = opened.model();
    let is_alone = opened.gateway.members().is_empty();
    if role != ADMIN_ROLE && !model.roles.contains(role) && is_alone {
        let mut roles: Vec<&str> = model.roles.iter().map(String::as_str).collect();
        roles.sort_unstable();
        let known = if roles.is_empty() {
            "no permission names any role".to_owned()
        } else {
            format!("permissions name: {}", roles.join(", "))
        };
        let message = format!("the role \"{role}\" sees nothing here ({known})");
        return Err(CliError::Failed(message));
    }
    let sdl = opened
        .engine
        .sdl(role)
        .ok_or_else(|| CliError::Failed(format!("the role \"{role}\" sees nothing here")))?;
    Ok(output::raw(&sdl)?)
}
