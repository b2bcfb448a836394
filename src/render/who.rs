//! Who holds a port, told in labelled lines.

use super::group::{Group, Sharing};
use super::number::{age, count, thousands};
use super::owners::user;
use super::sanitize::{clip, sanitize};
use super::shell::shell_word;
use super::stop::stop;
use super::style::{self, paint};
use super::{Appearance, bind, units};
use crate::document::rfc3339;
use crate::model::{Owner, Process, Queue, Role, Seen, Socket, SocketState, Transport, Via};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The width of the labels.
const LABELS: usize = 12;
/// How much of a command line is shown.
const COMMAND_WIDTH: usize = 2_000;

/// Writes a block of labelled lines for each port, state and set of owners: who holds it, since when, how it
/// is bound, and how to stop it. Long lines are left to the terminal. Writes nothing for no sockets: what a
/// free port is called is the caller's to say.
pub fn who_text(out: &mut dyn Write, sockets: &[Socket], look: &Appearance) -> io::Result<()> {
    let sharing = Sharing::of(sockets);
    for (at, group) in Group::all(sockets).iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        let socket = group.first();
        let endpoint = socket.endpoint().to_string();
        let endpoint = if look.color { paint(style::PORT, &endpoint) } else { endpoint };
        let service = socket.service.as_deref().map(|name| format!(" ({})", sanitize(name)));
        writeln!(out, "{endpoint}{}", service.unwrap_or_default())?;
        for (label, text) in lines(group, &sharing, look) {
            writeln!(out, "  {label:LABELS$} {text}")?;
        }
    }
    Ok(())
}

type Line = (&'static str, String);

fn lines(group: &Group<'_>, sharing: &Sharing, look: &Appearance) -> Vec<Line> {
    let socket = group.first();
    let mut lines = match socket.held.owners.split_first() {
        Some((listener, others)) => owner_lines(socket, listener, others, look.now),
        None => unknown_lines(socket),
    };
    lines.extend(told(&socket.held.unit, units::unit_in_words).map(|unit| ("unit", unit)));
    // What keeps the unit from us keeps the container too, and is said once.
    let container = socket.held.container.known();
    lines.extend(container.map(|it| ("container", units::container_in_words(it))));
    lines.extend(bind::words(group.sockets()).into_iter().map(|words| ("binding", words)));
    lines.push(("state", state(socket.state).into()));
    lines.extend(shared_port(group, sharing));
    lines.extend(
        group.sockets().iter().filter_map(|socket| queue(socket)).map(|queue| ("queue", queue)),
    );
    let inodes: Vec<_> =
        group.sockets().iter().map(|socket| socket.held.inode.0.to_string()).collect();
    lines.push(("inode", inodes.join(", ")));
    lines.extend(stop(socket));
    lines
}

fn owner_lines(socket: &Socket, listener: &Owner, others: &[Owner], now: u64) -> Vec<Line> {
    let process = &listener.process;
    let mut lines = vec![("process", told_owner(listener))];
    lines.extend(told(&process.ppid, u32::to_string).map(|ppid| ("parent pid", ppid)));
    lines.push(("user", user(&socket.held, Some(listener))));
    lines.extend(
        told(&process.exe, |exe| sanitize(exe).into_owned()).map(|exe| ("executable", exe)),
    );
    lines.extend(told(&process.cmdline, |words| command(words)).map(|line| ("command", line)));
    lines
        .extend(told(&process.cwd, |cwd| sanitize(cwd).into_owned()).map(|cwd| ("directory", cwd)));
    lines.extend(
        told(&process.started_at, |then| started(now, *then)).map(|text| ("started", text)),
    );
    lines.extend(shared(others).into_iter().map(|text| ("held also by", text)));
    lines
}

/// A fact in words: nothing for an absent one, and why it is not known for an unknown one.
fn told<T>(fact: &Seen<T>, words: impl FnOnce(&T) -> String) -> Option<String> {
    match fact {
        Seen::Known(value) => Some(words(value)),
        Seen::Absent => None,
        Seen::Denied(need) => Some(format!("not known: needs {need}")),
        Seen::Failed(text) => Some(format!("not known: {}", sanitize(text))),
        Seen::Skipped(why) => Some(format!("not known: {}", sanitize(why))),
    }
}

/// `nginx 812 (listener)`
fn told_owner(owner: &Owner) -> String {
    let Process { name, pid, .. } = &owner.process;
    format!("{} {pid} ({})", sanitize(name), part(owner.role, owner.via))
}

/// What a process is to the socket, and how it holds it.
fn part(role: Role, via: Option<Via>) -> String {
    let role = match role {
        Role::Listener => "listener",
        Role::Inherited => "inherited it",
        Role::Worker => "worker",
        Role::SocketActivated => "socket-activated",
    };
    let via = match via {
        None => "",
        Some(Via::Thread) => ", through a thread of its own descriptor table",
        Some(Via::InFlight) => ", in a message that nobody has received yet",
        Some(Via::IoUring) => ", through io_uring",
    };
    format!("{role}{via}")
}

/// The other holders, those of one name and part together: `nginx 813, 814 (worker)`.
fn shared(others: &[Owner]) -> Vec<String> {
    let mut holders: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for owner in others {
        let name = sanitize(&owner.process.name).into_owned();
        let pids = holders.entry((part(owner.role, owner.via), name)).or_default();
        pids.push(owner.process.pid.to_string());
    }
    let told = |((part, name), pids): ((String, String), Vec<String>)| {
        format!("{name} {} ({part})", pids.join(", "))
    };
    holders.into_iter().map(told).collect()
}

/// A command line as a shell would take it, with hostile characters visible.
fn command(words: &[String]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| shell_word(word)).collect();
    clip(&sanitize(&quoted.join(" ")), COMMAND_WIDTH).into_owned()
}

