//! `docs/limits.md` against the settings and the metrics.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, path::Path};

use artesian_server::Limit;

use super::definitions::{self, Definition, Group, Kind};

/// Numbers and times that limit nobody.
const NO_LIMITS: &[&str] = &[
    "database-connect-timeout",
    "forwarded-header",
    "live-queries-multiplexed-refetch-interval",
    "multipart-heartbeat",
    "reload-interval",
    "schema-interval",
    "server-port",
    "shutdown-grace",
    "shutdown-window",
    "sse-heartbeat",
    "trusted-proxies",
    "websocket-compression-threshold",
    "websocket-keepalive",
];

struct Row {
    setting: String,
    default: String,
    metric: String,
}

fn rows() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/limits.md");
    let text = std::fs::read_to_string(path).unwrap();
    let cells = |line: &str| {
        let cells: Vec<String> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        assert_eq!(cells.len(), 8, "six columns: {line}");
        let clean = |n: usize| cells[n].trim_matches('`').to_owned();
        (clean(2), clean(3), clean(4))
    };
    text.lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| limit |"))
        .map(cells)
        .map(|(setting, default, metric)| Row { setting, default, metric })
        .collect()
}

#[test]
fn every_limit_that_can_be_set_is_in_the_table_with_its_default() {
    let rows = rows();
    let mut named = BTreeSet::new();
    for row in rows.iter().filter(|row| !row.setting.is_empty()) {
        let definition = definitions::find(&row.setting);
        let default = definition.map(|definition| definition.default);
        assert_eq!(default, Some(row.default.as_str()), "{}", row.setting);
        named.insert(row.setting.as_str());
    }
    let is_limit = |definition: &&Definition| {
        let is_size = matches!(definition.kind, Kind::Number | Kind::Seconds | Kind::Milliseconds);
        let is_of_limits = matches!(definition.group, Group::Limits | Group::Connections);
        (is_size || is_of_limits) && !NO_LIMITS.contains(&definition.name)
    };
    for definition in definitions::ALL.iter().filter(is_limit) {
        assert!(named.contains(definition.name), "docs/limits.md lacks {}", definition.name);
    }
    for name in NO_LIMITS {
        assert!(definitions::find(name).is_some() && !named.contains(name), "{name}");
    }
}

#[test]
fn every_metric_is_in_the_table_and_every_one_there_exists() {
    let known: BTreeSet<&str> = Limit::ALL.iter().map(|limit| limit.as_str()).collect();
    let rows = rows();
    let named: BTreeSet<&str> =
        rows.iter().map(|row| row.metric.as_str()).filter(|metric| !metric.is_empty()).collect();
    assert_eq!(named, known);
}
