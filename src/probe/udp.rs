//! Knocking on UDP ports with connected sockets: those hear the ICMP errors.

use super::client::{Client, Outcome, Reuse};
use super::payload::payload;
use super::plan::Sources;
use crate::model::{Answer, Family, Port, Target};
use crate::sys::{self, Source, UdpAnswer, UdpProbe};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// UDP datagrams to one address.
pub(super) struct Datagrams<'a> {
    target: &'a Target,
    sources: Sources,
}

impl<'a> Datagrams<'a> {
    pub(super) fn new(target: &'a Target, sources: Sources) -> Self {
        Self { target, sources }
    }
}

fn outcome(answer: UdpAnswer) -> Outcome {
    match answer {
        UdpAnswer::Pending => Outcome::Pending,
        // More may come from there, and would be heard for the next port.
        UdpAnswer::Payload(length) => Outcome::Answered(Answer::Payload(length), Reuse::Spent),
        UdpAnswer::Icmp(icmp) => Outcome::Answered(Answer::Icmp(icmp), Reuse::Again),
        UdpAnswer::NotSent => Outcome::Answered(Answer::NotSent, Reuse::Again),
        UdpAnswer::Failed(error) => {
            Outcome::Answered(Answer::Failed(format!("send: {error}")), Reuse::Spent)
        }
    }
}

impl Client for Datagrams<'_> {
    type Probe = UdpProbe;

    fn open(&mut self, port: Port, freely: bool) -> io::Result<UdpProbe> {
        let source = self.sources.source(self.target, port);
        let ports = if freely { None } else { source.ports };
        UdpProbe::new(Family::of(self.target.address), Source { ports, ..source })
    }

    fn serves_both(&self, one: Port, other: Port) -> bool {
        self.sources.avoiding(one) == self.sources.avoiding(other)
    }

    fn knock(&mut self, probe: &UdpProbe, port: Port) -> Outcome {
        let to = self.target.at(port);
        if let Err(error) = probe.point(to) {
            return Outcome::Answered(Answer::Failed(format!("connect: {error}")), Reuse::Spent);
        }
        match probe.source() {
            Ok(from) if (from.ip(), from.port()) == (to.ip(), to.port()) => Outcome::MetItself,
            _ => outcome(probe.knock(to, payload(port))),
        }
    }

    fn look(&mut self, probe: &UdpProbe, port: Port) -> Outcome {
        outcome(probe.look(self.target.at(port)))
    }

    /// The same socket sends again: a late answer to the first datagram still counts.
    fn knock_again(&mut self, probe: &mut UdpProbe, port: Port) -> io::Result<Outcome> {
        Ok(outcome(probe.knock(self.target.at(port), payload(port))))
    }

    fn source(&self, probe: &UdpProbe) -> Option<SocketAddr> {
        probe.source().ok()
    }

    fn wait<'a>(&self, probes: impl Iterator<Item = &'a UdpProbe>, time: Duration) -> Vec<usize> {
        sys::wait_readable(probes, time)
    }
}
