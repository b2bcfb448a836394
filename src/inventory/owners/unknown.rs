//! Why a socket has no holder that could be found. Pure.

use super::deep::InFlight;
use super::scan::Unread;
use crate::model::{Held, OwnersUnknown, OwnersUnknownReason, Seen};
use crate::wire::link::Tunnel;
use std::net::SocketAddr;

/// What was found out about a socket without a holder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// What the look at the processes could not see.
    pub(super) unread: Unread,
    /// Whether its holder, or the socket, ended meanwhile.
    pub(super) gone: bool,
    /// Whether every process of the host has an id that we can see.
    pub(super) initial_namespace: bool,
    /// The tunnels of our network namespace.
    pub(super) tunnels: &'a [Tunnel],
    /// The messages that may have it.
    pub(super) in_flight: &'a InFlight,
    /// Whether processes started faster than they could be read.
    pub(super) restless: bool,
}

/// The reason, with a sentence for a person; `udp` is where the socket is bound to over UDP.
pub(super) fn why(held: &Held, udp: Option<SocketAddr>, facts: &Facts<'_>) -> OwnersUnknown {
    let (reason, text) = if facts.gone {
        (OwnersUnknownReason::Vanished, "its holder ended while it was looked for".to_owned())
    } else if let Some(tunnel) = tunnel_of(udp, facts.tunnels) {
        let Tunnel { name, kind, .. } = tunnel;
        (OwnersUnknownReason::Kernel, format!("the kernel holds it for the {kind} device {name}"))
    } else if !facts.unread.nothing() {
        let message = in_message(facts.in_flight).map(|text| format!("; {text}"));
        let unread = unreadable_processes(facts.unread);
        let text = format!("{} made it; {unread}{}", maker(held), message.unwrap_or_default());
        (OwnersUnknownReason::Permission, text)
    } else if facts.restless {
        let text =
            "processes start and end faster than they can be read; its holder may be one of them";
        (OwnersUnknownReason::Vanished, text.to_owned())
    } else if facts.initial_namespace {
        (OwnersUnknownReason::Kernel, held_by_no_process(udp, facts))
    } else {
        let text = "no process of this pid namespace holds it; a process outside may";
        (OwnersUnknownReason::OtherPidNamespace, text.to_owned())
    };
    OwnersUnknown { reason, text }
}

/// The tunnel that the kernel holds this socket for, if it is one of those that say their port. Its socket is
/// bound to every address, and nobody else can bind the port then.
pub(super) fn tunnel_of(udp: Option<SocketAddr>, tunnels: &[Tunnel]) -> Option<&Tunnel> {
    let bound = udp.filter(|bound| bound.ip().is_unspecified())?;
    tunnels.iter().find(|tunnel| tunnel.port == Some(bound.port()))
}

fn held_by_no_process(udp: Option<SocketAddr>, facts: &Facts<'_>) -> String {
    let of_unknown_port = facts.tunnels.iter().find(|tunnel| tunnel.port.is_none());
    let likely = match (in_message(facts.in_flight), of_unknown_port) {
        (Some(text), _) => text,
        (None, Some(tunnel)) if udp.is_some() => {
            format!("it may be that of the {} device {}", tunnel.kind, tunnel.name)
        }
        (None, _) => "a kernel socket (a tunnel, NFS)".to_owned(),
    };
    format!("every process was read and none holds it: {likely}")
}

/// Whose messages may have it.
fn in_message(in_flight: &InFlight) -> Option<String> {
    let pids = match in_flight {
        InFlight::Nowhere => return None,
        InFlight::Only(pid) => vec![pid.to_string()],
        InFlight::Perhaps(pids) => pids.iter().map(u32::to_string).collect(),
    };
    Some(format!("it may be in a message that waits for process {}", pids.join(" or ")))
}

/// `root (uid 0)`
fn maker(held: &Held) -> String {
    match (&held.user, &held.uid) {
        (Seen::Known(name), Seen::Known(uid)) => format!("{name} (uid {uid})"),
        (_, Seen::Known(uid)) => format!("uid {uid}"),
        _ => "a user who is not known".to_owned(),
    }
}

