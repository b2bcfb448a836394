//! Knocking on TCP ports by `connect`.

use super::client::{Client, Outcome, Reuse};
use super::plan::Sources;
use super::taken::{Connection, OtherEnds};
use crate::model::{Answer, Family, Port, TakenBy, Target};
use crate::sys::{self, Source, TcpAnswer, TcpProbe};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// TCP connections to one address.
pub(super) struct Connect<'a> {
    target: &'a Target,
    sources: Sources,
    other_ends: OtherEnds,
}

impl<'a> Connect<'a> {
    pub(super) fn new(target: &'a Target, sources: Sources) -> Self {
        Self { target, sources, other_ends: OtherEnds::new() }
    }

    fn outcome(&mut self, probe: &TcpProbe, port: Port, answer: TcpAnswer) -> Outcome {
        let answer = match answer {
            TcpAnswer::Pending => return Outcome::Pending,
            TcpAnswer::Refused => return Outcome::Answered(Answer::Rst, self.reuse()),
            TcpAnswer::Open => match self.taken(probe, port) {
                Some(taken) => Answer::SynAck(taken),
                None => return Outcome::MetItself,
            },
            TcpAnswer::OpenedAndReset => Answer::SynAck(TakenBy::Gone),
            TcpAnswer::Icmp(icmp) => Answer::Icmp(icmp),
            TcpAnswer::NotSent => Answer::NotSent,
            TcpAnswer::Failed(error) => Answer::Failed(format!("connect: {error}")),
        };
        Outcome::Answered(answer, Reuse::Spent)
    }

    /// Whether a refused probe knocks again. Over IPv6 the kernel looks whether an address is still this host's when a
    /// socket is bound to it, and not when it connects: there each probe to an address that may move is a new socket.
    fn reuse(&self) -> Reuse {
        let address = self.target.address;
        if address.is_ipv4() || address.is_loopback() { Reuse::Again } else { Reuse::Spent }
    }

    /// Who took the connection; `None` when it was ourselves.
    fn taken(&mut self, probe: &TcpProbe, port: Port) -> Option<TakenBy> {
        let to = self.target.at(port);
        let from = match probe.source() {
            Ok(from) => from,
            Err(error) => return Some(TakenBy::Unknown(error.to_string())),
        };
        if (from.ip(), from.port()) == (to.ip(), to.port()) {
            return None;
        }
        let connection = Connection { from, to, device: self.target.device };
        Some(self.other_ends.of(connection, || probe.is_up()))
    }
}

impl Client for Connect<'_> {
    type Probe = TcpProbe;

    fn open(&mut self, port: Port, freely: bool) -> io::Result<TcpProbe> {
        let source = self.sources.source(self.target, port);
        let ports = if freely { None } else { source.ports };
        TcpProbe::new(Family::of(self.target.address), Source { ports, ..source })
    }

    fn serves_both(&self, one: Port, other: Port) -> bool {
        self.sources.avoiding(one) == self.sources.avoiding(other)
    }

    fn knock(&mut self, probe: &TcpProbe, port: Port) -> Outcome {
        let answer = probe.knock(self.target.at(port));
        self.outcome(probe, port, answer)
    }

    fn look(&mut self, probe: &TcpProbe, port: Port) -> Outcome {
        let answer = probe.look(self.target.at(port));
        self.outcome(probe, port, answer)
    }

    /// The kernel would send its own second SYN only after a second: a new socket sends it now.
    fn knock_again(&mut self, probe: &mut TcpProbe, port: Port) -> io::Result<Outcome> {
        *probe = self.open(port, false)?;
        Ok(self.knock(probe, port))
    }

    fn source(&self, probe: &TcpProbe) -> Option<SocketAddr> {
        probe.source().ok()
    }

    fn wait<'a>(&self, probes: impl Iterator<Item = &'a TcpProbe>, time: Duration) -> Vec<usize> {
        sys::wait_writable(probes, time)
    }
}