/// `2026-11-20T04:12:26Z (2h ago)`
fn started(now: u64, then: u64) -> String {
    let age = age(now, then);
    rfc3339(then).map_or_else(|| format!("{age} ago"), |moment| format!("{moment} ({age} ago)"))
}

fn unknown_lines(socket: &Socket) -> Vec<Line> {
    let reason = socket.held.owners_unknown.as_ref();
    let told =
        reason.map(|unknown| format!("{}: {}", unknown.reason.name(), sanitize(&unknown.text)));
    let holder = told.map_or_else(|| "not known".into(), |why| format!("not known ({why})"));
    vec![("process", holder), ("user", user(&socket.held, None))]
}

fn state(state: SocketState) -> &'static str {
    match state {
        SocketState::Listen => "listening",
        SocketState::Bound => "bound, not listening: it keeps the port and answers nobody",
        SocketState::TimeWait => {
            "closed a moment ago (TIME_WAIT): the kernel keeps the port for a minute"
        }
        SocketState::SynSent => {
            "a connection that was asked for: it uses the port and serves nobody"
        }
        SocketState::FinWait1
        | SocketState::FinWait2
        | SocketState::LastAck
        | SocketState::Closing => {
            "a connection that is being closed: it uses the port and serves nobody"
        }
        SocketState::Established | SocketState::SynReceived | SocketState::CloseWait => {
            "a connection: it uses the port and takes no other clients"
        }
        SocketState::Unconnected => {
            "takes datagrams from anyone (a server, or a client that uses sendto)"
        }
    }
}

/// How many sockets share the port, when there are several: that is no conflict.
fn shared_port(group: &Group<'_>, sharing: &Sharing) -> Option<Line> {
    let most = group.sockets().iter().map(|socket| sharing.with(socket)).max()?;
    (most > 1).then(|| {
        let text =
            format!("{most} sockets are bound alike (SO_REUSEPORT): each client gets one of them");
        ("shared", text)
    })
}

/// What waits in the queue and what was dropped, when there is any.
fn queue(socket: &Socket) -> Option<String> {
    let queue = match &socket.queue {
        Seen::Known(Queue { length: 0, drops: 0, .. }) => return None,
        Seen::Known(queue) => queue,
        unknown => return told(unknown, |_| String::new()),
    };
    let (length, limit) = (thousands(queue.length.into()), thousands(queue.limit.into()));
    let waiting = match socket.transport {
        Transport::Tcp | Transport::Sctp if queue.is_full() => {
            format!("full: {length} connections wait to be accepted, the limit is {limit}")
        }
        Transport::Tcp | Transport::Sctp => format!(
            "{} waiting to be accepted, the limit is {limit}",
            count(queue.length.into(), "connection")
        ),
        Transport::Udp => format!(
            "{} waiting to be read, the limit is {limit}",
            count(queue.length.into(), "byte")
        ),
    };
    let dropped = match queue.drops {
        0 => String::new(),
        drops => format!("; {} dropped since it was made", thousands(drops.into())),
    };
    Some(format!("{waiting}{dropped}"))
}

#[cfg(test)]
mod tests;
