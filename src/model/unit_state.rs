//! What systemd says of a unit: whether it runs, what it starts, what it opens, and what it keeps out.

use super::{Manager, Port, Seen, Transport};
use std::net::IpAddr;
use std::time::Duration;

/// Whether a unit runs (`ActiveState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// It runs, or it has done what it is there for.
    Active,
    /// It is being started, or waits to be started again.
    Starting,
    /// It is being stopped.
    Stopping,
    /// It does not run.
    Inactive,
    /// It does not run since it failed.
    Failed,
}

/// A port that a socket unit opens (`ListenStream=`, `ListenDatagram=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The transport.
    pub transport: Transport,
    /// The address: `[::]` where the unit names none, and takes IPv4 too unless it says otherwise.
    pub address: IpAddr,
    /// The port.
    pub port: Port,
}

/// The addresses that have their first so many bits in common (`10.0.0.0/8`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// One of them.
    pub address: IpAddr,
    /// How many bits.
    pub prefix: u8,
}

impl Network {
    /// Whether an address is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address| match address {
            IpAddr::V4(address) => (u128::from(u32::from(address)), 32_u8),
            IpAddr::V6(address) => (address.into(), 128),
        };
        let ((own, width), (other, other_width)) = (bits(self.address), bits(address));
        let hosts = u32::from(width.saturating_sub(self.prefix));
        let differing = (own ^ other).checked_shr(hosts).unwrap_or(0);
        width == other_width && differing == 0
    }
}

/// Ports that a unit may bind, or may not (`SocketBindAllow=`, `SocketBindDeny=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindRule {
    /// `Some(true)` for IPv4 only, `Some(false)` for IPv6 only.
    pub ipv4: Option<bool>,
    /// The transport, where only one is meant.
    pub transport: Option<Transport>,
    /// The first and the last port; none for all.
    pub ports: Option<(u16, u16)>,
}

impl BindRule {
    /// Whether a bind is one of those.
    #[must_use]
    pub fn covers(&self, address: IpAddr, transport: Transport, port: Port) -> bool {
        self.ipv4.is_none_or(|ipv4| ipv4 == address.is_ipv4())
            && self.transport.is_none_or(|only| only == transport)
            && self.ports.is_none_or(|(first, last)| (first..=last).contains(&port.get()))
    }
}

/// What a unit lets through by programs of BPF at its control group, those of the slices above it included: what is
/// allowed passes also where it is denied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restrictions {
    /// The units that have them, as `web.service`, `system.slice`.
    pub units: Vec<String>,
    /// `IPAddressAllow=`.
    pub allowed: Vec<Network>,
    /// `IPAddressDeny=`.
    pub denied: Vec<Network>,
    /// `SocketBindAllow=`.
    pub may_bind: Vec<BindRule>,
    /// `SocketBindDeny=`.
    pub may_not_bind: Vec<BindRule>,
}

impl Restrictions {
    /// The network that keeps packets from or to an address out.
    #[must_use]
    pub fn denies(&self, peer: IpAddr) -> Option<Network> {
        let has = |networks: &[Network]| networks.iter().find(|it| it.contains(peer)).copied();
        has(&self.denied).filter(|_| has(&self.allowed).is_none())
    }

    /// Whether a port may not be bound.
    #[must_use]
    pub fn denies_bind(&self, address: IpAddr, transport: Transport, port: Port) -> bool {
        let has = |rules: &[BindRule]| rules.iter().any(|it| it.covers(address, transport, port));
        has(&self.may_not_bind) && !has(&self.may_bind)
    }
}

/// What systemd says of a service or a socket unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitState {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub manager: Manager,
    /// Whether its files could be loaded: `loaded`, `masked`, `bad-setting`, `not-found`.
    pub loaded: String,
    /// Whether it runs.
    pub activity: Activity,
    /// The same in the words of its kind: `running`, `exited`, `auto-restart`, `dead`.
    pub sub: String,
    /// How it ended: `success`, `exit-code`, `start-limit-hit`.
    pub result: String,
    /// How often it was started again.
    pub restarts: u32,
    /// For how long it has been in this state; absent for one that was never in another.
    pub since: Seen<Duration>,
    /// Whether it is started at boot: `enabled`, `disabled`, `static`, `generated`; empty for one without a file.
    pub file: String,
    /// Whether it is one that does something and ends (`Type=oneshot`).
    pub runs_once: bool,
    /// The words of what it starts, split at spaces: systemd shows no quotes.
    pub words: Vec<String>,
    /// The ports that the configuration of its program names, and the files that do; read for `sshd` only.
    pub configured: Vec<(String, Port)>,
    /// The variables that the unit sets.
    pub environment: Vec<(String, String)>,
    /// The ports that it opens in the network of the host.
    pub opens: Vec<Opening>,
    /// The units that it starts, for a socket unit.
    pub starts: Vec<String>,
    /// The socket units that start it.
    pub started_by: Vec<String>,
    /// The slice that it is in.
    pub slice: Option<String>,
    /// What it lets through itself.
    pub restrictions: Restrictions,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        let (address, prefix) = text.split_once('/').unwrap();
        Network { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
    }

    #[test]
    fn a_network_has_the_addresses_with_its_bits() {
        let table = [
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("127.0.0.0/8", "127.9.0.1", true),
            ("127.0.0.0/8", "128.0.0.1", false),
            ("10.0.0.1/32", "10.0.0.2", false),
            ("fd77::/64", "fd77::9", true),
            ("fd77::/64", "fd77:0:0:1::9", false),
        ];
        for (networks, address, has) in table {
            assert_eq!(network(networks).contains(address.parse().unwrap()), has, "{networks}");
        }
    }

    #[test]
    fn what_is_allowed_passes_also_where_it_is_denied() {
        let all = || vec![network("0.0.0.0/0"), network("::/0")];
        let denied = Restrictions { denied: all(), ..Restrictions::default() };
        let here = "127.0.0.1".parse().unwrap();
        assert_eq!(denied.denies(here), Some(network("0.0.0.0/0")));
        let allowed = Restrictions { allowed: vec![network("127.0.0.0/8")], ..denied };
        assert_eq!(allowed.denies(here), None);
        assert!(allowed.denies("::1".parse().unwrap()).is_some());
        assert_eq!(Restrictions::default().denies(here), None);

        let rule = |ipv4, transport, ports| BindRule { ipv4, transport, ports };
        let port = Port::new(80).unwrap();
        let deny = Restrictions { may_not_bind: vec![rule(None, None, None)], ..allowed.clone() };
        assert!(deny.denies_bind(here, Transport::Tcp, port));
        let may_bind = vec![rule(Some(true), Some(Transport::Tcp), Some((80, 81)))];
        let some = Restrictions { may_bind, ..deny };
        assert!(!some.denies_bind(here, Transport::Tcp, port));
        assert!(some.denies_bind(here, Transport::Udp, port));
        assert!(some.denies_bind("::1".parse().unwrap(), Transport::Tcp, port));
        assert!(some.denies_bind(here, Transport::Tcp, Port::new(82).unwrap()));
        assert!(!allowed.denies_bind(here, Transport::Tcp, port));
    }
}
