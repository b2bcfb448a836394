//! Traces probes of this host to itself: which rule stops them.

use super::Outside;
use super::closer::{Closer, Resend};
use super::follow::{Follower, Keys};
use crate::model::{Family, Journey, Port, PortSet, Target, Transport};
use crate::sys::{Source, TcpProbe, UdpProbe};
use crate::wire::frame::Way;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// How many probes are sent before the kernel's tale of them is read.
const BATCH: usize = 64;

/// The address that a client of this host has that speaks to `target`.
pub(super) fn client_of(target: IpAddr) -> IpAddr {
    match target {
        IpAddr::V4(address) if address.is_loopback() => IpAddr::from([127, 0, 0, 1]),
        address => address,
    }
}

impl Outside {
    /// Sends one more probe to each of these ports of an address of this host, as its own clients do, and returns their
    /// ways through the rules, as far as the kernel told them. To be used for ports that do not answer as open: a
    /// connection that succeeds is reset.
    pub fn explain(
        &mut self,
        target: &Target,
        transport: Transport,
        ports: &PortSet,
        payload: impl Fn(Port) -> &'static [u8],
    ) -> BTreeMap<Port, Arc<Journey>> {
        if self.table.install().is_err() {
            return BTreeMap::new();
        }
        let client = client_of(target.address);
        let way = Way {
            from: Default::default(),
            to: Default::default(),
            source: SocketAddr::new(client, self.port),
            target: target.address,
        };
        let mut follower = Follower::new(self.table.name.clone(), way, Keys::Ports);
        let mut from = target.at(Port::FIRST);
        from.set_ip(client);
        from.set_port(0);
        let source = Source { address: Some(from), ports: Some((self.port, self.port)) };
        let mut journeys = BTreeMap::new();
        let ports: Vec<Port> = ports.iter().collect();
        for batch in ports.chunks(BATCH) {
            let mut sent = Vec::new();
            for port in batch {
                follower.begin(*port);
                // What the kernel does not send is told too: a rule may be the reason.
                if knock(target, transport, *port, source, payload(*port)).is_ok() {
                    sent.push(*port);
                }
            }
            self.hear_until(&mut follower, |it| sent.iter().all(|port| it.is_settled(*port)));
            let silent = sent.iter().copied().filter(|port| follower.is_silent(*port));
            let silent: Vec<Port> = silent.collect();
            self.look_closer(&mut follower, &silent, &|port| {
                knock(target, transport, port, source, payload(port))
            });
            let told = sent.into_iter().filter(|port| follower.has_begun(*port));
            let told: Vec<Port> = told.collect();
            journeys.extend(told.into_iter().map(|port| (port, follower.end(port).journey)));
            follower.forget_packets();
        }
        journeys
    }

    /// Sends the probes of these ports again, and hears more of them.
    fn look_closer(
        &mut self,
        follower: &mut Follower,
        ports: &[Port],
        knock: &dyn Fn(Port) -> io::Result<()>,
    ) {
        if ports.is_empty() {
            return;
        }
        let loggers = self.loggers.clone();
        if let Some(mut closer) = Closer::open(self, &loggers) {
            // What is not sent again is what it was.
            let _not_sent = closer.again(self, follower, ports, &mut Knocks(knock)).is_err();
            closer.close(self);
        }
    }
}

/// Probes of this host to itself. Each ends with its socket.
struct Knocks<'a>(&'a dyn Fn(Port) -> io::Result<()>);

impl Resend for Knocks<'_> {
    fn send(&mut self, _: &Outside, port: Port) -> io::Result<()> {
        (self.0)(port)
    }

    fn injects(&self) -> bool {
        false
    }

    fn forget(&mut self, _: &Outside, _: Port) {}
}

/// Sends one probe. The socket is closed at once: with a reset, where a connection was opened.
fn knock(
    target: &Target,
    transport: Transport,
    port: Port,
    source: Source,
    payload: &[u8],
) -> io::Result<()> {
    let (family, to) = (Family::of(target.address), target.at(port));
    if transport == Transport::Udp {
        let probe = UdpProbe::new(family, source)?;
        probe.point(to)?;
        let _answer = probe.knock(to, payload);
    } else {
        let _answer = TcpProbe::new(family, source)?.knock(to);
    }
    Ok(())
}
