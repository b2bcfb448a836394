//! What is probed from where: pure.

use crate::model::{Interface, Port, Target, Vantage};
use crate::sys::{LocalAddress, Source, SourcePorts};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The addresses to probe from the vantages: those of the interfaces, and those that a socket is bound to without
/// an interface having them (127.0.0.53, or a range that is routed to this host).
#[must_use]
pub fn targets(local: &[LocalAddress], bound: &[IpAddr], vantages: &[Vantage]) -> Vec<Target> {
    let lo = local.iter().find(|local| local.address.is_loopback());
    let further =
        bound.iter().filter(|address| !address.is_unspecified() && !is_link_local(**address));
    let further = further.filter_map(|address| Some(target(*address, lo?.interface.clone())));
    let mut targets: Vec<Target> = local
        .iter()
        .map(|local| target(local.address, local.interface.clone()))
        .chain(further)
        .collect();
    targets.retain(|target| vantages.contains(&target.vantage));
    // An address of several interfaces is one target, and an interface goes before none.
    targets.sort_by_key(|target| (target.vantage, target.address, target.scope_id));
    targets.dedup_by_key(|target| (target.address, target.scope_id));
    targets
}

fn target(address: IpAddr, interface: Interface) -> Target {
    let scope_id = if is_link_local(address) { interface.index } else { 0 };
    let vantage = if address.is_loopback() { Vantage::Loopback } else { Vantage::Own };
    Target { vantage, address, device: interface.index, interface, scope_id }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// The address that probes are sent from: the target's own, as a client's would be, so that a probe cannot leave
/// the host when the address goes away meanwhile. From a further loopback address a client would not send, and a
/// probe to one cannot leave.
pub(super) fn source_address(target: &Target) -> Option<SocketAddr> {
    let usual = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let binds = !target.address.is_loopback() || usual.contains(&target.address);
    let mut source = target.at(Port::new(1)?);
    source.set_port(0);
    binds.then_some(source)
}

/// The range of source ports cut in two. A probe whose source port is the port that it knocks on connects to
/// itself, and looks like an open port; a probe that is sent from the half that the port is not in cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SourceHalves(Option<(SourcePorts, SourcePorts)>);

impl SourceHalves {
    pub(super) fn new(range: Option<(u16, u16)>) -> Self {
        Self(range.filter(|(low, high)| low < high).map(|(low, high)| {
            let middle = low + (high - low) / 2;
            ((low, middle), (middle + 1, high))
        }))
    }

    /// Where a probe of `port` at `target` is sent from.
    pub(super) fn source(self, target: &Target, port: Port) -> Source {
        Source { address: source_address(target), ports: self.avoiding(port) }
    }

    /// The source ports for knocking on `port`; `None` when the range is unknown or too small to cut.
    pub(super) fn avoiding(self, port: Port) -> Option<SourcePorts> {
        let (lower, upper) = self.0?;
        Some(if port.get() <= lower.1 { upper } else { lower })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(address: &str, index: u32, name: &str) -> LocalAddress {
        LocalAddress {
            address: address.parse().unwrap(),
            prefix: 24,
            interface: Interface { index, name: name.into() },
        }
    }

    #[test]
    fn loopback_has_every_loopback_address_that_something_is_bound_to() {
        let host = [
            local("127.0.0.1", 1, "lo"),
            local("::1", 1, "lo"),
            local("10.0.0.5", 2, "eth0"),
            local("fe80::5", 2, "eth0"),
        ];
        let bound =
            ["127.0.0.53", "127.0.0.1", "10.0.0.5", "0.0.0.0"].map(|text| text.parse().unwrap());
        let addresses = |vantages: &[Vantage]| -> Vec<(String, u32)> {
            let targets = targets(&host, &bound, vantages);
            targets.iter().map(|target| (target.address.to_string(), target.scope_id)).collect()
        };
        assert_eq!(
            addresses(&[Vantage::Loopback]),
            [("127.0.0.1".into(), 0), ("127.0.0.53".into(), 0), ("::1".into(), 0)]
        );
        assert_eq!(addresses(&[Vantage::Own]), [("10.0.0.5".into(), 0), ("fe80::5".into(), 2)]);
    }

    #[test]
    fn a_bound_address_without_an_interface_is_a_target_and_an_address_of_two_is_one() {
        let host = [
            local("127.0.0.1", 1, "lo"),
            local("10.0.0.5", 2, "eth0"),
            local("10.0.0.5", 3, "eth1"),
        ];
        let bound = ["10.9.0.5", "10.0.0.5", "::"].map(|text| text.parse().unwrap());
        let targets = targets(&host, &bound, &[Vantage::Own]);
        let names: Vec<_> = targets
            .iter()
            .map(|target| (target.address.to_string(), target.interface.name.as_str()))
            .collect();
        assert_eq!(names, [("10.0.0.5".to_owned(), "eth0"), ("10.9.0.5".to_owned(), "lo")]);
    }

    #[test]
    fn a_probe_is_sent_from_the_address_that_it_goes_to() {
        let source = |address: &str| {
            let target = target(address.parse().unwrap(), Interface { index: 2, name: "x".into() });
            source_address(&target).map(|source| source.to_string())
        };
        assert_eq!(source("127.0.0.1").as_deref(), Some("127.0.0.1:0"));
        assert_eq!(source("127.0.0.53"), None);
        assert_eq!(source("10.0.0.5").as_deref(), Some("10.0.0.5:0"));
        assert_eq!(source("fe80::1").as_deref(), Some("[fe80::1%2]:0"));
    }

    #[test]
    fn no_port_is_probed_from_itself() {
        for range in [(32_768, 60_999), (1024, 65_535), (5, 6)] {
            let halves = SourceHalves::new(Some(range));
            for port in Port::all() {
                let (low, high) = halves.avoiding(port).unwrap();
                assert!(
                    low <= high && range.0 <= low && high <= range.1,
                    "{low}-{high} for {port}"
                );
                assert!(!(low..=high).contains(&port.get()), "{port} from {low}-{high}");
            }
        }
        assert_eq!(SourceHalves::new(Some((7, 7))).avoiding(Port::new(7).unwrap()), None);
        assert_eq!(SourceHalves::new(None).avoiding(Port::new(7).unwrap()), None);
    }
}
