//! What a reader must know before the first row: that this is not the whole host.

use super::sanitize::sanitize;
use super::units;
use crate::model::{Seen, Surroundings};
use std::io::{self, Write};

/// Writes one line when we run inside a container, or in a network namespace of its own: what is listed is then
/// not the host's. Writes nothing where we do not, and where that could not be found out.
pub fn header(out: &mut dyn Write, surroundings: &Surroundings) -> io::Result<()> {
    let container = surroundings.container.known().map(|container| {
        let name = units::short(container);
        let runtime = sanitize(container.runtime.name());
        match name {
            Some(name) => format!("inside the container {name} ({runtime})"),
            None => format!("inside a container ({runtime})"),
        }
    });
    let netns = match &surroundings.netns {
        Seen::Known(netns) => Some(format!("a network namespace of its own ({})", sanitize(netns))),
        _ => None,
    };
    match (container, netns) {
        (Some(container), Some(netns)) => writeln!(out, "{container}, in {netns}"),
        (Some(container), None) => writeln!(out, "{container}"),
        (None, Some(netns)) => writeln!(out, "inside {netns}"),
        (None, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Container, Need, Runtime};

    fn text(container: Seen<Container>, netns: Seen<String>) -> String {
        let mut out = Vec::new();
        header(&mut out, &Surroundings { container, netns }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn it_is_there_only_when_it_is_so() {
        let netns = || Seen::Known("net:[4026532281]".to_owned());
        let container = |id: Seen<String>, name: Seen<String>| {
            Seen::Known(Container { id, name, runtime: Runtime::Docker })
        };
        let unknown = || Seen::Skipped("not told inside of it");
        let id = Seen::Known("3fa2c1aabbcc001122334455".to_owned());
        assert_eq!(text(Seen::Absent, Seen::Absent), "");
        assert_eq!(text(Seen::Denied(Need::Root), Seen::Denied(Need::Kernel(6, 18))), "");
        assert_eq!(
            text(Seen::Absent, netns()),
            "inside a network namespace of its own (net:[4026532281])\n"
        );
        assert_eq!(
            text(container(unknown(), unknown()), netns()),
            "inside a container (docker), in a network namespace of its own (net:[4026532281])\n"
        );
        assert_eq!(
            text(container(id.clone(), unknown()), Seen::Absent),
            "inside the container 3fa2c1aabbcc (docker)\n"
        );
        assert_eq!(
            text(container(id, Seen::Known("we\u{202e}b".into())), Seen::Absent),
            "inside the container we\\u{202e}b (docker)\n"
        );
    }
}
