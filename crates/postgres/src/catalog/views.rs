//! What views read, through views over views.

use std::collections::{BTreeSet, HashMap, HashSet};

use artesian_database::BackendError;
use artesian_sql::QualifiedName;
use tokio_postgres::Row;

use super::get;
use crate::dependencies::Reads;

/// What relations read directly.
pub(super) struct Graph {
    nodes: HashMap<u32, Node>,
}

struct Node {
    name: QualifiedName,
    is_view: bool,
    unsteady: bool,
    edges: Vec<Edge>,
}

struct Edge {
    id: u32,
    name: QualifiedName,
    kind: String,
    of_system: bool,
}

impl Graph {
    pub(super) fn new(rows: &[Row]) -> Result<Self, BackendError> {
        let mut nodes: HashMap<u32, Node> = HashMap::new();
        for row in rows {
            let (schema, name): (String, String) = (get(row, 1)?, get(row, 2)?);
            let (is_view, unsteady) = (get(row, 3)?, get(row, 4)?);
            let node = nodes.entry(get(row, 0)?).or_insert_with(|| Node {
                name: QualifiedName::new(schema, name),
                is_view,
                unsteady,
                edges: Vec::new(),
            });
            if let Some(id) = get::<Option<u32>>(row, 5)? {
                let (schema, name): (String, String) = (get(row, 6)?, get(row, 7)?);
                node.edges.push(Edge {
                    id,
                    name: QualifiedName::new(schema, name),
                    kind: get(row, 8)?,
                    of_system: get(row, 9)?,
                });
            }
        }
        Ok(Self { nodes })
    }

    /// The relations that have something to say, with what they read, closed over views.
    pub(super) fn closed(&self) -> impl Iterator<Item = (u32, &QualifiedName, Reads)> {
        self.nodes.iter().map(|(id, node)| (*id, &node.name, self.closure(*id, node)))
    }

    fn closure(&self, id: u32, node: &Node) -> Reads {
        let mut reads = Reads::default();
        if !node.is_view {
            reads.tables.insert(node.name.clone());
        }
        let mut seen = HashSet::from([id]);
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            reads.volatile |= node.unsteady;
            for edge in &node.edges {
                if !seen.insert(edge.id) {
                    continue;
                }
                visit(edge, &mut reads.tables, &mut reads.volatile);
                open.extend(self.nodes.get(&edge.id));
            }
        }
        reads
    }
}

/// Notes one relation that is read. Views are followed by the caller.
fn visit(edge: &Edge, tables: &mut BTreeSet<QualifiedName>, volatile: &mut bool) {
    match edge.kind.as_str() {
        _ if edge.of_system => *volatile = true,
        "v" => {}
        "r" | "p" => {
            tables.insert(edge.name.clone());
        }
        // Foreign tables change elsewhere, materialized views when they are refreshed; sequences
        // and whatever else there may be tell nobody.
        "f" | "m" => {
            tables.insert(edge.name.clone());
            *volatile = true;
        }
        _ => *volatile = true,
    }
}
