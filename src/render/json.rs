//! JSON that a terminal can show: characters that could change what it shows are written as `\u` escapes, which
//! decode to the same value.

use super::sanitize::is_hostile;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use std::io::{self, Write};

/// Writes a document as JSON with two spaces of indentation and a newline at its end.
pub fn json(out: &mut dyn Write, document: &impl Serialize) -> io::Result<()> {
    write(out, PrettyFormatter::new(), document)
}

/// Writes a document as lines of JSON: first the document without its items, so that what could not be seen is
/// said before anything else, then a line for each item.
pub fn ndjson(out: &mut dyn Write, document: &impl Serialize) -> io::Result<()> {
    let mut document = serde_json::to_value(document)?;
    let items = document.as_object_mut().and_then(|fields| fields.shift_remove("items"));
    write(out, CompactFormatter, &document)?;
    let items = items.as_ref().and_then(Value::as_array);
    items.into_iter().flatten().try_for_each(|item| write(out, CompactFormatter, item))
}

fn write(out: &mut dyn Write, formatter: impl Formatter, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Visible(formatter));
    value.serialize(&mut serializer)?;
    writeln!(out)
}

/// A formatter, with hostile characters of strings escaped.
struct Visible<F>(F);

/// Passes calls on to the formatter within.
macro_rules! as_within {
    ($($name:ident($($argument:ident: $type:ty)?);)+) => {
        $(fn $name<W: ?Sized + Write>(&mut self, out: &mut W $(, $argument: $type)?) -> io::Result<()> {
            self.0.$name(out $(, $argument)?)
        })+
    };
}

impl<F: Formatter> Formatter for Visible<F> {
    as_within! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for piece in fragment.split_inclusive(is_hostile) {
            let hostile = piece.chars().next_back().filter(|last| is_hostile(*last));
            let plain = hostile.and_then(|last| piece.strip_suffix(last)).unwrap_or(piece);
            out.write_all(plain.as_bytes())?;
            for unit in hostile.into_iter().flat_map(|c| c.encode_utf16(&mut [0; 2]).to_vec()) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{self, samples, samples::With};
    use serde_json::{Value, json};

    fn written(value: &Value) -> String {
        let mut out = Vec::new();
        json(&mut out, value).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn it_is_pretty_and_ends_with_a_newline() {
        assert_eq!(
            written(&json!({"a": [1, {"b": null}], "c": [], "d": {}})),
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ],\n  \"c\": [],\n  \"d\": {}\n}\n"
        );
    }

    #[test]
    fn lines_begin_with_what_is_around_the_items() {
        let mut out = Vec::new();
        let document =
            json!({"schema": "s", "items": [{"a": "\x1b"}, {"b": [1]}], "partial": true});
        ndjson(&mut out, &document).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"schema\":\"s\",\"partial\":true}\n{\"a\":\"\\u001b\"}\n{\"b\":[1]}\n"
        );
    }

    #[test]
    fn hostile_characters_are_escaped_in_values_and_keys() {
        let value = json!({"k\u{200b}": "\x1b[2J\x7f\u{9b}x\u{202e}y\u{e0041}\"\\é日"});
        let text = written(&value);
        assert_eq!(
            text,
            "{\n  \"k\\u200b\": \"\\u001b[2J\\u007f\\u009bx\\u202ey\\udb40\\udc41\\\"\\\\é日\"\n}\n"
        );
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn every_character_survives_and_none_is_hostile() {
        let all: String = (0..=0x0010_ffff).filter_map(char::from_u32).collect();
        let text = written(&json!(all));
        assert!(!text.trim_end().contains(is_hostile));
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), all);
    }

    #[test]
    fn a_document_with_a_hostile_name_decodes_to_that_name() {
        let evil = "\x1b[2J\u{202e}\u{e0041}";
        let sockets = [samples::tcp("::", 1).owned_by(1, evil)];
        let (about, inventory) = (samples::about(), samples::inventory(sockets));
        let mut out = Vec::new();
        json(&mut out, &document::sockets(&about, &inventory)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.replace('\n', "").contains(is_hostile), "{text:?}");
        let decoded: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(decoded["items"][0]["owners"][0]["name"], evil);
    }
}
