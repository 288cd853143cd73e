//! What `artesian check` prints.

use crate::{error::CliError, output};

/// Counts what is found and prints it at once.
#[derive(Default)]
pub struct Report {
    /// How many errors there were.
    pub errors: usize,
    /// How many warnings there were.
    pub warnings: usize,
}

impl Report {
    /// A line about something that is good or not; it does not count.
    pub fn line(&mut self, is_good: bool, text: &str) -> Result<(), CliError> {
        let word = if is_good { "ok     " } else { "error  " };
        Ok(output::line(&format!("{word} {text}"))?)
    }

    /// Something that is as it should be.
    pub fn good(&mut self, text: &str) -> Result<(), CliError> {
        self.line(true, text)
    }

    /// Something that does not work.
    pub fn error(&mut self, text: &str) -> Result<(), CliError> {
        self.errors += 1;
        self.line(false, text)
    }

    /// Something that is probably not meant.
    pub fn warning(&mut self, text: &str) -> Result<(), CliError> {
        self.warnings += 1;
        Ok(output::line(&format!("warning {text}"))?)
    }
}
