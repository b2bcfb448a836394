//! Hostile text made visible, and text cut to a width.

use std::borrow::Cow;
use std::fmt::Write;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Whether a character can change what a terminal shows without being seen itself: control characters,
/// bidirectional controls, line separators, and everything that Unicode lets a renderer ignore
/// (`Default_Ignorable_Code_Point`) or uses as an invisible annotation.
pub(super) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// The text with every hostile character written visibly: `\n`, `\t`, `\x1b`, `\u{202e}`.
#[must_use]
pub fn sanitize(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut visible = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        push_visible(&mut visible, c);
    }
    Cow::Owned(visible)
}

fn push_visible(visible: &mut String, c: char) {
    let code = u32::from(c);
    let written = match c {
        '\n' => visible.write_str("\\n"),
        '\r' => visible.write_str("\\r"),
        '\t' => visible.write_str("\\t"),
        _ if !is_hostile(c) => visible.write_char(c),
        _ if code < 0x80 => write!(visible, "\\x{code:02x}"),
        _ => write!(visible, "\\u{{{code:x}}}"),
    };
    debug_assert!(written.is_ok(), "a string takes every character");
}

/// How many terminal columns a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text cut to this many columns, the last of them `…` where something was cut.
pub(super) fn clip(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut room = columns.saturating_sub(1);
    let fits = |c: &char| match room.checked_sub(c.width().unwrap_or(0)) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.truncate(cut.trim_end().len());
    if columns > 0 {
        cut.push('…');
    }
    Cow::Owned(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_not_copied() {
        for text in ["sshd", "naïve", "日本語", "a b\\c", "🦀"] {
            assert!(matches!(sanitize(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn hostile_characters_become_visible() {
        let table = [
            ("a\nb\tc\rd", r"a\nb\tc\rd"),
            ("\x1b[2Jx\x07\0", r"\x1b[2Jx\x07\x00"),
            ("\x7f\u{85}\u{9b}31m", r"\x7f\u{85}\u{9b}31m"),
            ("\u{202e}gpj.exe\u{2066}", r"\u{202e}gpj.exe\u{2066}"),
            ("a\u{200b}b\u{feff}\u{ad}\u{2063}", r"a\u{200b}b\u{feff}\u{ad}\u{2063}"),
            ("\u{e0041}\u{2028}\u{2029}\u{fe0f}", r"\u{e0041}\u{2028}\u{2029}\u{fe0f}"),
            ("\u{61c}\u{3164}", r"\u{61c}\u{3164}"),
        ];
        for (text, visible) in table {
            assert_eq!(sanitize(text), visible);
        }
    }

    #[test]
    fn nothing_that_was_sanitized_is_hostile() {
        let all: String = (0..=0x000f_ffff).filter_map(char::from_u32).collect();
        assert!(!sanitize(&all).contains(is_hostile));
    }

    #[test]
    fn a_cut_text_fits_and_says_that_it_was_cut() {
        assert_eq!(clip("abc", 3), "abc");
        assert_eq!(clip("abcd", 3), "ab…");
        assert_eq!(clip("ab cd", 4), "ab…");
        assert_eq!(clip("日本語", 4), "日…");
        assert_eq!(clip("日本語", 1), "…");
        assert_eq!(clip("abc", 0), "");
    }
}
