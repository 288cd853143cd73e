//! `artesian import tyk`: Tyk's API definitions, policies and `tyk.conf`.
//!
//! What the fields mean is taken from Tyk's own structures (`apidef/api_definitions.go`, `apidef/oas/`,
//! `config/config.go`, `user/policy.go` of TykTechnologies/tyk, 31e219b) and what the gateway does with
//! them from `gateway/` and `internal/graphengine/` there.

mod access;
mod advice;
mod assemble;
mod classic;
mod context;
mod events;
mod gateway;
mod headers;
mod jwt;
mod kind;
mod oas;
mod policies;
mod proxy;
mod schema;
mod shared;
mod supergraph;
mod udg;
mod upstream;
mod values;
mod versions;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::ArgMatches;

use self::{context::Context, kind::Kind};
use super::{
    document::Document,
    files::{self, Output},
    report::{Report, Verdict},
    yaml::Yaml,
};
use crate::{error::CliError, output};

/// The name of the report beside the written file.
const REPORT: &str = "import-report.md";

/// What the definitions became.
pub struct Converted {
    /// `artesian.yaml`.
    pub yaml: Yaml,
    /// Further files by their names: schemas.
    pub files: Vec<(String, String)>,
    /// What became of every field.
    pub report: Report,
}

/// Reads the files, converts them and writes the result.
pub fn run(matches: &ArgMatches) -> Result<(), CliError> {
    let paths: Vec<PathBuf> =
        matches.get_many::<PathBuf>("path").into_iter().flatten().cloned().collect();
    let output = match matches.get_one::<PathBuf>("output") {
        Some(path) if path.as_os_str() == "-" => Output::Standard,
        path => Output::Folder {
            path: path.cloned().unwrap_or_else(|| PathBuf::from(".")),
            force: matches.get_flag("force"),
        },
    };
    let documents = files::read(&paths)?;
    let converted = convert(&documents, output == Output::Standard)?;
    let yaml = converted.yaml.write()?;
    let report = converted.report.markdown("What became of the Tyk definitions");
    let Output::Folder { path, force } = output else {
        return files::print(&yaml, &report);
    };
    let mut all = vec![("artesian.yaml".to_owned(), yaml)];
    all.extend(converted.files);
    all.push((REPORT.to_owned(), report));
    for path in files::write(&path, force, &all)? {
        output::line(&format!("wrote {}", path.display()))?;
    }
    output::line(&converted.report.summary())?;
    let variables: Vec<&str> = converted.report.variables().collect();
    if !variables.is_empty() {
        output::line(&format!("set these variables first: {}", variables.join(", ")))?;
    }
    Ok(output::line(&format!("read {REPORT}, then run `artesian check`"))?)
}

/// Converts documents. With `alone` the YAML stands alone: schemas are not files beside it.
///
/// # Errors
/// None of them is of Tyk's.
pub fn convert(documents: &[Document], alone: bool) -> Result<Converted, CliError> {
    let all: Vec<_> = documents.iter().flat_map(kind::parts).collect();
    if all.iter().all(|(kind, _)| *kind == Kind::Unknown) {
        let names: Vec<&str> = documents.iter().map(|document| document.file.as_str()).collect();
        return Err(CliError::Usage(format!(
            "no Tyk API definition, policy or tyk.conf in {}",
            names.join(", ")
        )));
    }
    let mut context = Context::new(&all, alone);
    // What tyk.conf says holds for all definitions.
    let order = [Kind::Gateway, Kind::Classic, Kind::Oas, Kind::Policies, Kind::Unknown];
    for kind in order {
        for (_, root) in all.iter().filter(|(k, _)| *k == kind) {
            match kind {
                Kind::Gateway => gateway::read(&mut context, root),
                Kind::Classic => classic::read(&mut context, root),
                Kind::Oas => oas::read(&mut context, root),
                Kind::Policies => policies::read(&mut context, root),
                Kind::Unknown => {
                    root.take();
                    let text = "it is no Tyk API definition, policy or tyk.conf: left out";
                    context.report.tell(Verdict::Missing, root, text);
                }
            }
        }
    }
    for document in documents {
        let kind = all.iter().find(|(_, root)| root.file() == document.file).map(|(kind, _)| *kind);
        advice::tell(&mut context.report, document, kind.unwrap_or(Kind::Unknown));
    }
    Ok(assemble::assemble(context))
}
