//! BPF programs of a few instructions, attached for a test (`bpf(2)`, `linux/bpf.h`). They go with their descriptors.

use crate::cgroups::pause;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::Path;

const PROG_LOAD: libc::c_long = 5;
const LINK_CREATE: libc::c_long = 28;

/// A kind of program, by its type and where it is attached (`enum bpf_prog_type`, `enum bpf_attach_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// XDP at a device.
    Xdp,
    /// TCX at what a device receives.
    Tcx,
    /// What comes in to the sockets of a cgroup.
    CgroupIngress,
    /// A hook of netfilter.
    Netfilter,
}

impl Kind {
    fn numbers(self) -> (u32, u32) {
        match self {
            Self::Xdp => (6, 37),
            Self::Tcx => (3, 46),
            Self::CgroupIngress => (8, 0),
            Self::Netfilter => (32, 45),
        }
    }
}

/// How an XDP program is attached.
pub(crate) const GENERIC: u32 = 1 << 1;
pub(crate) const NATIVE: u32 = 1 << 2;

/// A program that is attached as long as it lives.
#[derive(Debug)]
pub(crate) struct Attached {
    _program: OwnedFd,
    _link: OwnedFd,
}

/// An instruction of 64 bits.
fn instruction(code: u8, registers: u8, offset: i16, number: i32) -> u64 {
    u64::from(code)
        | u64::from(registers) << 8
        | u64::from(offset.cast_unsigned()) << 16
        | u64::from(number.cast_unsigned()) << 32
}

/// A program that returns `hit` for packets to a TCP port, by the bytes at `port_at` from the beginning of what it sees,
/// and `miss` for all others.
pub(crate) fn for_port(kind: Kind, port_at: i16, port: u16, hit: i32, miss: i32) -> Vec<u64> {
    // struct xdp_md and struct __sk_buff have the packet at different places, and XDP alone may read it directly.
    let (data, end) = match kind {
        Kind::Xdp => (0, 4),
        _ => (76, 80),
    };
    let port = i32::from(port.to_be());
    vec![
        // r2 = data; r3 = data_end; r4 = r2 + port_at + 2; if r4 > r3 goto miss
        instruction(0x61, 0x12, data, 0),
        instruction(0x61, 0x13, end, 0),
        instruction(0xbf, 0x24, 0, 0),
        instruction(0x07, 0x04, 0, i32::from(port_at) + 2),
        instruction(0x2d, 0x34, 4, 0),
        // r5 = the port; if r5 != port goto miss; return hit
        instruction(0x69, 0x25, port_at, 0),
        instruction(0x55, 0x05, 2, port),
        instruction(0xb7, 0, 0, hit),
        instruction(0x95, 0, 0, 0),
        instruction(0xb7, 0, 0, miss),
        instruction(0x95, 0, 0, 0),
    ]
}

/// A program that always returns this.
pub(crate) fn always(value: i32) -> Vec<u64> {
    vec![instruction(0xb7, 0, 0, value), instruction(0x95, 0, 0, 0)]
}

/// Attaches a program to a device or a cgroup, by its number, in the way that `flags` say.
pub(crate) fn attach(kind: Kind, target: u32, flags: u32, program: &[u64]) -> io::Result<Attached> {
    let (_, attach_type) = kind.numbers();
    let program = load(kind, program)?;
    let mut request = [0_u32; 16];
    request[0] = program.as_raw_fd().cast_unsigned();
    request[1] = target;
    request[2] = attach_type;
    request[3] = flags;
    let link = bpf(LINK_CREATE, &request)?;
    Ok(Attached { _program: program, _link: link })
}

/// Attaches a program to the hook `input` of netfilter, for IPv4.
pub(crate) fn attach_to_input(program: &[u64]) -> io::Result<Attached> {
    let (_, attach_type) = Kind::Netfilter.numbers();
    let program = load(Kind::Netfilter, program)?;
    let mut request = [0_u32; 16];
    request[0] = program.as_raw_fd().cast_unsigned();
    request[2] = attach_type;
    // The protocol family, the hook and the priority.
    (request[4], request[5], request[6]) = (2, 1, 10);
    // A process that another test starts has our descriptors for a moment, and with them what was attached before.
    let mut tries = 0;
    let link = loop {
        match bpf(LINK_CREATE, &request) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && tries < 100 => {
                tries += 1;
                pause(20);
            }
            made => break made?,
        }
    };
    Ok(Attached { _program: program, _link: link })
}

/// Attaches a program to a cgroup.
pub(crate) fn attach_to_cgroup(kind: Kind, cgroup: &Path, program: &[u64]) -> io::Result<Attached> {
    let directory = File::open(cgroup)?;
    attach(kind, directory.as_raw_fd().cast_unsigned(), 0, program)
}

fn load(kind: Kind, program: &[u64]) -> io::Result<OwnedFd> {
    let (program_type, attach_type) = kind.numbers();
    let license = c"GPL";
    // The first fields of `union bpf_attr`, in numbers of 32 bits.
    let mut request = [0_u32; 32];
    request[0] = program_type;
    request[1] = u32::try_from(program.len()).unwrap();
    let mut pointer = |at: usize, value: u64| {
        for (half, bytes) in value.to_ne_bytes().as_chunks::<4>().0.iter().enumerate() {
            request[at + half] = u32::from_ne_bytes(*bytes);
        }
    };
    pointer(2, program.as_ptr() as u64);
    pointer(4, license.as_ptr() as u64);
    // The name, and what it will be attached to.
    for (at, bytes) in b"test_drop\0\0\0\0\0\0\0".as_chunks::<4>().0.iter().enumerate() {
        request[12 + at] = u32::from_ne_bytes(*bytes);
    }
    request[17] = attach_type;
    bpf(PROG_LOAD, &request)
}

fn bpf(command: libc::c_long, request: &[u32]) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads as many bytes of the request as it is told; what that points to lives through the call.
    let fd =
        unsafe { libc::syscall(libc::SYS_bpf, command, request.as_ptr(), size_of_val(request)) };
    let fd = i32::try_from(fd).unwrap();
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel made this descriptor for us, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
