//! The security modules, and what the kernel's log says that they denied.

use crate::model::{Gap, Hides, Need, Port, Security, Seen};
use crate::sys;
use crate::wire::denial;
use std::io::ErrorKind;

/// So many denials are told: who tries again and again is denied as often.
const MOST: usize = 5;

/// Denials of a port, the last ones, as far as they can be read, and the gap that is left.
#[must_use]
pub fn security(port: Port) -> (Security, Option<Gap>) {
    let mut denials = Vec::new();
    let read = sys::kernel_log(|record| keep(&mut denials, denial::denial(record, port)));
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

/// Keeps the last ones.
fn keep(denials: &mut Vec<String>, denial: Option<&str>) {
    let Some(denial) = denial else { return };
    if denials.len() == MOST {
        denials.remove(0);
    }
    denials.push(denial.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_denials_the_last_ones_are_kept() {
        let mut denials = Vec::new();
        for number in 0..20_000 {
            keep(&mut denials, Some(number.to_string().as_str()));
            keep(&mut denials, None);
        }
        assert_eq!(denials, ["19995", "19996", "19997", "19998", "19999"]);
    }
}
