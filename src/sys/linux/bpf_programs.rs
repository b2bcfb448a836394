//! The BPF programs that are attached on this host: which, where, and what one says of a frame (`bpf(2)`,
//! `linux/bpf.h`). Nothing is attached or detached.
#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper")]

use super::bpf::{BPF_PROG_TEST_RUN, Run, XdpContext, bpf};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

const BPF_PROG_GET_FD_BY_ID: libc::c_int = 13;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const BPF_PROG_QUERY: libc::c_int = 16;
const BPF_LINK_GET_FD_BY_ID: libc::c_int = 30;
const BPF_LINK_GET_NEXT_ID: libc::c_int = 31;

/// `BPF_CGROUP_INET_INGRESS` and `BPF_TCX_INGRESS` (`enum bpf_attach_type`).
const CGROUP_INGRESS: u32 = 0;
const TCX_INGRESS: u32 = 46;
/// `BPF_F_QUERY_EFFECTIVE`: also those of the cgroups above.
const EFFECTIVE: u32 = 1;
/// `BPF_LINK_TYPE_NETFILTER`.
const LINK_NETFILTER: u32 = 10;
/// More programs at one place are not asked for; the kernel lets 64 be.
const MOST: usize = 64;
/// More links are not looked through.
const MOST_LINKS: usize = 10_000;

/// The first fields of `union bpf_attr` for the commands that go by numbers.
#[repr(C)]
#[derive(Debug, Default)]
struct ById {
    id: u32,
    next_id: u32,
    open_flags: u32,
}

/// The fields for `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
#[derive(Debug, Default)]
struct Info {
    fd: u32,
    length: u32,
    room: u64,
}

/// The fields for `BPF_PROG_QUERY`.
#[repr(C)]
#[derive(Debug, Default)]
struct Query {
    target: u32,
    attach_type: u32,
    flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
    program_flags: u64,
    link_ids: u64,
    link_flags: u64,
    revision: u64,
}

/// A BPF program that the hooks of netfilter call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetfilterLink {
    /// The program's number.
    pub program: u32,
    /// The protocol family (`NFPROTO_IPV4`, `NFPROTO_IPV6`).
    pub family: u32,
    /// The hook (`enum nf_inet_hooks`).
    pub hook: u32,
}

/// What an XDP program says of a frame (`enum xdp_action`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XdpVerdict {
    /// It lets the frame go on as it is.
    Pass,
    /// It lets another frame go on.
    Changed,
    /// It drops it.
    Drop,
    /// It failed, which drops the frame.
    Aborted,
    /// It sends it back or elsewhere.
    Taken,
}

/// An XDP program that is attached to a device.
#[derive(Debug)]
pub struct XdpProgram {
    program: OwnedFd,
    device: u32,
}

impl XdpProgram {
    /// The program with this number, for frames of the device with this index.
    ///
    /// # Errors
    /// Without `CAP_SYS_ADMIN`, and where it is gone.
    pub fn open(program: u32, device: u32) -> io::Result<Self> {
        Ok(Self { program: by_id(BPF_PROG_GET_FD_BY_ID, program)?, device })
    }

    /// Runs it on a frame, as if the device had received that. What the program counts, it counts.
    ///
    /// # Errors
    /// When the kernel cannot run it so: not where the program is in the hardware of the device.
    pub fn run(&self, frame: &[u8]) -> io::Result<XdpVerdict> {
        const ROOM: usize = 4096;
        let size = u32::try_from(frame.len()).map_err(io::Error::other)?;
        let context =
            XdpContext { data_end: size, ingress_ifindex: self.device, ..XdpContext::default() };
        let mut after = vec![0_u8; ROOM];
        let mut run = Run {
            prog_fd: self.program.as_raw_fd().cast_unsigned(),
            data_size_in: size,
            data_in: frame.as_ptr() as u64,
            data_size_out: u32::try_from(ROOM).map_err(io::Error::other)?,
            data_out: after.as_mut_ptr() as u64,
            repeat: 1,
            ctx_in: (&raw const context) as u64,
            ctx_size_in: u32::try_from(size_of::<XdpContext>()).map_err(io::Error::other)?,
            ..Run::default()
        };
        // SAFETY: what `run` points to, the frame, the context and the room for the frame that comes out, outlives the
        // call with the lengths that `run` says. The kernel writes to `run` and to that room only.
        unsafe { bpf(BPF_PROG_TEST_RUN, &mut run) }?;
        let length = usize::try_from(run.data_size_out).unwrap_or(0);
        Ok(match run.retval {
            0 => XdpVerdict::Aborted,
            1 => XdpVerdict::Drop,
            2 if after.get(..length) == Some(frame) => XdpVerdict::Pass,
            2 => XdpVerdict::Changed,
            _ => XdpVerdict::Taken,
        })
    }
}

