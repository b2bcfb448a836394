//! What should be, and what is.

use super::{Endpoint, PortFinding, Vantage, Verdict};

/// A verdict that a port should have from a vantage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expectation {
    /// From where.
    pub vantage: Vantage,
    /// The port.
    pub endpoint: Endpoint,
    /// The verdict.
    pub verdict: Verdict,
}

/// An expectation, held against what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// What should be.
    pub expectation: Expectation,
    /// What is: the first in their order of the port's verdicts from that vantage; `None` when it was not probed.
    pub found: Option<Verdict>,
}

impl Expectation {
    /// Holds it against the findings.
    #[must_use]
    pub fn hold(self, findings: &[PortFinding]) -> Expected {
        let finding = findings.iter().find(|finding| finding.endpoint == self.endpoint);
        let views = finding.into_iter().flat_map(|finding| &finding.views);
        let found = views.filter(|view| view.vantage == self.vantage).map(|view| view.verdict);
        Expected { expectation: self, found: found.min() }
    }
}

impl Expected {
    /// Whether it is so; `None` where that could not be found out.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        match self.found {
            Some(found) if found == self.expectation.verdict => Some(true),
            None | Some(Verdict::Inconclusive) => None,
            Some(_) => Some(false),
        }
    }
}
