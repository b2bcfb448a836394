//! Records for programs: lines with tabs, and CSV.

use super::sanitize::sanitize;
use std::io::{self, Write};

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// A line each, fields separated by tabs and `-` for an empty one, without headings.
    Plain,
    /// RFC 4180, with headings.
    Csv,
}

impl Records {
    /// Writes the records, sanitized.
    pub(super) fn write<const N: usize>(
        self,
        out: &mut dyn Write,
        headings: [&str; N],
        records: impl Iterator<Item = [String; N]>,
    ) -> io::Result<()> {
        match self {
            Self::Plain => {
                for record in records {
                    let fields = record.each_ref().map(|field| match field.as_str() {
                        "" => "-".into(),
                        field => sanitize(field),
                    });
                    writeln!(out, "{}", fields.join("\t"))?;
                }
                Ok(())
            }
            Self::Csv => {
                let mut csv =
                    csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
                csv.write_record(headings)?;
                for record in records {
                    csv.write_record(record.each_ref().map(|field| sanitize(field).into_owned()))?;
                }
                csv.flush()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(records: Records) -> String {
        let mut out = Vec::new();
        let rows = [["a,b", "say \"x\""], ["", "\x1b\n"]].map(|row| row.map(str::to_owned));
        records.write(&mut out, ["one", "two"], rows.into_iter()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn plain_has_tabs_and_no_headings() {
        assert_eq!(written(Records::Plain), "a,b\tsay \"x\"\n-\t\\x1b\\n\n");
    }

    #[test]
    fn csv_is_quoted_where_it_must_be() {
        assert_eq!(written(Records::Csv), "one,two\r\n\"a,b\",\"say \"\"x\"\"\"\r\n,\\x1b\\n\r\n");
    }
}
