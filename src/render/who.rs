//! Who holds a port, told in labelled lines.

use super::group::{Group, Sharing};
use super::number::{age, count, number, thousands};
use super::owners::{holders, user};
use super::sanitize::{clip, sanitize};
use super::stop::stop;
use super::style::{self, paint};
use super::{Appearance, bind, units};
use crate::document::rfc3339;
use crate::model::{
    Arrival, Client, Endpoint, Holding, Holdings, Inode, Lookup, Named, Owner, OwnersUnknown,
    Process, Queue, Role, Seen, Socket, SocketState, Transport, Via, shell_word,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Write};
use std::ptr;

/// The width of the labels.
const LABELS: usize = 12;
/// How much of a command line is shown.
const COMMAND_WIDTH: usize = 2_000;

/// Writes a block of labelled lines for each port, state and set of owners: who holds it, since when, how it
/// is bound, who is connected, and how to stop it; then where a client's packets land. Long lines are left to the
/// terminal. Writes nothing for no sockets: what a free port is called is the caller's to say.
pub fn who_text(out: &mut dyn Write, holdings: &Holdings, look: &Appearance) -> io::Result<()> {
    let sockets = || holdings.found.iter().map(|holding| &holding.socket);
    let sharing = Sharing::of(sockets());
    let of: HashMap<*const Socket, &Holding> =
        holdings.found.iter().map(|holding| (ptr::from_ref(&holding.socket), holding)).collect();
    for (at, group) in Group::all(sockets()).iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        let socket = group.first();
        let endpoint = socket.endpoint().to_string();
        let endpoint = if look.color { paint(style::PORT, &endpoint) } else { endpoint };
        let service = socket.service.as_deref().map(|name| format!(" ({})", sanitize(name)));
        writeln!(out, "{endpoint}{}", service.unwrap_or_default())?;
        let around = group.sockets().iter().filter_map(|socket| of.get(&ptr::from_ref(*socket)));
        let around: Vec<&Holding> = around.copied().collect();
        for (label, text) in lines(group, &around, &sharing, look) {
            writeln!(out, "  {label:LABELS$} {text}")?;
        }
    }
    write_arrivals(out, holdings)
}