/// How many processes could not be read, and why.
pub(super) fn unreadable_processes(unread: Unread) -> String {
    let files = match unread.denied + unread.failed {
        0 => return "/proc hides the processes of other users".to_owned(),
        1 => "the open files of 1 process".to_owned(),
        many => format!("the open files of {many} processes"),
    };
    let why = if unread.failed > 0 { "could not be read" } else { "may not be read" };
    let hidden = if unread.hidden { ", and /proc hides others" } else { "" };
    format!("{files} {why}{hidden}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Inode;

    fn held() -> Held {
        Held { user: Seen::Known("www".to_owned()), ..Held::new(Inode(1), Seen::Known(33)) }
    }

    fn tunnel(port: Option<u16>) -> Tunnel {
        let kind = if port.is_some() { "vxlan" } else { "wireguard" };
        Tunnel { name: "tun0".to_owned(), kind, port }
    }

    #[test]
    fn the_reason_is_the_first_that_explains_it() {
        use OwnersUnknownReason::{Kernel, OtherPidNamespace, Permission, Vanished};
        let at = |address: &str| Some(address.parse().unwrap());
        let udp = || at("0.0.0.0:4789");
        let all_read = Facts {
            unread: Unread::default(),
            gone: false,
            initial_namespace: true,
            tunnels: &[],
            in_flight: &InFlight::Nowhere,
            restless: false,
        };
        let denied = Unread { denied: 87, ..Unread::default() };
        let failed = Unread { failed: 1, hidden: true, ..Unread::default() };
        let hidden = Unread { hidden: true, ..Unread::default() };
        let vxlan = [tunnel(Some(4789))];
        let other = [tunnel(Some(4790))];
        let wireguard = [tunnel(None)];
        let perhaps = InFlight::Perhaps(vec![5, 7]);
        let table = [
            (udp(), Facts { gone: true, tunnels: &vxlan, ..all_read }, Vanished, "ended"),
            (udp(), Facts { tunnels: &vxlan, ..all_read }, Kernel, "the vxlan device tun0"),
            // Devices can be seen without privileges.
            (udp(), Facts { tunnels: &vxlan, unread: denied, ..all_read }, Kernel, "vxlan"),
            (udp(), Facts { tunnels: &other, ..all_read }, Kernel, "(a tunnel, NFS)"),
            (
                at("127.0.0.1:4789"),
                Facts { tunnels: &vxlan, ..all_read },
                Kernel,
                "(a tunnel, NFS)",
            ),
            (None, Facts { tunnels: &vxlan, ..all_read }, Kernel, "(a tunnel, NFS)"),
            (
                udp(),
                Facts { tunnels: &wireguard, ..all_read },
                Kernel,
                "may be that of the wireguard",
            ),
            (None, Facts { tunnels: &wireguard, ..all_read }, Kernel, "(a tunnel, NFS)"),
            (udp(), Facts { in_flight: &perhaps, ..all_read }, Kernel, "waits for process 5 or 7"),
            (
                udp(),
                Facts { unread: denied, ..all_read },
                Permission,
                "www (uid 33) made it; the open files of 87 processes may not be read",
            ),
            (
                udp(),
                Facts { unread: denied, in_flight: &InFlight::Only(5), ..all_read },
                Permission,
                "may not be read; it may be in a message that waits for process 5",
            ),
            (
                udp(),
                Facts { unread: failed, ..all_read },
                Permission,
                "the open files of 1 process could not be read, and /proc hides others",
            ),
            (udp(), Facts { unread: hidden, ..all_read }, Permission, "/proc hides the processes"),
            (udp(), Facts { restless: true, unread: denied, ..all_read }, Permission, "may not"),
            (udp(), Facts { restless: true, ..all_read }, Vanished, "faster than"),
            (udp(), Facts { restless: true, tunnels: &vxlan, ..all_read }, Kernel, "vxlan"),
            (udp(), Facts { initial_namespace: false, ..all_read }, OtherPidNamespace, "outside"),
        ];
        for (udp, facts, reason, words) in table {
            let told = why(&held(), udp, &facts);
            assert_eq!(told.reason, reason, "{told:?}");
            assert!(told.text.contains(words), "{words:?} in {told:?}");
        }
    }
}
