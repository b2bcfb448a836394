//! Lines for programs.

use super::sanitize::sanitize;
use std::io::{self, Write};

/// Writes fields as a line, sanitized and separated by tabs; an empty one is `-`.
pub(super) fn tab_separated(out: &mut dyn Write, fields: &[String]) -> io::Result<()> {
    let fields: Vec<_> = fields
        .iter()
        .map(|field| if field.is_empty() { "-".into() } else { sanitize(field) })
        .collect();
    writeln!(out, "{}", fields.join("\t"))
}