/// The name of the program with this number; empty for one without a name.
///
/// # Errors
/// Without `CAP_SYS_ADMIN`, and where it is gone.
pub fn program_name(program: u32) -> io::Result<String> {
    /// Where `struct bpf_prog_info` has the name, and its size.
    const NAME: usize = 64;
    const NAME_LENGTH: usize = 16;
    let fd = by_id(BPF_PROG_GET_FD_BY_ID, program)?;
    let info = info::<{ NAME + NAME_LENGTH }>(fd.as_fd())?;
    let name = info.get(NAME..).unwrap_or_default();
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// The numbers of the programs that see what a device receives before any rule (TCX, since Linux 6.6).
///
/// # Errors
/// Without `CAP_NET_ADMIN`, and where the kernel has no such place.
pub fn tcx_programs(device: u32) -> io::Result<Vec<u32>> {
    query(device, TCX_INGRESS, 0)
}

/// The numbers of the programs that see what comes in to the sockets of a cgroup, with those of the cgroups above it.
///
/// # Errors
/// Without `CAP_NET_ADMIN`, and where the kernel has no such programs.
pub fn cgroup_programs(cgroup: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    query(cgroup.as_raw_fd().cast_unsigned(), CGROUP_INGRESS, EFFECTIVE)
}

/// The programs that the hooks of netfilter call. They may be those of another network namespace: the kernel does not
/// tell.
///
/// # Errors
/// Without `CAP_SYS_ADMIN`, and where the kernel has no links (before Linux 5.8).
pub fn netfilter_links() -> io::Result<Vec<NetfilterLink>> {
    let mut links = Vec::new();
    let mut at = ById::default();
    for _ in 0..MOST_LINKS {
        // SAFETY: the command reads a number and writes the next one.
        match unsafe { bpf(BPF_LINK_GET_NEXT_ID, &mut at) } {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => break,
            asked => drop(asked?),
        }
        at.id = at.next_id;
        // Gone meanwhile.
        let Ok(fd) = by_id(BPF_LINK_GET_FD_BY_ID, at.id) else { continue };
        let Ok(info) = info::<32>(fd.as_fd()) else { continue };
        // struct bpf_link_info: the type, the link's number, the program's, and from byte 16 on what its kind has.
        let number = |at: usize| {
            info.get(at..)
                .and_then(|rest| rest.first_chunk())
                .map_or(0, |it| u32::from_ne_bytes(*it))
        };
        if number(0) == LINK_NETFILTER {
            links.push(NetfilterLink { program: number(8), family: number(16), hook: number(20) });
        }
    }
    Ok(links)
}

fn by_id(command: libc::c_int, id: u32) -> io::Result<OwnedFd> {
    let mut asked = ById { id, ..ById::default() };
    // SAFETY: the command reads a number.
    let fd = unsafe { bpf(command, &mut asked) }?;
    // SAFETY: the kernel made this descriptor for us, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The first bytes of what the kernel tells of a program or link; zeros where it tells less.
fn info<const N: usize>(fd: BorrowedFd<'_>) -> io::Result<[u8; N]> {
    let mut bytes = [0_u8; N];
    let mut asked = Info {
        fd: fd.as_raw_fd().cast_unsigned(),
        length: u32::try_from(N).map_err(io::Error::other)?,
        room: bytes.as_mut_ptr() as u64,
    };
    // SAFETY: the kernel writes at most `length` bytes to `bytes`, which lives through the call. The zeros in it ask for
    // nothing else.
    unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &mut asked) }?;
    Ok(bytes)
}

fn query(target: u32, attach_type: u32, flags: u32) -> io::Result<Vec<u32>> {
    let mut ids = [0_u32; MOST];
    let mut asked = Query {
        target,
        attach_type,
        flags,
        ids: ids.as_mut_ptr() as u64,
        count: u32::try_from(MOST).map_err(io::Error::other)?,
        ..Query::default()
    };
    // SAFETY: the kernel writes at most `count` numbers to `ids`, which lives through the call.
    unsafe { bpf(BPF_PROG_QUERY, &mut asked) }?;
    let found = usize::try_from(asked.count).unwrap_or(MOST);
    Ok(ids.into_iter().take(found).collect())
}
