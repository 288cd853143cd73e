//! SQL functions that generated statements may call and SQLite lacks.
//!
//! | function | what it does |
//! |---|---|
//! | `regexp(pattern, text)`, `text REGEXP pattern` | whether a part of the text matches |
//! | `iregexp(pattern, text)` | the same without regard to case |
//! | `stddev`, `stddev_samp`, `stddev_pop` | standard deviation of a sample (the first two), of a population |
//! | `variance`, `var_samp`, `var_pop` | variance likewise |

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use regex::{Regex, RegexBuilder};
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result};

/// Memory that one compiled pattern may take, and its lazily built automaton as much again.
const PATTERN_SIZE: usize = 1 << 20;
/// Compiled patterns that a connection keeps.
const PATTERNS: usize = 32;

/// Registers every function on a connection.
pub(crate) fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    for (name, ignore_case) in [("regexp", false), ("iregexp", true)] {
        let patterns = Patterns { ignore_case, compiled: Mutex::default() };
        connection.create_scalar_function(name, 2, flags, move |ctx| patterns.matches(ctx))?;
    }
    for (name, sample, root) in [
        ("stddev", true, true),
        ("stddev_samp", true, true),
        ("stddev_pop", false, true),
        ("variance", true, false),
        ("var_samp", true, false),
        ("var_pop", false, false),
    ] {
        connection.create_aggregate_function(name, 1, flags, Spread { sample, root })?;
    }
    crate::dialect::register(connection)?;
    Ok(())
}

struct Patterns {
    ignore_case: bool,
    compiled: Mutex<HashMap<String, Regex>>,
}

impl Patterns {
    fn matches(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        if matches!(ctx.get_raw(0), ValueRef::Null) {
            return Ok(None);
        }
        let regex: Arc<Regex> = ctx.get_or_create_aux(0, |pattern| {
            text_of(pattern)
                .ok_or_else(|| "the pattern is not text".into())
                .and_then(|p| self.compile(&p))
        })?;
        match text_of(ctx.get_raw(1)) {
            Some(text) => Ok(Some(regex.is_match(&text))),
            None => Ok(None),
        }
    }

    fn compile(&self, pattern: &str) -> Result<Regex, Box<dyn std::error::Error + Send + Sync>> {
        let mut compiled = self.compiled.lock();
        if let Some(regex) = compiled.get(pattern) {
            return Ok(regex.clone());
        }
        let regex = RegexBuilder::new(pattern)
            .case_insensitive(self.ignore_case)
            .size_limit(PATTERN_SIZE)
            .dfa_size_limit(PATTERN_SIZE)
            .build()
            .map_err(|e| format!("invalid regular expression: {e}"))?;
        if compiled.len() >= PATTERNS {
            compiled.clear();
        }
        compiled.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    }
}

fn text_of(value: ValueRef<'_>) -> Option<std::borrow::Cow<'_, str>> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(i) => Some(i.to_string().into()),
        ValueRef::Real(r) => Some(r.to_string().into()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes)),
    }
}

/// Variance and its root, by Welford's method: one pass, no catastrophic cancellation.
struct Spread {
    sample: bool,
    root: bool,
}

#[derive(Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Aggregate<Moments, Option<f64>> for Spread {
    fn init(&self, _: &mut Context<'_>) -> Result<Moments> {
        Ok(Moments::default())
    }

    fn step(&self, ctx: &mut Context<'_>, moments: &mut Moments) -> Result<()> {
        let value = match ctx.get_raw(0) {
            ValueRef::Null => return Ok(()),
            ValueRef::Integer(i) => i as f64,
            ValueRef::Real(r) => r,
            ValueRef::Text(t) => {
                match std::str::from_utf8(t).ok().and_then(|t| t.trim().parse().ok()) {
                    Some(number) => number,
                    None => return Err(not_a_number()),
                }
            }
            ValueRef::Blob(_) => return Err(not_a_number()),
        };
        moments.count += 1.0;
        let delta = value - moments.mean;
        moments.mean += delta / moments.count;
        moments.squares += delta * (value - moments.mean);
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, moments: Option<Moments>) -> Result<Option<f64>> {
        let Some(moments) = moments else {
            return Ok(None);
        };
        let divisor = if self.sample { moments.count - 1.0 } else { moments.count };
        if divisor <= 0.0 {
            return Ok(None);
        }
        let variance = moments.squares / divisor;
        Ok(Some(if self.root { variance.sqrt() } else { variance }))
    }
}

fn not_a_number() -> Error {
    Error::UserFunctionError("variance and standard deviation take numbers only".into())
}
