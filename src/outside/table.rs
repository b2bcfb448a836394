//! The table of rules that traces our probes and swallows the replies to them. It belongs to a socket: when the last
//! process that has the socket ends, the kernel removes it, whatever the end was.

use super::ask::change;
use crate::model::{Hook, Transport};
use crate::sys::{self, NetlinkSocket, Protocol};
use crate::wire::netlink::AnswerError;
use crate::wire::nf_tables::build::{Batch, Expressions};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Where a packet is seen. The names say it to whoever lists the rules.
pub(super) const PROBE_IN: &str = "probe_in";
pub(super) const PROBE_END: &str = "probe_end";
pub(super) const PROBE_FORWARDED: &str = "probe_fwd";
pub(super) const REPLY_OUT: &str = "reply_out";
pub(super) const REPLY_END: &str = "reply_end";
pub(super) const LOCAL_OUT: &str = "local_out";
pub(super) const LOCAL_AWAY: &str = "local_away";
pub(super) const LOCAL_IN: &str = "local_in";
const WAY_OUT: &str = "way_out";

const TRANSPORTS: [Transport; 2] = [Transport::Tcp, Transport::Udp];

/// First and last among the chains of a hook. Before the first is only what defragments.
pub(super) const FIRST: i32 = i32::MIN + 1;
pub(super) const LAST: i32 = i32::MAX;
/// Before the last, where a program outside stands at the same address and gets every reply but for those to our port.
const BEFORE_LAST: i32 = LAST - 1;

/// What the table is for.
#[derive(Debug)]
pub(super) struct Probes {
    /// From where probes from the network seem to come.
    pub(super) sources: Vec<SocketAddr>,
    /// The devices that seem to receive them, and from where.
    pub(super) devices: BTreeMap<u32, BTreeSet<SocketAddr>>,
    /// The addresses of other network namespaces of this host: to these a probe may be handed on.
    pub(super) inside: BTreeSet<IpAddr>,
    /// The port from which this host probes itself.
    pub(super) local_port: u16,
}

/// The table, while it is there.
#[derive(Debug)]
pub(super) struct Table {
    /// The socket that it belongs to.
    pub(super) socket: NetlinkSocket,
    /// Its name.
    pub(super) name: String,
    probes: Probes,
    is_there: bool,
}

impl Table {
    /// A socket that can have a table, and none yet.
    pub(super) fn prepare(probes: Probes) -> io::Result<Self> {
        let socket = NetlinkSocket::open(Protocol::Netfilter)?;
        socket.send_up_to(LARGEST)?;
        Ok(Self { socket, name: String::new(), probes, is_there: false })
    }

    /// From where probes from the network seem to come.
    pub(super) fn sources(&self) -> &[SocketAddr] {
        &self.probes.sources
    }

    /// Makes the table and removes it: it can be had when probes want it. Until then no other packet pays for it.
    pub(super) fn try_out(&mut self) -> Result<(), AnswerError> {
        self.make()?;
        self.is_there = false;
        change(&mut self.socket, |seq| {
            let mut batch = Batch::new(seq);
            batch.remove_table(&self.name);
            batch.end()
        })
    }

    /// Makes the table, where it is not there, and shuts the way out past it.
    pub(super) fn install(&mut self) -> Result<(), AnswerError> {
        if !self.is_there {
            self.make()?;
            // By another device a probe may be on its way to a container.
            for (device, sources) in &self.probes.devices {
                let drops: Vec<_> = sources.iter().flat_map(leaving).collect();
                shut(&mut self.socket, *device, &drops);
            }
        }
        Ok(())
    }

    fn make(&mut self) -> Result<(), AnswerError> {
        let Self { socket, probes, .. } = self;
        self.name = named(|name| change(socket, |seq| batch(name, probes, seq).end()))?;
        self.is_there = true;
        Ok(())
    }
}

/// What would leave of the probes from here, and of the replies to them: it is dropped.
fn leaving(source: &SocketAddr) -> Vec<Expressions> {
    let (address, port) = (source.ip(), source.port());
    let each = |transport| {
        let probe = Expressions::sent_from(address).from_port(transport, port);
        [probe, Expressions::sent_to(address).to_port(transport, port)]
    };
    let error = Expressions::sent_to(address).quoting(*source);
    TRANSPORTS.into_iter().flat_map(each).chain([error]).map(Expressions::drop).collect()
}

/// Makes one table more, with these rules for what leaves by this device all the same, past every rule of the tables of
/// IP: what a rule at the device itself answers or hands on. A kernel without chains there (before Linux 5.16) has none.
pub(super) fn shut(socket: &mut NetlinkSocket, device: u32, drops: &[Expressions]) {
    let Some(device) = sys::interface_name(device) else { return };
    let shut = |name: &str, seq| {
        let mut batch = Batch::new(seq);
        batch.of_devices();
        batch.table(name);
        batch.way_out(name, WAY_OUT, &device);
        for drop in drops {
            batch.rule(name, WAY_OUT, drop);
        }
        batch.end()
    };
    let made = named(|name| change(socket, |seq| shut(name, seq)));
    let _has_none = made.is_err();
}

