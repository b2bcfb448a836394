//! Reading files that others may have put there.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The first so many bytes of a file as text; `None` for what is no file, as `/dev/null` or a pipe, which is not waited
/// for.
///
/// # Errors
/// When it cannot be opened or read.
pub fn beginning_of(path: &Path, most: u64) -> io::Result<Option<String>> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, mkfifoat};
    use std::fs;

    #[test]
    fn neither_a_pipe_nor_what_has_no_end_is_waited_for() {
        let path = std::env::temp_dir().join(format!("portsight-file-{}", std::process::id()));
        fs::write(&path, "0123456789").unwrap();
        assert_eq!(beginning_of(&path, 4).unwrap().as_deref(), Some("0123"));
        assert_eq!(beginning_of(&path, 40).unwrap().as_deref(), Some("0123456789"));
        fs::remove_file(&path).unwrap();
        assert_eq!(beginning_of(&path, 4).unwrap_err().kind(), io::ErrorKind::NotFound);
        mkfifoat(CWD, &path, Mode::RUSR).unwrap();
        assert_eq!(beginning_of(&path, 4).unwrap(), None);
        fs::remove_file(&path).unwrap();
        assert_eq!(beginning_of(Path::new("/dev/zero"), 4).unwrap(), None);
    }
}
