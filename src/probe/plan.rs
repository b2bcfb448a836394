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

/// The source ports for a group of ports. A probe whose source port is the port that it knocks on connects to itself,
/// and two probes that are each sent from the port of the other connect to each other: both look like open ports.
///
/// So a few ports are all probed from a stretch of source ports that none of them is in. Many leave no such stretch:
/// then the range is cut in two, each port is probed from the half that it is not in, and those of one half are probed
/// after those of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sources(Option<(SourcePorts, SourcePorts)>);

impl Sources {
    /// The source ports for `ports`, which are in order, out of the range that the kernel picks from.
    pub(super) fn new(range: Option<(u16, u16)>, ports: &[Port]) -> Self {
        /// What a stretch has for each port at least: others use source ports too.
        const EACH: usize = 4;
        Self(range.filter(|(low, high)| low < high).map(|range| {
            let (low, high) = range;
            if let Some((first, last)) = stretch(range, ports)
                && usize::from(last - first) / EACH >= ports.len()
            {
                return ((first, last), (first, last));
            }
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

/// The longest stretch of a range that none of the ports is in: its first and its last.
fn stretch((low, high): SourcePorts, ports: &[Port]) -> Option<SourcePorts> {
    let within = ports.iter().map(|port| port.get()).filter(|port| (low..=high).contains(port));
    let mut next = Some(low);
    let mut stretches = Vec::new();
    for port in within {
        stretches.extend(next.zip(port.checked_sub(1)));
        next = port.checked_add(1);
    }
    stretches.extend(next.map(|next| (next, high)));
    stretches.into_iter().filter(|(low, high)| low < high).max_by_key(|(low, high)| high - low)
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

    fn numbers(ports: &[u16]) -> Vec<Port> {
        ports.iter().filter_map(|port| Port::new(*port)).collect()
    }

    #[test]
    fn no_port_is_probed_from_itself() {
        let all: Vec<Port> = Port::all().collect();
        for range in [(32_768, 60_999), (1024, 65_535), (5, 6)] {
            let halves = Sources::new(Some(range), &all);
            for port in Port::all() {
                let (low, high) = halves.avoiding(port).unwrap();
                assert!(
                    low <= high && range.0 <= low && high <= range.1,
                    "{low}-{high} for {port}"
                );
                assert!(!(low..=high).contains(&port.get()), "{port} from {low}-{high}");
            }
        }
        let one = Port::new(7).unwrap();
        assert_eq!(Sources::new(Some((7, 7)), &[one]).avoiding(one), None);
        assert_eq!(Sources::new(None, &[one]).avoiding(one), None);
    }

    #[test]
    fn a_few_ports_are_all_probed_from_where_none_of_them_is() {
        let range = (32_768, 60_999);
        let table: [(&[u16], SourcePorts); 6] = [
            (&[22, 80], range),
            (&[22, 40_000, 65_000], (40_001, 60_999)),
            (&[40_000, 50_000, 60_000], (50_001, 59_999)),
            (&[32_768, 60_999], (32_769, 60_998)),
            (&[60_000], (32_768, 59_999)),
            (&[33_000, 33_001], (33_002, 60_999)),
        ];
        for (ports, expected) in table {
            let ports = numbers(ports);
            let sources = Sources::new(Some(range), &ports);
            for port in &ports {
                assert_eq!(sources.avoiding(*port), Some(expected), "{port} of {ports:?}");
            }
        }
    }

    #[test]
    fn a_stretch_that_is_too_short_for_all_is_not_used() {
        let ports: Vec<Port> =
            (0..=141).filter_map(|count| Port::new(32_768 + count * 200)).collect();
        let sources = Sources::new(Some((32_768, 60_999)), &ports);
        assert_eq!(sources.avoiding(ports[0]), Some((46_884, 60_999)), "the halves");
        let low: Vec<Port> = (1..=8000).filter_map(Port::new).collect();
        let sources = Sources::new(Some((32_768, 60_999)), &low);
        assert_eq!(
            sources.avoiding(low[0]),
            Some((46_884, 60_999)),
            "8000 ports want more than that"
        );
    }
}
