//! `artesian explain`.

use artesian_engine::{Allow, Explanation};
use artesian_sql::{ParamType, ParamValue, Statement};
use clap::ArgMatches;
use serde_json::{Value as Json, json};

use super::operation::{self, Asked};
use crate::{backends::AnyDatabase, error::CliError, output};

/// Shows how an operation is answered, without executing it.
pub async fn run(matches: &ArgMatches) -> Result<(), CliError> {
    let asked = Asked::new(matches)?;
    let opened = super::open(matches).await?;
    let prepared = opened.engine.prepare(asked.request(), &asked.identity(), Allow::ALL);
    let operation = prepared.map_err(|errors| {
        operation::tell_errors(&errors);
        CliError::TOLD
    })?;
    let Some(explanation) = operation.explain() else {
        output::line("The schema alone answers this; no statement is run.")?;
        return Ok(());
    };
    let database = match &opened.database {
        Some(database) if explanation.is_statement => database,
        _ => {
            let text = if matches.get_flag("json") {
                json!({"source": explanation.source, "documents": explanation.sql}).to_string()
            } else {
                explanation.sql
            };
            output::line(text.trim_end())?;
            return Ok(());
        }
    };
    let facts = Facts::gather(&*database.source, explanation).await?;
    let text = if matches.get_flag("json") { facts.json().to_string() } else { facts.text() };
    Ok(output::line(text.trim_end())?)
}

/// What there is to know of an operation.
struct Facts {
    explanation: Explanation,
    /// Tables whose changes re-run it, views resolved.
    dependencies: Vec<String>,
    is_polled: bool,
    plan: String,
}

impl Facts {
    async fn gather(
        database: &dyn AnyDatabase,
        explanation: Explanation,
    ) -> Result<Self, CliError> {
        let dialect = database.model().dialect;
        let param_types: Vec<ParamType> = explanation
            .parameters
            .iter()
            .map(|(name, _)| ParamType { name: name.clone(), batch_element: name.clone() })
            .collect();
        let values: Vec<ParamValue> = explanation
            .parameters
            .iter()
            .map(|(_, value)| value.as_deref().map(Into::into))
            .collect();
        let statement = Statement {
            dialect,
            sql: explanation.sql.as_str().into(),
            batch_sql: explanation.batch_sql.as_str().into(),
            param_types: param_types.into(),
            reads: database
                .model()
                .tables
                .iter()
                .map(|table| &table.table.name)
                .filter(|name| explanation.reads.contains(&name.to_string()))
                .cloned()
                .collect(),
            volatile: explanation.volatile,
        };
        let (dependencies, is_polled) =
            database.dependencies(&statement).await.map_err(CliError::failed)?;
        let plan = database.planner(&statement, &values.into()).await;
        let mut dependencies: Vec<String> =
            dependencies.iter().map(|table| table.to_string()).collect();
        dependencies.sort_unstable();
        dependencies.dedup();
        Ok(Self {
            explanation,
            dependencies,
            is_polled,
            plan: plan.unwrap_or_else(|error| format!("the database does not say: {error}")),
        })
    }

    fn json(&self) -> Json {
        let parameters: Vec<Json> = self
            .explanation
            .parameters
            .iter()
            .map(|(ty, value)| json!({ "type": ty, "value": value }))
            .collect();
        json!({
            "source": self.explanation.source,
            "sql": self.explanation.sql,
            "batch_sql": self.explanation.batch_sql,
            "parameters": parameters,
            "reads": self.explanation.reads,
            "dependencies": self.dependencies,
            "is_polled": self.is_polled,
            "plan": self.plan,
        })
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let mut section = |title: &str, body: &str| {
            out.push_str(&format!("{title}\n"));
            for line in body.lines() {
                out.push_str(&format!("  {line}\n"));
            }
            out.push('\n');
        };
        let explanation = &self.explanation;
        section("Source", &explanation.source);
        section("Statement", &explanation.sql);
        let parameters: Vec<String> = explanation
            .parameters
            .iter()
            .enumerate()
            .map(|(at, (ty, value))| format!("{} {ty} = {}", at + 1, shown(value.as_deref())))
            .collect();
        let none = |text: String| {
            if text.is_empty() { "none".to_owned() } else { text }
        };
        section("Parameters", &none(parameters.join("\n")));
        let batch = if explanation.batch_sql.is_empty() {
            "none: the statement above is run once for each cohort, all in one snapshot"
        } else {
            &explanation.batch_sql
        };
        section("Statement for many cohorts at once", batch);
        section("Reads", &none(explanation.reads.join("\n")));
        let polled = if self.is_polled {
            "\nand at every refetch interval: its result can change without a write to these"
        } else {
            ""
        };
        let dependencies = format!("{}{polled}", none(self.dependencies.join("\n")));
        section("Live: run again after a commit that changes", &dependencies);
        let values: Vec<String> =
            explanation.parameters.iter().map(|(_, value)| shown(value.as_deref())).collect();
        let cohort = format!(
            "the statement and these values: ({})\nOperations that agree in both share one result, \
             whoever asks.",
            values.join(", ")
        );
        section("Live: cohort", &cohort);
        section("The database's plan", &self.plan);
        out
    }
}

fn shown(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |value| format!("{value:?}"))
}
