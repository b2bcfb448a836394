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
    /// As the command that `outside` ran.
    Command(u8),
}

impl Exit {
    /// What `outside` ends with where it fails itself, as `env(1)` does.
    pub const OURS: Self = Self::Command(125);
    /// The command of `outside` cannot be run.
    pub const NOT_RUNNABLE: Self = Self::Command(126);
    /// The command of `outside` is not found.
    pub const NOT_FOUND: Self = Self::Command(127);

    /// Every way that means the same for each command, by its status.
    pub const ALL: [Self; 5] =
        [Self::Success, Self::Negative, Self::Error, Self::Inconclusive, Self::Interrupted];

    /// Its number.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Negative => 1,
            Self::Error => 2,
            Self::Inconclusive => 3,
            Self::Interrupted => 130,
            Self::Command(status) => status,
        }
    }

    /// What it means, for the help and the manual.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "yes, or as expected; also when the reader of a pipe has gone",
            Self::Negative => {
                "a negative answer: who finds nobody, check finds a verdict of --fail-on, or why finds the cause of a \
                 failure"
            }
            Self::Error => "a usage or run-time error",
            Self::Inconclusive => "could not see enough to judge",
            Self::Interrupted => "interrupted; what is known so far was printed, marked as partial",
            Self::Command(_) => "that of the command that outside ran",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}
