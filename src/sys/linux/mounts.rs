//! What is mounted where, as our mount namespace shows it (`/proc/self/mountinfo`, `proc(5)`).

use std::fs;
use std::io;

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The directory of its file system that is mounted.
    pub root: String,
    /// Where it is mounted.
    pub point: String,
    /// The type of its file system.
    pub kind: String,
}

/// The mounts, in the order in which they were made.
///
/// # Errors
/// When they cannot be listed.
pub fn mounts() -> io::Result<Vec<Mount>> {
    let text = fs::read("/proc/self/mountinfo")?;
    Ok(String::from_utf8_lossy(&text).lines().filter_map(mount).collect())
}

/// `41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw`; before the dash any number of fields.
fn mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    let kind = after.split(' ').next()?;
    Some(Mount { root: unescaped(root), point: unescaped(point), kind: kind.to_owned() })
}

/// Blanks, line ends and backslashes are written as three octal digits.
fn unescaped(field: &str) -> String {
    if !field.contains('\\') {
        return field.to_owned();
    }
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (code, letter)| text.replace(code, letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_mount() {
        let table = [
            (
                "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw",
                Some(("/", "/sys/fs/cgroup/unified", "cgroup2")),
            ),
            (
                "30 23 0:26 /../.. /sys/fs/cgroup rw shared:4 master:1 - cgroup2 cgroup rw,nsdelegate",
                Some(("/../..", "/sys/fs/cgroup", "cgroup2")),
            ),
            (
                r"9 1 8:1 /a\040b /mnt/c\134d rw - ext4 /dev/sda1 rw",
                Some(("/a b", r"/mnt/c\d", "ext4")),
            ),
            ("9 1 8:1 / rw - ", None),
            ("", None),
        ];
        for (line, expected) in table {
            let found = mount(line);
            let found =
                found.as_ref().map(|m| (m.root.as_str(), m.point.as_str(), m.kind.as_str()));
            assert_eq!(found.filter(|found| !found.2.is_empty()), expected, "{line}");
        }
    }
}
