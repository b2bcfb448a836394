//! What a firewall sends elsewhere: a port that a packet arrives at, and the one that it goes on to.

use super::{Container, Family, Port, Transport};
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// A rule that publishes ports: destination NAT of packets that arrive at this network namespace, or that it sends
/// to itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Published {
    /// The transport.
    pub transport: Transport,
    /// The family that it holds for; `None` for both.
    pub family: Option<Family>,
    /// The address that it is published at; `None` for any.
    pub address: Option<IpAddr>,
    /// The ports that it is published at, both ends included.
    pub ports: RangeInclusive<Port>,
    /// The interfaces that packets to it come in by.
    pub through: Through,
    /// Whether the rule asks for more than is told here, as a source or a mark: then not every packet goes this way.
    pub narrowed: bool,
    /// Where it leads; `None` for this network namespace itself.
    pub target: Option<IpAddr>,
    /// Which port there.
    pub target_port: TargetPort,
}

impl Published {
    /// The port that packets to this one are sent on to; `None` for a port that it does not publish.
    #[must_use]
    pub fn leads_to(&self, port: Port) -> Option<Port> {
        let after_first = port.get().checked_sub(self.ports.start().get())?;
        self.ports.contains(&port).then_some(())?;
        match self.target_port {
            TargetPort::Same => Some(port),
            TargetPort::One(one) => Some(one),
            TargetPort::From(first) => Port::new(first.get().checked_add(after_first)?),
        }
    }
}

/// A published port behind which a socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedAt {
    /// The network namespace with the rule; `None` for ours.
    pub netns: Option<String>,
    /// The address there; `None` for any.
    pub address: Option<IpAddr>,
    /// The port there, the first of several.
    pub port: Port,
    /// Whether not every packet goes this way.
    pub narrowed: bool,
}

/// Where packets to the port of a socket go on to, past that socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeadsTo {
    /// The address; `None` for the same network namespace.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: Port,
    /// The network namespace with that address, where it is listed and not ours.
    pub netns: Option<String>,
    /// The container of the socket there.
    pub container: Option<Container>,
    /// Whether not every packet goes this way.
    pub narrowed: bool,
}

/// What NAT does with packets for a socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nat {
    /// Where it is published.
    pub published_at: Vec<PublishedAt>,
    /// Where packets to its port go on to instead.
    pub leads_to: Vec<LeadsTo>,
}

/// What becomes of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetPort {
    /// It stays what it is.
    Same,
    /// Every port becomes this one.
    One(Port),
    /// The first port becomes this one, the second the next, and so on.
    From(Port),
}

/// The interfaces that a packet comes in by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Through {
    /// Any of them, and none: a packet of our own.
    Any,
    /// The one with this name.
    Only(String),
    /// Any but the one with this name, as that of the containers themselves.
    AllBut(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_published_port_leads_to_one() {
        let port = |number| Port::new(number).unwrap();
        let leads = |target_port, number| {
            let published = Published {
                transport: Transport::Tcp,
                family: None,
                address: None,
                ports: port(8000)..=port(8010),
                through: Through::Any,
                narrowed: false,
                target: None,
                target_port,
            };
            published.leads_to(port(number)).map(Port::get)
        };
        for (target_port, first, last) in [
            (TargetPort::Same, 8000, 8010),
            (TargetPort::One(port(80)), 80, 80),
            (TargetPort::From(port(90)), 90, 100),
        ] {
            assert_eq!(leads(target_port, 8000), Some(first));
            assert_eq!(leads(target_port, 8010), Some(last));
            assert_eq!(leads(target_port, 7999), None);
            assert_eq!(leads(target_port, 8011), None);
        }
        assert_eq!(leads(TargetPort::From(port(65_530)), 8010), None, "there is no such port");
    }
}
