//! The ports that the configuration of `sshd` names: a socket unit of systemd's may open another one for it.

use crate::model::{Gap, Hides, Need, Port};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

const MAIN: &str = "/etc/ssh/sshd_config";
const MORE: &str = "/etc/ssh/sshd_config.d";

/// The ports, with the files that name them, and the gap that is left by one that may not be read.
pub(super) fn ports() -> (Vec<(String, Port)>, Option<Gap>) {
    let more = fs::read_dir(MORE).into_iter().flatten().flatten().map(|entry| entry.path());
    let more = more.filter(|path| path.extension().is_some_and(|it| it == "conf"));
    let files: Vec<PathBuf> = std::iter::once(PathBuf::from(MAIN)).chain(more).collect();
    let (mut ports, mut gap) = (Vec::new(), None);
    for file in files {
        match fs::read_to_string(&file) {
            Ok(text) => ports.extend(named(&text).map(|port| (file.display().to_string(), port))),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => gap = Some(unread(&file, &error)),
        }
    }
    (ports, gap)
}

fn unread(file: &Path, error: &io::Error) -> Gap {
    Gap {
        what: format!("the ports in {}", file.display()),
        reason: error.to_string(),
        need: (error.kind() == ErrorKind::PermissionDenied).then_some(Need::Root),
        hides: Hides::Reasons,
    }
}

/// The ports of `Port 22` and `ListenAddress 10.0.0.1:22`.
fn named(text: &str) -> impl Iterator<Item = Port> {
    text.lines().filter_map(|line| {
        let mut words =
            line.split(|c: char| c.is_whitespace() || c == '=').filter(|it| !it.is_empty());
        let (key, value) = (words.next()?, words.next()?);
        let port = match key.to_ascii_lowercase().as_str() {
            "port" => value,
            // A bare IPv6 address has no port.
            "listenaddress" if value.starts_with('[') || value.matches(':').count() == 1 => {
                value.rsplit_once(':')?.1
            }
            _ => return None,
        };
        Port::new(port.parse().ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_and_comments_are_not() {
        let text = "# Port 1\nPort 2222\n  port=2223\nListenAddress 10.0.0.1:2224\nListenAddress ::1\n\
                    ListenAddress [::1]:2225\nListenAddress 10.0.0.1\nGatewayPorts 7\nPort none\nPort\n";
        let ports: Vec<u16> = named(text).map(Port::get).collect();
        assert_eq!(ports, [2222, 2223, 2224, 2225]);
    }
}
