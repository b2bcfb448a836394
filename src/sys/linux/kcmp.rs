//! Comparing what two threads share (`kcmp(2)`).
#![expect(unsafe_code, reason = "kcmp(2) has no wrapper")]

/// Whether two threads have one descriptor table; `None` when the kernel does not tell.
#[must_use]
pub fn share_descriptors(one: u32, other: u32) -> Option<bool> {
    /// `KCMP_FILES` (`linux/kcmp.h`).
    const FILES: libc::c_int = 2;
    let [one, other] = [one, other].map(|id| libc::pid_t::try_from(id).ok());
    // SAFETY: kcmp(2) with KCMP_FILES takes numbers only.
    match unsafe { libc::syscall(libc::SYS_kcmp, one?, other?, FILES, 0_u64, 0_u64) } {
        0 => Some(true),
        1..=3 => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_share_a_table_with_ourselves_and_with_nobody_that_does_not_exist() {
        let us = std::process::id();
        // Where the kernel lacks kcmp(2), or a sandbox forbids it, it does not tell.
        assert_ne!(share_descriptors(us, us), Some(false));
        assert_eq!(share_descriptors(us, 0), None);
        assert_eq!(share_descriptors(us, u32::MAX), None);
    }
}
