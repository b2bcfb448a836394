//! What a tracepoint of the kernel tells while this thread runs (`perf_event_open(2)`): of other threads nothing.
#![expect(unsafe_code, reason = "perf_event_open(2) and its ring have no safe wrapper")]

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::param::page_size;
use std::io;
use std::ops::Range;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// `PERF_TYPE_TRACEPOINT`, `PERF_SAMPLE_RAW`, `PERF_RECORD_LOST`, `PERF_RECORD_SAMPLE` and `PERF_FLAG_FD_CLOEXEC`
/// (`linux/perf_event.h`).
const TRACEPOINT: u32 = 2;
const SAMPLE_RAW: u64 = 1 << 10;
const RECORD_LOST: u32 = 2;
const RECORD_SAMPLE: u32 = 9;
const CLOSE_ON_EXEC: libc::c_ulong = 8;

/// Where `struct perf_event_mmap_page` has `data_head` and `data_tail`.
const HEAD: usize = 1024;
const TAIL: usize = 1032;
/// The pages of the ring, a power of two: room for some hundred events.
const PAGES: usize = 8;
/// Before the event's own fields stand `struct perf_event_header` and the length of what follows.
const HEADER: usize = 8;
const RAW: usize = HEADER + 4;

/// `struct perf_event_attr` as far as it is needed (`PERF_ATTR_SIZE_VER0`).
#[repr(C)]
#[derive(Debug, Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    period: u64,
    sample: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    breakpoint_type: u32,
    breakpoint_address: u64,
}

/// The events of one tracepoint, as far as this thread causes them.
#[derive(Debug)]
pub struct OwnEvents {
    _fd: OwnedFd,
    ring: NonNull<u8>,
    page: usize,
}

impl OwnEvents {
    /// Those of the tracepoint with this number, from now on. To be read by the thread that opens it.
    ///
    /// # Errors
    /// Without `CAP_PERFMON`, and where the kernel has no such events.
    pub fn open(tracepoint: u64) -> io::Result<Self> {
        let attributes = Attributes {
            kind: TRACEPOINT,
            size: u32::try_from(size_of::<Attributes>()).map_err(io::Error::other)?,
            config: tracepoint,
            period: 1,
            sample: SAMPLE_RAW,
            ..Attributes::default()
        };
        let (this_thread, any_processor, no_group): (libc::pid_t, libc::c_int, libc::c_int) =
            (0, -1, -1);
        // SAFETY: the kernel reads as many bytes of `attributes` as it says itself, and keeps none of them.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
                this_thread,
                any_processor,
                no_group,
                CLOSE_ON_EXEC,
            )
        };
        let fd = RawFd::try_from(fd).ok().filter(|fd| *fd >= 0);
        let fd = fd.ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the kernel made this descriptor for us, and nobody else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let page = page_size();
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping of the kernel's choice is nobody else's memory.
        let ring = unsafe {
            mmap(std::ptr::null_mut(), page * (1 + PAGES), access, MapFlags::SHARED, &fd, 0)
        }?;
        let ring = NonNull::new(ring.cast()).ok_or_else(|| io::Error::other("no memory"))?;
        Ok(Self { _fd: fd, ring, page })
    }

    /// Hands the fields of each event since the last call to `take`. Returns whether the kernel had no room for some, or
    /// what it wrote cannot be read.
    pub fn hear(&mut self, take: impl FnMut(&[u8])) -> bool {
        let head = self.position(HEAD).load(Ordering::Acquire);
        let tail = self.position(TAIL).load(Ordering::Relaxed);
        let is_whole = records(tail..head, |position, length| self.copy(position, length), take);
        self.position(TAIL).store(head, Ordering::Release);
        !is_whole
    }

    /// One of the two positions that we share with the kernel.
    fn position(&self, at: usize) -> &AtomicU64 {
        // SAFETY: the first page is mapped as long as `self` lives, and has an aligned number there that the kernel and
        // this thread read and write as a whole.
        unsafe { AtomicU64::from_ptr(self.ring.as_ptr().add(at).cast()) }
    }

    /// So many bytes from a position on, which is one in an endless stream.
    fn copy(&self, position: u64, length: usize) -> Vec<u8> {
        let room = self.page * PAGES;
        let begin = usize::try_from(position % room as u64).unwrap_or(0);
        let length = length.min(room);
        let first = length.min(room - begin);
        let mut bytes = vec![0; length];
        let (head, rest) = bytes.split_at_mut(first);
        // SAFETY: the ring begins behind the first page and has `room` bytes, of which these are `first` from `begin` on,
        // and the others from its beginning on. The kernel does not write to those between the two positions.
        unsafe {
            let ring = self.ring.as_ptr().add(self.page);
            ring.add(begin).copy_to_nonoverlapping(head.as_mut_ptr(), head.len());
            ring.copy_to_nonoverlapping(rest.as_mut_ptr(), rest.len());
        }
        bytes
    }
}

/// Hands the fields of each event between two positions to `take`. Returns whether that was all.
fn records(
    positions: Range<u64>,
    copy: impl Fn(u64, usize) -> Vec<u8>,
    mut take: impl FnMut(&[u8]),
) -> bool {
    let Range { start: mut at, end } = positions;
    let mut is_whole = true;
    while at < end {
        let header = copy(at, HEADER);
        let kind = header.first_chunk().map_or(0, |kind| u32::from_ne_bytes(*kind));
        let size = header.last_chunk().map_or(0, |size| u16::from_ne_bytes(*size));
        if usize::from(size) < HEADER || u64::from(size) > end - at {
            return false;
        }
        match kind {
            RECORD_SAMPLE => take(copy(at, size.into()).get(RAW..).unwrap_or_default()),
            RECORD_LOST => is_whole = false,
            _ => {}
        }
        at += u64::from(size);
    }
    is_whole
}

impl Drop for OwnEvents {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nothing refers to it any more.
        let _failed =
            unsafe { munmap(self.ring.as_ptr().cast(), self.page * (1 + PAGES)) }.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is heard of these bytes, and whether that was all.
    fn heard(bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
        let copy = |at: u64, length| {
            let at = usize::try_from(at).unwrap();
            bytes.iter().copied().chain(std::iter::repeat(0)).skip(at).take(length).collect()
        };
        let mut taken = Vec::new();
        let is_whole = records(0..bytes.len() as u64, copy, |fields| taken.push(fields.to_owned()));
        (taken, is_whole)
    }

    fn record(kind: u32, size: u16, body: &[u8]) -> Vec<u8> {
        [&kind.to_ne_bytes(), [0; 2].as_slice(), &size.to_ne_bytes(), body].concat()
    }

    #[test]
    fn what_was_lost_or_cannot_be_read_is_said() {
        let event = record(RECORD_SAMPLE, 16, &[4, 0, 0, 0, 1, 2, 3, 4]);
        let one = vec![vec![1, 2, 3, 4]];
        assert_eq!(heard(&event), (one.clone(), true));
        let other = record(7, 8, &[]);
        assert_eq!(heard(&[other, event.clone()].concat()), (one.clone(), true));
        let lost = record(RECORD_LOST, 24, &[0; 16]);
        assert_eq!(heard(&[lost, event.clone()].concat()), (one.clone(), false));
        for size in [0, 7, 17] {
            let broken = record(RECORD_SAMPLE, size, &[0; 8]);
            assert_eq!(heard(&[event.clone(), broken].concat()), (one.clone(), false), "{size}");
        }
        assert_eq!(heard(&record(RECORD_SAMPLE, 8, &[])), (vec![vec![]], true), "no fields");
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _any = heard(&bytes);
        }
    }
}
