//! The names of users.
#![expect(
    unsafe_code,
    reason = "getpwuid_r(3) is the only way through every source of nsswitch.conf"
)]

use std::ffi::CStr;
use std::mem::MaybeUninit;

/// The name of a user; `None` when the user database has none.
///
/// # Errors
/// When the user database could not be read.
pub fn user_name(uid: u32) -> std::io::Result<Option<String>> {
    /// An entry larger than this is an error of the user database.
    const LARGEST: usize = 1 << 20;
    let mut buffer = vec![libc::c_char::default(); 1024];
    loop {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = std::ptr::null_mut();
        // SAFETY: `entry` and `found` outlive the call, and `buffer` is as long as we say.
        let status = unsafe {
            libc::getpwuid_r(
                uid,
                entry.as_mut_ptr(),
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            )
        };
        match status {
            0 if found.is_null() => return Ok(None),
            0 => {
                // SAFETY: a found entry is initialised, and its name is a string in `buffer`.
                let name = unsafe { CStr::from_ptr((*found).pw_name) };
                return Ok(Some(name.to_string_lossy().into_owned()));
            }
            libc::ERANGE if buffer.len() < LARGEST => buffer.resize(buffer.len() * 4, 0),
            libc::EINTR => {}
            // "Not found" by some sources (getpwnam(3), ERRORS).
            libc::ENOENT | libc::ESRCH => return Ok(None),
            error => return Err(std::io::Error::from_raw_os_error(error)),
        }
    }
}
