//! A fact that may not have been seen: the unknown is a value, with its reason.

use std::fmt;

/// What would let us see a fact that was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Root, or the capabilities `CAP_SYS_PTRACE` and `CAP_DAC_READ_SEARCH`; for the firewall's rules
    /// `CAP_NET_ADMIN`.
    Root,
    /// A mounted and readable `/proc`.
    Procfs,
    /// A kernel of at least this version (major, minor).
    Kernel(u16, u16),
    /// A kernel module, by its name.
    Module(&'static str),
    /// A quieter moment: run again.
    Retry,
    /// A later version of portsight.
    LaterVersion,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::Procfs => f.write_str("a mounted /proc"),
            Self::Kernel(major, minor) => write!(f, "Linux {major}.{minor}"),
            Self::Module(name) => write!(f, "kernel module {name}"),
            Self::Retry => f.write_str("another run"),
            Self::LaterVersion => f.write_str("a later version"),
        }
    }
}

/// A fact, or the reason why it is not known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen<T> {
    /// It was read.
    Known(T),
    /// It was looked for, and there is none.
    Absent,
    /// The kernel refused to show it.
    Denied(Need),
    /// Reading it failed; the text says how.
    Failed(String),
    /// It was not looked for; the text says why.
    Skipped(&'static str),
}

impl<T> Seen<T> {
    /// The value, when it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            _ => None,
        }
    }

    /// Whether the fact could not be read (as opposed to known or absent).
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Denied(_) | Self::Failed(_) | Self::Skipped(_))
    }

    /// The same fact with its value changed by `f`.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Seen<U> {
        self.and_then(|value| Seen::Known(f(value)))
    }

    /// What `f` makes of the value; without one, the same reason.
    pub fn and_then<U>(self, f: impl FnOnce(T) -> Seen<U>) -> Seen<U> {
        match self {
            Self::Known(value) => f(value),
            Self::Absent => Seen::Absent,
            Self::Denied(need) => Seen::Denied(need),
            Self::Failed(text) => Seen::Failed(text),
            Self::Skipped(why) => Seen::Skipped(why),
        }
    }
}

impl<T> From<Option<T>> for Seen<T> {
    /// `None` is [`Seen::Absent`]: use it only where the source was really read.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Known)
    }
}