type Line = (&'static str, String);

fn lines(
    group: &Group<'_>,
    around: &[&Holding],
    sharing: &Sharing,
    look: &Appearance,
) -> Vec<Line> {
    let socket = group.first();
    let ancestors = around.first().map(|holding| holding.ancestors.as_slice()).unwrap_or_default();
    let mut lines = match socket.held.owners.split_first() {
        Some((listener, others)) => owner_lines(socket, listener, others, ancestors, look.now),
        None => unknown_lines(socket),
    };
    lines.extend(socket.held.netns.iter().map(|netns| ("namespace", sanitize(netns).into_owned())));
    lines.extend(told(&socket.held.unit, units::unit_in_words).map(|unit| ("unit", unit)));
    // What keeps the unit from us keeps the container too, and is said once.
    let container = socket.held.container.known();
    lines.extend(container.map(|it| ("container", units::container_in_words(it))));
    if socket.state.is_connection() {
        let connections = bind::connections(group.sockets());
        lines.extend(connections.into_iter().map(|words| ("connection", words)));
    } else {
        lines.extend(bind::words(group.sockets()).into_iter().map(|words| ("binding", words)));
    }
    lines.extend(bind::nat_in_words(&socket.nat));
    lines.push(("state", state(socket)));
    lines.extend(shared_port(group, sharing));
    lines.extend(
        group.sockets().iter().filter_map(|socket| queue(socket)).map(|queue| ("queue", queue)),
    );
    lines.extend(clients(around));
    lines.extend(also(around));
    let inodes: Vec<_> =
        group.sockets().iter().map(|socket| socket.held.inode.0.to_string()).collect();
    if !socket.state.is_connection() {
        lines.push(("inode", inodes.join(", ")));
    }
    lines.extend(stop(socket, around.first().and_then(|holding| holding.supervisor.as_ref())));
    lines
}

/// Who is connected, and what is left of those who were.
fn clients(around: &[&Holding]) -> Vec<Line> {
    /// More are counted.
    const MOST: usize = 8;
    // Sockets that share a port have the same clients.
    let mut known = HashSet::new();
    let all = around.iter().flat_map(|holding| &holding.clients);
    let clients: Vec<&Client> =
        all.filter(|client| known.insert((client.address, client.state))).collect();
    let text = |client: &&Client| {
        let process = client.process.as_ref().map(|it| format!(" ({})", told_named(it)));
        let state = match client.state {
            SocketState::Established => String::new(),
            state => format!(", {}", state.name()),
        };
        format!("{}{}{state}", client.address, process.unwrap_or_default())
    };
    let mut lines = Vec::new();
    if !clients.is_empty() {
        let mut texts: Vec<_> = clients.iter().take(MOST).map(text).collect();
        if clients.len() > MOST {
            texts.push(format!("{} others", thousands(number(clients.len() - MOST))));
        }
        let counted = count(number(clients.len()), "connection");
        lines.push(("clients", format!("{counted}: {}", texts.join("; "))));
    }
    let mut closed: BTreeMap<_, usize> = BTreeMap::new();
    for Holding { socket, time_wait, .. } in around {
        let device = socket.interface.known().map(|interface| interface.index);
        let at = closed.entry((socket.address, device)).or_default();
        *at = (*at).max(*time_wait);
    }
    let closed = closed.values().sum();
    if closed > 0 {
        let counted = count(number(closed), "closed connection");
        lines.push(("time-wait", format!("{counted}, kept by the kernel for a minute")));
    }
    lines
}

/// What else the holder serves.
fn also(around: &[&Holding]) -> Option<Line> {
    let also = &around.first()?.also;
    let mut ports: BTreeMap<Endpoint, Vec<String>> = BTreeMap::new();
    for (endpoint, address) in also {
        ports.entry(*endpoint).or_default().push(address.to_string());
    }
    let text = |(endpoint, addresses): (&Endpoint, &Vec<String>)| {
        format!("{endpoint} at {}", addresses.join(" "))
    };
    let texts: Vec<_> = ports.iter().map(text).collect();
    (!texts.is_empty())
        .then(|| ("serves also", clip(&texts.join(", "), COMMAND_WIDTH).into_owned()))
}

/// Where the packets of the client that was asked for land.
fn write_arrivals(out: &mut dyn Write, holdings: &Holdings) -> io::Result<()> {
    let Some(Arrival { from, .. }) = holdings.arrivals.first() else { return Ok(()) };
    let from = if from.port() == 0 { from.ip().to_string() } else { from.to_string() };
    if !holdings.found.is_empty() {
        writeln!(out)?;
    }
    writeln!(out, "Packets from {from}, as far as no rule stops them:")?;
    for Arrival { endpoint, to, lands, socket, interface, .. } in &holdings.arrivals {
        let lands = match (lands, socket) {
            (Lookup::Nobody, _) => "no socket takes them".to_owned(),
            (Lookup::Unknown(why), _) => format!("not known: {}", sanitize(why)),
            (Lookup::Connection, Some(socket)) => {
                format!("a connection of {}", holders(&[&socket.held]))
            }
            (Lookup::Socket(_), Some(socket)) => {
                let bound = bind::of_group(&[socket]);
                format!("{}, bound to {bound}", holders(&[&socket.held]))
            }
            (Lookup::Connection, None) => "a connection".to_owned(),
            (Lookup::Socket(_), None) => "a socket that was not listed".to_owned(),
        };
        writeln!(out, "  to {to} port {endpoint} on {}: {lands}", sanitize(&interface.name))?;
    }
    Ok(())
}

fn told_named(named: &Named) -> String {
    format!("{} {}", sanitize(&named.name), named.pid)
}

fn owner_lines(
    socket: &Socket,
    listener: &Owner,
    others: &[Owner],
    ancestors: &[Named],
    now: u64,
) -> Vec<Line> {
    let process = &listener.process;
    let process_line = match (socket.state.is_connection(), listener.role, listener.via) {
        (true, Role::Listener, None) => told_process(process),
        _ => told_owner(listener),
    };
    let mut lines = vec![("process", process_line)];
    if ancestors.is_empty() {
        lines.extend(told(&process.ppid, u32::to_string).map(|ppid| ("parent pid", ppid)));
    } else {
        let above: Vec<_> = ancestors.iter().map(told_named).collect();
        lines.push(("parents", above.join(" < ")));
    }
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
    format!("{} ({})", told_process(&owner.process), part(owner.role, owner.via))
}

fn told_process(process: &Process) -> String {
    let stopped = if process.stopped { ", stopped" } else { "" };
    format!("{} {}{stopped}", sanitize(&process.name), process.pid)
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
    let told = |unknown: &OwnersUnknown| {
        let text = sanitize(&unknown.text);
        match socket.held.inode {
            Inode(0) => format!("none: {text}"),
            _ => format!("not known ({}: {text})", unknown.reason.name()),
        }
    };
    let holder = socket.held.owners_unknown.as_ref().map_or_else(|| "not known".into(), told);
    let user = socket.held.uid.known().map(|_| ("user", user(&socket.held, None)));
    std::iter::once(("process", holder)).chain(user).collect()
}

fn state(socket: &Socket) -> String {
    let state = match socket.state {
        SocketState::Listen if socket.mptcp => "listening, for Multipath TCP too",
        SocketState::Listen => "listening",
        SocketState::Bound => "bound, not listening: it keeps the port and answers nobody",
        SocketState::Unconnected => {
            "takes datagrams from anyone (a server, or a client that uses sendto)"
        }
        SocketState::TimeWait => {
            "time-wait: closed, and kept for a minute; a bind fails until then, unless both sockets set SO_REUSEADDR"
        }
        state => {
            return format!(
                "{}: a connection, which uses the port and takes no clients",
                state.name()
            );
        }
    };
    state.to_owned()
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
