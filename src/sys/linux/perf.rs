//! What a tracepoint of the kernel tells while this thread runs (`perf_event_open(2)`): of other threads nothing.
#![expect(unsafe_code, reason = "perf_event_open(2) and its ring have no safe wrapper")]

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
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

    /// Hands the fields of each event since the last call to `take`. Returns whether the kernel had no room for some.
    pub fn hear(&mut self, mut take: impl FnMut(&[u8])) -> bool {
        let head = self.position(HEAD).load(Ordering::Acquire);
        let mut tail = self.position(TAIL).load(Ordering::Relaxed);
        let mut lost = false;
        while tail < head {
            let header = self.copy(tail, HEADER);
            let kind = header.first_chunk().map_or(0, |kind| u32::from_ne_bytes(*kind));
            let size = header.last_chunk().map_or(0, |size| u16::from_ne_bytes(*size));
            if usize::from(size) < HEADER {
                lost = true;
                break;
            }
            match kind {
                RECORD_SAMPLE => {
                    let record = self.copy(tail, size.into());
                    take(record.get(RAW..).unwrap_or_default());
                }
                RECORD_LOST => lost = true,
                _ => {}
            }
            tail += u64::from(size);
        }
        self.position(TAIL).store(head, Ordering::Release);
        lost
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

fn page_size() -> usize {
    // SAFETY: sysconf(3) takes a number.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

impl Drop for OwnEvents {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nothing refers to it any more.
        let _failed =
            unsafe { munmap(self.ring.as_ptr().cast(), self.page * (1 + PAGES)) }.is_err();
    }
}
