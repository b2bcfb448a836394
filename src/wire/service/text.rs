//! Bytes of a stranger as bounded text.

/// The most that is kept of what a service said first.
const BANNER: usize = 1024;
/// The most that is kept of a name or a version.
const WORD: usize = 128;

/// The first of what a service said, without the white space around it; `None` where nothing is left. Bytes that are
/// no UTF-8 become U+FFFD.
#[must_use]
pub fn banner(bytes: &[u8]) -> Option<String> {
    kept(bytes, BANNER)
}

/// A name or a version.
pub(super) fn word(bytes: &[u8]) -> Option<String> {
    kept(bytes, WORD)
}

fn kept(bytes: &[u8], most: usize) -> Option<String> {
    let bytes = bytes.trim_ascii();
    let mut text = String::from_utf8_lossy(bytes.get(..most).unwrap_or(bytes)).into_owned();
    text.truncate(text.floor_char_boundary(most));
    (!text.is_empty()).then_some(text)
}

/// The first line, without its end.
pub(super) fn first_line(bytes: &[u8]) -> &[u8] {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The words between white space.
pub(super) fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// Whether the text has this in it, in whatever case.
pub(super) fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len().max(1)).any(|window| window.eq_ignore_ascii_case(part))
}

/// Whether it begins with this, in whatever case.
pub(super) fn begins(bytes: &[u8], start: &[u8]) -> bool {
    bytes.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

/// The text on either side of the first of these bytes; without one, all of it and nothing.
pub(super) fn split_at_any<'a>(bytes: &'a [u8], marks: &[u8]) -> (&'a [u8], &'a [u8]) {
    let mut parts = bytes.splitn(2, |byte| marks.contains(byte));
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// Whether a word looks like a version: it begins with a digit, maybe behind a `v`.
pub(super) fn is_version(word: &[u8]) -> bool {
    let digits = word.strip_prefix(b"v").unwrap_or(word);
    digits.first().is_some_and(u8::is_ascii_digit)
}

/// The string that stands behind this key in what may be JSON, wherever that is. Escapes are not read: no version has
/// any.
pub(super) fn json_text(bytes: &[u8], key: &str) -> Option<String> {
    let quoted = format!("\"{key}\"");
    let at = bytes.windows(quoted.len()).position(|window| window == quoted.as_bytes())?;
    let rest = bytes.get(at + quoted.len()..)?.trim_ascii_start();
    let rest = rest.strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    word(rest.get(..end)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_kept_is_bounded_text() {
        assert_eq!(
            banner(b" \r\n hello \xff\x1b[2J\r\n").as_deref(),
            Some("hello \u{fffd}\u{1b}[2J")
        );
        assert_eq!(banner(b" \r\n"), None);
        let long = banner(&[0xff; 5000]).unwrap();
        assert!(long.len() <= BANNER && long.chars().all(|c| c == '\u{fffd}'), "{}", long.len());
    }

    #[test]
    fn a_string_is_found_behind_its_key() {
        let body = br#"{"Platform":{"Name":""},"Version" : "24.0.7","ApiVersion":"1.43"}"#;
        assert_eq!(json_text(body, "Version").as_deref(), Some("24.0.7"));
        assert_eq!(json_text(body, "ApiVersion").as_deref(), Some("1.43"));
        for cut in [&br#"{"Version":"24"#[..], br#"{"Version":24}"#, br#""Version""#, b""] {
            assert_eq!(json_text(cut, "Version"), None, "{}", cut.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_become_bounded_text(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert!(banner(&bytes).is_none_or(|text| text.len() <= BANNER));
            prop_assert!(word(&bytes).is_none_or(|text| text.len() <= WORD));
            prop_assert!(json_text(&bytes, "").is_none_or(|text| text.len() <= WORD));
            prop_assert!(first_line(&bytes).len() <= bytes.len());
        }
    }
}
