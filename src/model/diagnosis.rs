//! The known reasons why connecting or binding fails: a closed list, each with one entry of a catalogue that
//! `why --explain` prints and that the documentation is made of.

mod catalogue;

use super::Certainty;
use std::fmt;

/// A known reason, by its code: the letter tells the group, and a code is never given to another reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the catalogue is their documentation, for users too")]
pub enum Code {
    R01,
    R02,
    R03,
    R04,
    R05,
    R06,
    R07,
    R08,
    R09,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    R17,
    R18,
    R19,
    R20,
    R21,
    R22,
    R23,
    R24,
    H01,
    H02,
    H03,
    H04,
    H05,
    H06,
    T01,
    T02,
    T03,
    T04,
    T05,
    T06,
    T07,
    T08,
    T09,
    T10,
    C01,
    C02,
    C03,
    C04,
    B01,
    B02,
    B03,
    B04,
    B05,
    B06,
    B07,
    B08,
    B09,
    U01,
    N01,
    N02,
    P01,
    P02,
    P03,
}

/// What is known of a reason, whatever the case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its code.
    pub code: Code,
    /// Its name in words joined by hyphens.
    pub slug: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// What happens, in sentences.
    pub text: &'static str,
    /// What must be seen before it is said.
    pub evidence: &'static str,
    /// What mends it.
    pub fix: &'static str,
    /// How sure it can be at most.
    pub most: Certainty,
    /// Whether a test makes the case with real sockets, rules or processes.
    pub tested: bool,
}

impl Code {
    /// Every code, in the order of the catalogue.
    pub fn all() -> impl Iterator<Item = Self> {
        catalogue::ENTRIES.iter().map(|entry| entry.code)
    }

    /// What is known of it.
    #[must_use]
    pub fn entry(self) -> &'static Entry {
        // The catalogue has the order of the type, which a test holds it to.
        &catalogue::ENTRIES[self as usize]
    }

    /// The code with this name, as `R05` or `r05`, or with this slug.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all()
            .find(|code| code.to_string().eq_ignore_ascii_case(name) || code.entry().slug == name)
    }

    /// What its letter stands for.
    #[must_use]
    pub fn group(self) -> &'static str {
        match self.to_string().chars().next() {
            Some('R') => "Refused",
            Some('H') => "Unreachable",
            Some('T') => "Timed out",
            Some('C') => "Connected, and no use",
            Some('B') => "Cannot bind",
            Some('U') => "UDP",
            Some('N') => "Names",
            _ => "Paths of Unix sockets",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_catalogue_has_one_whole_entry_for_each_code() {
        let mut slugs = BTreeSet::new();
        for (at, code) in Code::all().enumerate() {
            let entry = code.entry();
            assert_eq!((code as usize, entry.code), (at, code), "the order is that of the type");
            let words = entry.slug.split('-');
            assert!(words.clone().all(|word| !word.is_empty()), "{code}: {}", entry.slug);
            assert!(
                entry.slug.chars().all(|c| c.is_ascii_lowercase() || "-0123456789".contains(c))
            );
            assert!(slugs.insert(entry.slug), "{code}: {} twice", entry.slug);
            assert!(entry.title.len() > 5 && !entry.title.ends_with('.'), "{code}");
            for text in [entry.text, entry.evidence, entry.fix] {
                assert!(text.len() > 10 && text.ends_with('.'), "{code}: {text:?}");
                assert!(!text.contains("  ") && !text.contains('\n'), "{code}: {text:?}");
            }
            let is_sure = entry.most < Certainty::Possible;
            assert!(entry.tested || !is_sure, "{code}: no more than possible without a real case");
            assert_eq!(Code::named(entry.slug), Some(code));
            assert_eq!(Code::named(&code.to_string().to_lowercase()), Some(code));
        }
        assert_eq!(Code::all().last(), Some(Code::P03), "every code has an entry");
        assert_eq!(Code::named("R16"), None);
        assert_eq!(Code::named(""), None);
    }
}
