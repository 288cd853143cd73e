//! Functions: from rows of `pg_proc` to [`Function`].

use artesian_database::BackendError;
use artesian_sql::catalog::{Function, FunctionArg, QualifiedName, Volatility};
use tokio_postgres::Row;

use super::{get, types::Types};

/// The functions that a query could call; polymorphic ones are left out.
pub(super) fn functions(rows: &[Row], types: &Types) -> Result<Vec<Function>, BackendError> {
    let mut functions = Vec::with_capacity(rows.len());
    for row in rows {
        functions.extend(function(row, types)?);
    }
    Ok(functions)
}

fn function(row: &Row, types: &Types) -> Result<Option<Function>, BackendError> {
    let returns: u32 = get(row, 4)?;
    let volatility: String = get(row, 5)?;
    let inputs: Vec<u32> = get(row, 6)?;
    // These three are there only if needed: output arguments, their modes, names.
    let all: Option<Vec<u32>> = get(row, 7)?;
    let modes: Option<Vec<String>> = get(row, 8)?;
    let names: Option<Vec<String>> = get(row, 9)?;
    let defaults: i16 = get(row, 10)?;

    let all = all.unwrap_or_else(|| inputs.clone());
    if types.is_pseudo(returns) || inputs.iter().any(|ty| types.is_pseudo(*ty)) {
        return Ok(None);
    }
    let mut args: Vec<FunctionArg> = Vec::with_capacity(inputs.len());
    for (index, ty) in all.into_iter().enumerate() {
        let mode = modes.as_ref().and_then(|modes| modes.get(index)).map_or("i", String::as_str);
        // Input, input and output, variadic; the others are output.
        if matches!(mode, "i" | "b" | "v") {
            let name = names.as_ref().and_then(|names| names.get(index));
            args.push(FunctionArg {
                name: name.filter(|name| !name.is_empty()).cloned(),
                ty: types.column_type(ty),
                has_default: false,
            });
        }
    }
    // Defaults belong to the last input arguments.
    let with_default = usize::try_from(defaults).unwrap_or(0);
    for arg in args.iter_mut().rev().take(with_default) {
        arg.has_default = true;
    }
    let schema: String = get(row, 0)?;
    let name: String = get(row, 1)?;
    Ok(Some(Function {
        name: QualifiedName::new(schema, name),
        comment: get(row, 2)?,
        args,
        returns: types.column_type(returns),
        returns_table: types.relation(returns),
        returns_set: get(row, 3)?,
        volatility: match volatility.as_str() {
            "i" => Volatility::Immutable,
            "s" => Volatility::Stable,
            _ => Volatility::Volatile,
        },
    }))
}
