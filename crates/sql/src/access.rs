//! What a role may see of a table.

use crate::{
    metadata::SelectPermission,
    model::{ComputedField, ComputedResult, Model, ModelColumn, ModelTable, TableIndex},
};

/// The role that sees everything.
pub const ADMIN_ROLE: &str = "admin";

/// Which root field of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootKind {
    /// `T`
    Select,
    /// `T_by_pk`
    ByPk,
    /// `T_aggregate`
    Aggregate,
}

impl RootKind {
    /// Its name in metadata.
    fn metadata_name(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::ByPk => "select_by_pk",
            Self::Aggregate => "select_aggregate",
        }
    }
}

/// A table as a role sees it.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// The table.
    pub table: &'a ModelTable,
    /// The role's permission; `None` for the administrator, who needs none.
    pub permission: Option<&'a SelectPermission>,
}

impl<'a> Access<'a> {
    /// How a role sees a table; `None` if it does not.
    pub fn of(model: &'a Model, role: &str, index: TableIndex) -> Option<Self> {
        let table = model.tables.get(index)?;
        if role == ADMIN_ROLE {
            return Some(Self { table, permission: None });
        }
        Some(Self { table, permission: Some(table.permissions.get(role)?) })
    }

    /// Whether the role sees a column (by its name in the database).
    pub fn sees(&self, column: &str) -> bool {
        self.permission.is_none_or(|p| p.columns.contains(column))
    }

    /// The columns it sees.
    pub fn columns(&self) -> impl Iterator<Item = &'a ModelColumn> + use<'a> {
        let this = *self;
        this.table.columns.iter().filter(move |c| this.sees(&c.column))
    }

    /// The computed fields it sees: scalars by name, rows if their table is visible.
    pub fn computed<'m: 'a>(
        &self,
        model: &'m Model,
        role: &str,
    ) -> impl Iterator<Item = &'a ComputedField> {
        let permission = self.permission;
        let role = role.to_owned();
        self.table.computed.iter().filter(move |c| match &c.returns {
            ComputedResult::Scalar(_) => {
                permission.is_none_or(|p| p.computed_fields.contains(&c.name))
            }
            ComputedResult::Rows(target) => Access::of(model, &role, *target).is_some(),
        })
    }

    /// Whether aggregates are offered.
    pub fn aggregates(&self) -> bool {
        self.permission.is_none_or(|p| p.allow_aggregations)
    }

    /// At most so many rows in any list.
    pub fn limit(&self) -> Option<u32> {
        self.permission.and_then(|p| p.limit)
    }

    /// Whether a root field is offered, in queries or in subscriptions.
    pub fn root(&self, kind: RootKind, subscription: bool) -> bool {
        let possible = match kind {
            RootKind::Select => true,
            RootKind::Aggregate => self.aggregates(),
            RootKind::ByPk => self.table.table.primary_key.as_ref().is_some_and(|k| {
                k.columns.iter().all(|column| {
                    self.sees(column) && self.table.columns.iter().any(|c| c.column == *column)
                })
            }),
        };
        let listed = self.permission.is_none_or(|p| {
            let list =
                if subscription { &p.subscription_root_fields } else { &p.query_root_fields };
            list.as_ref().is_none_or(|l| l.iter().any(|n| n == kind.metadata_name()))
        });
        possible && listed
    }
}
