//! Who and where we are.

use rustix::thread::CapabilitySet;
use std::fs;

/// The host's name.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The kernel's release, as `6.18.44`.
#[must_use]
pub fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// The kernel's version: major and minor. (0, 0) when its release does not begin with them.
#[must_use]
pub fn kernel_version() -> (u16, u16) {
    let release = kernel_release();
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// The kernel's boot id (`/proc/sys/kernel/random/boot_id`).
#[must_use]
pub fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// Our effective user id.
#[must_use]
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Our effective capabilities, in lower case as `cap_net_raw` (`capabilities(7)`). Those without a name here
/// are named by their number.
#[must_use]
pub fn capabilities() -> Vec<String> {
    let Ok(sets) = rustix::thread::capabilities(None) else {
        return Vec::new();
    };
    let mut names: Vec<String> = sets
        .effective
        .iter_names()
        .map(|(name, _)| format!("cap_{}", name.to_lowercase()))
        .collect();
    let unnamed = sets.effective.difference(CapabilitySet::all()).bits();
    names.extend((0..64).filter(|bit| unnamed >> bit & 1 == 1).map(|bit| format!("cap_{bit}")));
    names
}
