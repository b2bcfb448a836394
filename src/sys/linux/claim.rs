//! A word that one process of a network namespace may have: the abstract name of a Unix socket (`unix(7)`).

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A word that is ours as long as this, or a copy of its descriptor, is there.
#[derive(Debug)]
pub struct Claim(OwnedFd);

impl Claim {
    /// Takes a word; `None` when somebody has it.
    ///
    /// # Errors
    /// When the kernel refuses for another reason.
    pub fn take(word: &str) -> io::Result<Option<Self>> {
        let (kind, flags) = (SocketType::DGRAM, SocketFlags::CLOEXEC);
        let fd = socket_with(AddressFamily::UNIX, kind, flags, None)?;
        match bind(&fd, &SocketAddrUnix::new_abstract_name(word.as_bytes())?) {
            Ok(()) => Ok(Some(Self(fd))),
            Err(Errno::ADDRINUSE) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Claim {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_had_by_one_until_it_is_dropped() {
        let word = format!("portsight-test-{}", std::process::id());
        let first = Claim::take(&word).unwrap();
        assert!(first.is_some());
        assert!(Claim::take(&word).unwrap().is_none());
        drop(first);
        assert!(Claim::take(&word).unwrap().is_some());
    }
}
