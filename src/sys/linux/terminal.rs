//! Terminals.

use std::io::IsTerminal;
use std::os::fd::AsFd;

/// The width in columns of the terminal that a file is, if it is one.
#[must_use]
pub fn columns(file: &impl AsFd) -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(file).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}

/// Whether a file is a terminal.
#[must_use]
pub fn is_terminal(file: &impl IsTerminal) -> bool {
    file.is_terminal()
}
