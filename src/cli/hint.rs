//! Suggestions.

/// `; did you mean "x"?` for the nearest of the words, or nothing when none is near.
pub(super) fn did_you_mean<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> String {
    /// Below this, words have little in common.
    const NEAR: f64 = 0.85;
    let word = word.to_lowercase();
    let similarity = |other: &str| strsim::jaro_winkler(&word, &other.to_lowercase());
    let nearest = words
        .map(|other| (similarity(other), other))
        .filter(|(similarity, _)| *similarity > NEAR)
        // The same for every run: equal similarities are settled by the alphabet.
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
    nearest.map_or_else(String::new, |(_, other)| format!("; did you mean {other:?}?"))
}
