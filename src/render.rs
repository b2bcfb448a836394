//! A report → bytes. Everything here is a pure function into a writer: it never touches stdout, the clock
//! or the environment, so it is tested with literals.
//!
//! Names, command lines and notes come from outside and are hostile: human output passes them through
//! [`fn@sanitize`], and [`fn@json`] writes the same characters as `\u` escapes.

mod bind;
mod check;
mod group;
mod header;
mod identity;
mod journey;
mod json;
mod number;
mod owners;
mod reason;
mod records;
mod sanitize;
mod sockets;
mod stop;
mod style;
mod table;
mod units;
mod who;
mod why;

pub use check::{check_records, check_table};
pub use header::header;
pub use json::{json, ndjson};
pub use records::Records;
pub use sanitize::sanitize;
pub use sockets::{Extent, sockets_records, sockets_table};
pub use stop::stop_command;
pub use who::who_text;
pub use why::{findings, why_records, why_text};

/// How human output is to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Appearance {
    /// Whether to colour it. Words carry the meaning either way.
    pub color: bool,
    /// The columns of the terminal; `None` for no limit.
    pub width: Option<u16>,
    /// The present moment in seconds since the Unix epoch, for ages.
    pub now: u64,
}

/// What a table left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "the user is told on stderr which columns a narrow terminal hides"]
pub struct Shown {
    /// The titles of the columns that found no room, in their order in the table.
    pub hidden: Vec<&'static str>,
}
