//! Security modules (LSM), and the kernel's log, in which they say what they deny.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// So many records of the log are read.
const RECORDS: usize = 20_000;

/// The active security modules, as `selinux`, `apparmor`; `None` where the kernel does not tell.
#[must_use]
pub fn security_modules() -> Option<Vec<String>> {
    if let Ok(list) = fs::read_to_string("/sys/kernel/security/lsm") {
        return Some(list.trim().split(',').map(str::to_owned).collect());
    }
    // Without securityfs those that are there can still be seen, and not that others are not.
    let enabled = fs::read_to_string("/sys/module/apparmor/parameters/enabled");
    let apparmor = enabled.is_ok_and(|text| text.trim() == "Y").then(|| "apparmor".to_owned());
    let selinux = Path::new("/sys/fs/selinux/enforce").exists().then(|| "selinux".to_owned());
    let found: Vec<String> = apparmor.into_iter().chain(selinux).collect();
    (!found.is_empty()).then_some(found)
}

/// The label that a security module has given this process.
#[must_use]
pub fn security_label() -> Option<String> {
    let label = fs::read_to_string("/proc/self/attr/current").ok()?;
    let label = label.trim_end_matches(['\0', '\n']);
    (!label.is_empty()).then(|| label.to_owned())
}

/// Hands over each record of the kernel's log, the oldest first.
///
/// # Errors
/// When it may not be read: it takes root.
pub fn kernel_log(mut take: impl FnMut(&str)) -> io::Result<()> {
    let mut log = File::options().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg")?;
    let mut record = [0; 8192];
    for _ in 0..RECORDS {
        match log.read(&mut record) {
            Ok(0) => return Ok(()),
            Ok(length) => take(&String::from_utf8_lossy(record.get(..length).unwrap_or_default())),
            // The next one was overwritten before it was read, or is longer than any should be.
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
