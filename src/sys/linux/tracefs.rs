//! The descriptions of the kernel's tracepoints (`tracefs`), without mounting anything that others would see.

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};

/// Where distributions mount it.
const MOUNTED: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// The file `format` of a tracepoint, as `skb/kfree_skb`.
///
/// # Errors
/// Without the right to read it, and where the kernel has no such tracepoint.
pub fn tracepoint_format(tracepoint: &str) -> io::Result<String> {
    let path = format!("events/{tracepoint}/format");
    let mounted = MOUNTED.iter().find_map(|root| read(CWD, &format!("{root}/{path}")).ok());
    mounted.map_or_else(|| read(detached()?, &path), Ok)
}

fn read(directory: impl AsFd, path: &str) -> io::Result<String> {
    let file = openat(directory, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = String::with_capacity(16 * 1024);
    File::from(file).read_to_string(&mut text)?;
    Ok(text)
}

/// A mount that is nowhere in the tree and goes with its descriptor.
fn detached() -> io::Result<OwnedFd> {
    let context = fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let read_only = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, read_only)?)
}
