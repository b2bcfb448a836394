//! What the guardian must know of a program outside, in memory that it shares with us.

use crate::sys::SharedNote;
use std::io;

/// A bit for each port.
const PORTS: usize = (1 << 16) / 8;

/// What the program has used so far. Written down whenever it uses something more.
#[derive(Debug)]
pub(super) struct Memory {
    note: SharedNote,
    used: Used,
}

/// What a program has used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Used {
    /// Whether it has sent datagrams, or something else that has no connection.
    pub(super) datagrams: bool,
    ports: Vec<u8>,
}

impl Memory {
    /// An empty one.
    pub(super) fn new() -> io::Result<Self> {
        let mut note = SharedNote::new()?;
        let used = Used { datagrams: false, ports: vec![0; PORTS] };
        note.write(&used.to_bytes());
        Ok(Self { note, used })
    }

    /// The program has sent something from this port, which has a connection or not.
    pub(super) fn remember(&mut self, port: u16, has_connection: bool) {
        let (at, bit) = place(port);
        let Some(byte) = self.used.ports.get_mut(at) else { return };
        if *byte & bit == 0 || (!has_connection && !self.used.datagrams) {
            *byte |= bit;
            self.used.datagrams |= !has_connection;
            self.note.write(&self.used.to_bytes());
        }
    }

    /// What is written down.
    pub(super) fn used(&self) -> Used {
        Used::from_bytes(&self.note.read())
    }
}

impl Used {
    fn to_bytes(&self) -> Vec<u8> {
        std::iter::once(u8::from(self.datagrams)).chain(self.ports.iter().copied()).collect()
    }

    /// What was cut short may be anything.
    fn from_bytes(bytes: &[u8]) -> Self {
        match bytes.split_first() {
            Some((datagrams, ports)) if ports.len() == PORTS => {
                Self { datagrams: *datagrams != 0, ports: ports.to_vec() }
            }
            _ => Self { datagrams: true, ports: vec![u8::MAX; PORTS] },
        }
    }

    /// Whether something was sent from this port.
    pub(super) fn has(&self, port: u16) -> bool {
        let (at, bit) = place(port);
        self.ports.get(at).is_some_and(|byte| byte & bit != 0)
    }
}

fn place(port: u16) -> (usize, u8) {
    (usize::from(port / 8), 1 << (port % 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_known_and_nothing_else() {
        let mut memory = Memory::new().unwrap();
        assert!(!memory.used().datagrams && !memory.used().has(40_000));
        memory.remember(40_000, true);
        assert!(memory.used().has(40_000) && !memory.used().has(40_001));
        assert!(!memory.used().datagrams);
        memory.remember(40_000, false);
        assert!(memory.used().datagrams && memory.used().has(40_000));
        memory.note.write(&[0]);
        assert!(memory.used().datagrams && memory.used().has(1), "cut short");
    }
}
