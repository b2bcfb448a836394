//! Words as a shell reads them.

/// The word, in quotes where a shell would split or expand it.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_=+.,:/@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_can_be_pasted_into_a_shell() {
        let table = [
            ("port=22", "port=22"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("~/x", "'~/x'"),
            ("a[bc]", "'a[bc]'"),
            (r"a\x2db.service", r"'a\x2db.service'"),
        ];
        for (word, quoted) in table {
            assert_eq!(shell_word(word), quoted);
        }
    }
}