/// Makes tables under the first name that nobody has, and returns it.
pub(super) fn named(
    mut make: impl FnMut(&str) -> Result<(), AnswerError>,
) -> Result<String, AnswerError> {
    /// Process numbers are one container's own, and a network may be that of several.
    const NAMES: u32 = 8;
    let mut number = 0;
    loop {
        number += 1;
        let name = format!("{NAME}{}-{number}", std::process::id());
        match make(&name) {
            Err(AnswerError::Refused(error))
                if error.kind() == io::ErrorKind::AlreadyExists && number < NAMES => {}
            result => return result.map(|()| name),
        }
    }
}

/// Room for the rules of many sources and namespaces in one message.
const LARGEST: usize = 8 << 20;
/// What the names of such tables begin with.
const NAME: &str = "portsight-";

/// Whether a table is one of these, perhaps another process's.
pub(super) fn is_ours(table: &[u8]) -> bool {
    table.strip_prefix(NAME.as_bytes()).is_some_and(|rest| {
        !rest.is_empty() && rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-')
    })
}

fn batch(table: &str, probes: &Probes, seq: u32) -> Batch {
    let mut batch = Batch::new(seq);
    batch.table(table);
    for (chain, hook, priority) in [
        (PROBE_IN, Hook::Prerouting, FIRST),
        (PROBE_END, Hook::Input, LAST),
        (PROBE_FORWARDED, Hook::Forward, LAST),
        (REPLY_OUT, Hook::Output, FIRST),
        (REPLY_END, Hook::Postrouting, BEFORE_LAST),
        (LOCAL_OUT, Hook::Output, FIRST),
        // Before NAT changes the source, by which it is known.
        (LOCAL_AWAY, Hook::Postrouting, FIRST),
        (LOCAL_IN, Hook::Input, LAST),
    ] {
        batch.chain(table, chain, hook, priority);
    }
    let mut swallows = Vec::new();
    for source in &probes.sources {
        for transport in TRANSPORTS {
            let probe = || Expressions::from_host(source.ip()).from_port(transport, source.port());
            // What ends a connection of ours is of no interest.
            let traced = if transport == Transport::Tcp { probe().syn() } else { probe() };
            batch.rule(table, PROBE_IN, &traced.trace().accept());
            // Where it leaves by the way it came, the reply would not come by here.
            for device in probes.devices.keys() {
                batch.rule(table, PROBE_FORWARDED, &probe().there_and_back(*device).drop());
            }
            let inside = probes.inside.iter().filter(|it| it.is_ipv4() == source.is_ipv4());
            for inside in inside {
                batch.rule(table, PROBE_FORWARDED, &probe().and_to(*inside).accept());
            }
            // To another host it would leave.
            batch.rule(table, PROBE_FORWARDED, &probe().drop());
            // Nobody here sends from there: it is a probe that something doubled or handed on.
            batch.rule(table, REPLY_OUT, &probe().drop());
            let reply = Expressions::to_host(source.ip()).to_port(transport, source.port());
            swallows.push(reply.drop());
        }
        swallows.push(Expressions::to_host(source.ip()).quoting(*source).drop());
        if source.is_ipv6() {
            swallows.push(Expressions::to_host(source.ip()).redirect().drop());
        }
        // On the way to a socket NAT may have changed the port: of several probes that it leads to one port, all but the
        // first have another one, until the reply is on its last way.
        batch.rule(table, PROBE_END, &Expressions::from_host(source.ip()).accept());
        let reply = || Expressions::to_host(source.ip()).trace().accept();
        batch.rule(table, REPLY_OUT, &reply());
        // The reply of a host behind this one.
        batch.rule(table, PROBE_IN, &reply());
    }
    for swallow in swallows {
        batch.rule(table, REPLY_END, &swallow);
    }
    // A host may have many addresses, and nobody else has the port.
    for (transport, port) in TRANSPORTS.into_iter().zip([probes.local_port; 2]) {
        let probe = || Expressions::default().from_port(transport, port);
        let reply = || Expressions::default().to_port(transport, port);
        let traced = if transport == Transport::Tcp { probe().syn() } else { probe() };
        batch.rule(table, LOCAL_OUT, &traced.trace().accept());
        batch.rule(table, LOCAL_OUT, &reply().trace().accept());
        batch.rule(table, LOCAL_AWAY, &probe().accept());
        batch.rule(table, LOCAL_IN, &probe().accept());
        batch.rule(table, LOCAL_IN, &reply().accept());
    }
    batch
}
