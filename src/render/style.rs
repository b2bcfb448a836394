//! Colour, which only helps: words carry the meaning.

use crate::model::{Severity, Verdict};
use anstyle::{AnsiColor, Style};

/// A port.
pub(super) const PORT: Style = Style::new().bold();

/// The style of a verdict's word.
pub(super) fn verdict(verdict: Verdict) -> Style {
    let color = match verdict {
        Verdict::Unexpected => return AnsiColor::Red.on_default().bold(),
        Verdict::Overloaded => AnsiColor::Red,
        Verdict::Inconclusive => AnsiColor::Magenta,
        Verdict::Filtered | Verdict::Shielded => AnsiColor::Yellow,
        Verdict::Forwarded => AnsiColor::Cyan,
        Verdict::Reachable => AnsiColor::Green,
        Verdict::LocalOnly | Verdict::Closed => return Style::new(),
    };
    color.on_default()
}

/// The style of the first line of `why`, by whether it works.
pub(super) fn outcome(works: bool) -> Style {
    let color = if works { AnsiColor::Green } else { AnsiColor::Red };
    color.on_default().bold()
}

/// The style of a service with a danger of this severity, or with none.
pub(super) fn severity(severity: Option<Severity>) -> Style {
    match severity {
        Some(Severity::High) => AnsiColor::Red.on_default().bold(),
        Some(Severity::Medium) => AnsiColor::Red.on_default(),
        Some(Severity::Low) => AnsiColor::Yellow.on_default(),
        None => Style::new(),
    }
}

/// The text in this style.
pub(super) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
