//! Resource limits.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the number of files that we may have open to the hard limit, and returns it.
#[must_use]
pub fn raise_open_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    // `None` is "unlimited".
    current.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}
