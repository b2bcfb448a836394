//! The exit status: a type, so that every way out says which it is.

use std::process::ExitCode;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Yes, or as expected.
    Success,
    /// A negative answer.
    Negative,
    /// A usage or run-time error.
    Error,
    /// Could not see enough to judge.
    Inconclusive,
    /// Ended by SIGINT.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Negative => 1,
            Exit::Error => 2,
            Exit::Inconclusive => 3,
            Exit::Interrupted => 130,
        })
    }
}
