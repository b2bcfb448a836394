//! What is probed from where: pure.

use crate::model::{Interface, Port, Target, Vantage};
use crate::sys::{LocalAddress, SourcePorts};
use std::net::IpAddr;

/// The addresses to probe from the vantages: `loopback` has the loopback addresses of the interfaces and those
/// that a socket is bound to, `self` all others.
#[must_use]
pub fn targets(local: &[LocalAddress], bound: &[IpAddr], vantages: &[Vantage]) -> Vec<Target> {
    let mut targets: Vec<Target> =
        local.iter().map(|local| target(local.address, local.interface.clone())).collect();
    let lo = targets.iter().find(|target| target.vantage == Vantage::Loopback);
    if let Some(lo) = lo.map(|lo| lo.interface.clone()) {
        let more = bound.iter().filter(|address| address.is_loopback());
        targets.extend(more.map(|address| target(*address, lo.clone())));
    }
    targets.retain(|target| vantages.contains(&target.vantage));
    targets.sort();
    targets.dedup_by(|a, b| (a.address, a.scope_id) == (b.address, b.scope_id));
    targets
}

fn target(address: IpAddr, interface: Interface) -> Target {
    let scope_id = match address {
        IpAddr::V6(address) if address.is_unicast_link_local() => interface.index,
        _ => 0,
    };
    let vantage = if address.is_loopback() { Vantage::Loopback } else { Vantage::Own };
    Target { vantage, address, interface, scope_id }
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
