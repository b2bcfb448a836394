//! Who holds a socket, in a few words.

use super::sanitize::{clip, sanitize};
use crate::model::{Held, Inode, Owner, OwnersUnknownReason};
use std::collections::BTreeSet;

/// Names are cut to this many columns, so that none pushes the other columns off the screen.
const NAME_WIDTH: usize = 32;

/// A sanitized name that is short enough for a table.
pub(super) fn short_name(name: &str) -> String {
    clip(&sanitize(name), NAME_WIDTH).into_owned()
}

/// The foremost owner, then how many others there are: `nginx 812 +3`. The sockets are one group.
pub(super) fn holders(sockets: &[&Held]) -> String {
    let Some(owner) = sockets.iter().find_map(|held| held.foremost()) else {
        return sockets.first().map_or("?", |held| nobody(held)).into();
    };
    let owners = sockets.iter().flat_map(|held| &held.owners);
    let pids: BTreeSet<u32> = owners.map(|owner| owner.process.pid).collect();
    let name = short_name(&owner.process.name);
    let others = if pids.len() > 1 { format!(" +{}", pids.len() - 1) } else { String::new() };
    format!("{name} {}{others}", owner.process.pid)
}

/// What stands for the holder where none was found: who it may be, or who could tell.
pub(super) fn nobody(held: &Held) -> &'static str {
    // What has no inode is known to be nobody's: not accepted yet, or closed.
    if held.inode == Inode(0) {
        return "-";
    }
    match held.owners_unknown.as_ref().map(|unknown| unknown.reason) {
        Some(OwnersUnknownReason::Permission) => "root?",
        Some(OwnersUnknownReason::Kernel) => "kernel?",
        _ => "?",
    }
}

/// The user of this owner, else the one who made the socket: a sanitized name, else a number.
pub(super) fn user(held: &Held, owner: Option<&Owner>) -> String {
    let process = owner.map(|owner| &owner.process);
    let of_process = process.and_then(|process| {
        let number = || process.uid.known().map(u32::to_string);
        process.user.known().cloned().or_else(number)
    });
    let of_socket = || {
        let number = || held.uid.known().map_or_else(|| "?".to_owned(), u32::to_string);
        held.user.known().cloned().unwrap_or_else(number)
    };
    sanitize(&of_process.unwrap_or_else(of_socket)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::samples::{With, owner, tcp};
    use crate::model::{Need, Role, Seen};

    #[test]
    fn holders_are_the_listener_and_a_number() {
        let one = tcp("::", 80).owned_by(812, "nginx");
        assert_eq!(holders(&[&one.held]), "nginx 812");
        let three = one.clone().owned_by(813, "nginx").owned_by(814, "nginx");
        assert_eq!(holders(&[&three.held]), "nginx 812 +2");
        assert_eq!(holders(&[&one.held, &three.held]), "nginx 812 +2", "each process once");
        assert_eq!(holders(&[&tcp("::", 80).held]), "?");
        let table = [
            (OwnersUnknownReason::Permission, "root?"),
            (OwnersUnknownReason::Kernel, "kernel?"),
            (OwnersUnknownReason::OtherPidNamespace, "?"),
            (OwnersUnknownReason::Vanished, "?"),
            (OwnersUnknownReason::NoProcfs, "?"),
        ];
        for (reason, text) in table {
            assert_eq!(holders(&[&tcp("::", 80).unowned(reason, "").held]), text);
        }
    }

    #[test]
    fn a_service_is_named_before_its_service_manager() {
        let mut socket = tcp("::", 22).owned_by(1, "systemd");
        socket.held.owners.push(owner(812, "sshd", Role::SocketActivated));
        assert_eq!(holders(&[&socket.held]), "sshd 812 +1");
        // Near miss: a child that just inherited is not named before its parent.
        socket.held.owners[1].role = Role::Inherited;
        assert_eq!(holders(&[&socket.held]), "systemd 1 +1");
    }

    #[test]
    fn a_hostile_name_is_visible_and_short_and_keeps_its_pid() {
        let name = format!("\x1b[31m{}", "x".repeat(300));
        let text = holders(&[&tcp("::", 80).owned_by(7, &name).held]);
        assert_eq!(text, format!(r"\x1b[31m{}… 7", "x".repeat(23)));
    }

    #[test]
    fn the_user_is_the_processs_else_the_sockets() {
        let mut socket = tcp("::", 80).owned_by(7, "a");
        socket.held.user = Seen::Absent;
        socket.held.uid = Seen::Known(33);
        assert_eq!(user(&socket.held, socket.held.owners.first()), "root");
        assert_eq!(user(&socket.held, None), "33");
        socket.held.owners[0].process.user = Seen::Absent;
        socket.held.owners[0].process.uid = Seen::Known(44);
        assert_eq!(user(&socket.held, socket.held.owners.first()), "44");
        socket.held.owners[0].process.uid = Seen::Denied(Need::Root);
        assert_eq!(user(&socket.held, socket.held.owners.first()), "33");
    }
}
