//! The security modules, and what the kernel's log says that they denied.

use crate::model::{Gap, Hides, Need, Port, Security, Seen};
use crate::sys;
use crate::wire::denial;
use std::io::ErrorKind;

/// Denials of a port, as far as they can be read, and the gap that is left.
#[must_use]
pub fn security(port: Port) -> (Security, Option<Gap>) {
    let mut denials = Vec::new();
    let read =
        sys::kernel_log(|record| denials.extend(denial::denial(record, port).map(str::to_owned)));
    let modules = match sys::security_modules() {
        Some(modules) => Seen::Known(modules),
        None => Seen::Failed("the kernel does not tell them".to_owned()),
    };
    let gap = read.err().map(|error| Gap {
        what: "what SELinux and AppArmor denied".to_owned(),
        reason: format!("the kernel's log: {error}"),
        need: (error.kind() == ErrorKind::PermissionDenied).then_some(Need::Root),
        hides: Hides::Reasons,
    });
    (Security { modules, label: sys::security_label(), denials }, gap)
}
