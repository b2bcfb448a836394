//! The list of what an item does not know, filled while its fields are read.

use crate::model::{Need, Seen};
use schemars::JsonSchema;
use serde::Serialize;

/// A field that is `null` because it could not be seen.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Unknown<'a> {
    field: String,
    reason: &'a str,
    need: Option<String>,
}

/// The unknown fields of one item.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct UnknownList<'a>(Vec<Unknown<'a>>);

impl<'a> UnknownList<'a> {
    /// The value of a field, if it is known; an entry in the list, if it could not be seen.
    pub(super) fn read<T>(&mut self, field: &str, fact: &'a Seen<T>) -> Option<&'a T> {
        match fact {
            Seen::Known(value) => return Some(value),
            Seen::Absent => {}
            Seen::Denied(need) => self.add(field, "permission", Some(*need)),
            Seen::Failed(text) => self.add(field, text, None),
            Seen::Skipped(why) => self.add(field, why, None),
        }
        None
    }

    /// Enters a field.
    pub(super) fn add(&mut self, field: &str, reason: &'a str, need: Option<Need>) {
        let need = need.as_ref().map(ToString::to_string);
        self.0.push(Unknown { field: field.to_owned(), reason, need });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_not_be_seen_is_entered() {
        let facts = [
            Seen::Known(1),
            Seen::Absent,
            Seen::Denied(Need::Root),
            Seen::Failed("read: Input/output error".to_owned()),
            Seen::Skipped("not asked for"),
        ];
        let mut unknown = UnknownList::default();
        let values: Vec<_> =
            facts.iter().zip(["a", "b", "c", "d", "e"]).map(|(f, n)| unknown.read(n, f)).collect();
        assert_eq!(values, [Some(&1), None, None, None, None]);
        assert_eq!(
            serde_json::to_value(&unknown).unwrap(),
            serde_json::json!([
                {"field": "c", "reason": "permission", "need": "root"},
                {"field": "d", "reason": "read: Input/output error", "need": null},
                {"field": "e", "reason": "not asked for", "need": null},
            ])
        );
    }
}
