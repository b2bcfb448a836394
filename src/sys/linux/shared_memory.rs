//! Memory that a process shares with the child that it forks (`mmap(2)`).
#![expect(unsafe_code, reason = "a mapping has no safe wrapper")]

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many bytes a note has at most.
const ROOM: usize = 16 * 1024;

/// A note that one process writes, and that the other reads when the first has ended.
#[derive(Debug)]
pub struct SharedNote(NonNull<Page>);

#[repr(C)]
struct Page {
    /// The length of the note; 0 while it is written.
    length: AtomicU32,
    bytes: [u8; ROOM],
}

// SAFETY: the page is only written through `&mut self`, and read through `&self`.
unsafe impl Send for SharedNote {}

impl SharedNote {
    /// An empty note.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new() -> io::Result<Self> {
        let (length, access) = (size_of::<Page>(), ProtFlags::READ | ProtFlags::WRITE);
        // SAFETY: a new mapping of the kernel's choice is nobody else's memory.
        let page =
            unsafe { mmap_anonymous(std::ptr::null_mut(), length, access, MapFlags::SHARED) }?;
        // The kernel gives zeros, which are a valid page: an empty note.
        NonNull::new(page.cast()).map(Self).ok_or_else(|| io::Error::other("no memory"))
    }

    /// Replaces the note. What does not fit is not written, and then the note is empty.
    pub fn write(&mut self, note: &[u8]) {
        // SAFETY: the page is mapped as long as `self` lives, and nobody else in this process has it.
        let page = unsafe { self.0.as_mut() };
        page.length.store(0, Ordering::SeqCst);
        if let (Some(bytes), Ok(length)) = (page.bytes.get_mut(..note.len()), note.len().try_into())
        {
            bytes.copy_from_slice(note);
            page.length.store(length, Ordering::SeqCst);
        }
    }

    /// The note.
    #[must_use]
    pub fn read(&self) -> Vec<u8> {
        // SAFETY: as above; the process that writes has ended, or is this one.
        let page = unsafe { self.0.as_ref() };
        let length = usize::try_from(page.length.load(Ordering::SeqCst)).unwrap_or(0);
        page.bytes.get(..length).unwrap_or_default().to_vec()
    }
}

impl Drop for SharedNote {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nothing refers to it any more.
        let _failed = unsafe { munmap(self.0.as_ptr().cast(), size_of::<Page>()) }.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let mut note = SharedNote::new().unwrap();
        assert!(note.read().is_empty());
        note.write(b"first, and longer");
        note.write(b"second");
        assert_eq!(note.read(), b"second");
        note.write(&vec![1; ROOM + 1]);
        assert!(note.read().is_empty(), "too long");
    }
}
