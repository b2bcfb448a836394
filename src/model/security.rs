//! What security modules such as `SELinux` and `AppArmor` have to do with a denial.

use super::Seen;

/// What is known of the security modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Security {
    /// Those that are active, as `selinux`.
    pub modules: Seen<Vec<String>>,
    /// The label that one of them has given this process.
    pub label: Option<String>,
    /// What the kernel's log has of denials of the port.
    pub denials: Vec<String>,
}
