//! Frames that a network device seems to receive, by a test run of a BPF program (`bpf(2)`, `BPF_PROG_TEST_RUN`,
//! `linux/bpf.h`). Nothing is attached: the programs are of two and four instructions, and go with their descriptor.
#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

const BPF_PROG_LOAD: libc::c_int = 5;
pub(super) const BPF_PROG_TEST_RUN: libc::c_int = 10;

const BPF_PROG_TYPE_SCHED_CLS: u32 = 3;
const BPF_PROG_TYPE_XDP: u32 = 6;
/// `BPF_F_TEST_XDP_LIVE_FRAMES`: the frame goes on into the stack.
const LIVE_FRAMES: u32 = 1 << 1;

const XDP_PASS: i32 = 2;
/// `BPF_FUNC_clone_redirect`, and its flag `BPF_F_INGRESS`.
const CLONE_REDIRECT: i32 = 13;
const INGRESS: i32 = 1;

/// The first fields of `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
#[derive(Debug, Default)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

/// The fields of `union bpf_attr` for `BPF_PROG_TEST_RUN`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) prog_fd: u32,
    pub(super) retval: u32,
    pub(super) data_size_in: u32,
    pub(super) data_size_out: u32,
    pub(super) data_in: u64,
    pub(super) data_out: u64,
    pub(super) repeat: u32,
    pub(super) duration: u32,
    pub(super) ctx_size_in: u32,
    pub(super) ctx_size_out: u32,
    pub(super) ctx_in: u64,
    pub(super) ctx_out: u64,
    pub(super) flags: u32,
    pub(super) cpu: u32,
    pub(super) batch_size: u32,
    pub(super) padding: u32,
}

/// `struct xdp_md`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct XdpContext {
    pub(super) data: u32,
    pub(super) data_end: u32,
    pub(super) data_meta: u32,
    pub(super) ingress_ifindex: u32,
    pub(super) rx_queue_index: u32,
    pub(super) egress_ifindex: u32,
}

/// How frames get into the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Injection {
    /// A clone of the frame is redirected to the receive path of the device (`bpf_clone_redirect`, since Linux 4.12).
    Clone,
    /// The frame passes an XDP program of the device (since Linux 5.18).
    Xdp,
}

/// Makes a device receive frames.
#[derive(Debug)]
pub struct Injector {
    program: OwnedFd,
    how: Injection,
    device: u32,
}

impl Injector {
    /// One for the device with this index.
    ///
    /// # Errors
    /// Without `CAP_BPF` and `CAP_NET_ADMIN`, and where the kernel lacks the feature or is locked down.
    pub fn open(device: u32) -> io::Result<Self> {
        Self::by(Injection::Clone, device).or_else(|_| Self::by(Injection::Xdp, device))
    }

    /// One that works in this way.
    ///
    /// # Errors
    /// As [`Injector::open`].
    pub fn by(how: Injection, device: u32) -> io::Result<Self> {
        let program = match how {
            Injection::Clone => load(
                BPF_PROG_TYPE_SCHED_CLS,
                &[
                    set(2, device.cast_signed()),
                    set(3, INGRESS),
                    instruction(0x85, 0, CLONE_REDIRECT),
                    instruction(0x95, 0, 0),
                ],
            ),
            Injection::Xdp => load(BPF_PROG_TYPE_XDP, &[set(0, XDP_PASS), instruction(0x95, 0, 0)]),
        }?;
        Ok(Self { program, how, device })
    }

    /// How it works.
    #[must_use]
    pub fn how(&self) -> Injection {
        self.how
    }

    /// Makes the device receive this frame, which begins with an Ethernet header. The kernel has taken it all the way to
    /// a socket, a drop or an answer when this returns, unless the device spreads its work over processors (RPS).
    ///
    /// # Errors
    /// When the device is down or gone, or the kernel has no memory.
    pub fn receive(&self, frame: &[u8]) -> io::Result<()> {
        let size = u32::try_from(frame.len()).map_err(io::Error::other)?;
        let context =
            XdpContext { data_end: size, ingress_ifindex: self.device, ..XdpContext::default() };
        let mut run = Run {
            prog_fd: self.program.as_raw_fd().cast_unsigned(),
            data_size_in: size,
            data_in: frame.as_ptr() as u64,
            repeat: 1,
            ..Run::default()
        };
        if self.how == Injection::Xdp {
            run.ctx_in = (&raw const context) as u64;
            run.ctx_size_in = u32::try_from(size_of::<XdpContext>()).map_err(io::Error::other)?;
            run.flags = LIVE_FRAMES;
            run.batch_size = 1;
        }
        // SAFETY: what `run` points to, the frame and the context, outlives the call, and the kernel reads of each as
        // many bytes as `run` says. It writes only to `run`.
        unsafe { bpf(BPF_PROG_TEST_RUN, &mut run) }?;
        match run.retval.cast_signed() {
            error if self.how == Injection::Clone && error < 0 => {
                Err(io::Error::from_raw_os_error(error.saturating_neg()))
            }
            _ => Ok(()),
        }
    }
}

impl AsFd for Injector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }
}

/// An instruction with a register and a number (`struct bpf_insn`).
fn instruction(code: u8, register: u8, number: i32) -> u64 {
    u64::from(code) | u64::from(register) << 8 | u64::from(number.cast_unsigned()) << 32
}

/// `register = number`.
fn set(register: u8, number: i32) -> u64 {
    instruction(0xb7, register, number)
}

fn load(kind: u32, instructions: &[u64]) -> io::Result<OwnedFd> {
    // The helper is for programs under the GPL; a program is what is loaded, and not what loads it.
    let license = c"GPL";
    let mut load = Load {
        prog_type: kind,
        insn_cnt: u32::try_from(instructions.len()).map_err(io::Error::other)?,
        insns: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        ..Load::default()
    };
    // SAFETY: what `load` points to outlives the call, with the lengths that it says or a closing zero.
    let fd = unsafe { bpf(BPF_PROG_LOAD, &mut load) }?;
    // SAFETY: the kernel made this descriptor for us, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `bpf(2)`.
///
/// # Safety
/// `attributes` must be what the command takes, and the pointers in it must be valid for what the kernel does.
pub(super) unsafe fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<RawFd> {
    let size = libc::c_uint::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: as the caller promises; the kernel takes `size` bytes at `attributes`.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size) };
    RawFd::try_from(result).ok().filter(|result| *result >= 0).ok_or_else(io::Error::last_os_error)
}
