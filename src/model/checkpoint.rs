//! Places on a packet's way at which something other than a rule of `nf_tables` may end it.

use super::{Hook, TableFamily};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// What the kernel said when it dropped a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dropped {
    /// Its name for the reason (`enum skb_drop_reason`, as `IP_RPFILTER`), or what a program returned (`XDP_DROP`).
    pub reason: String,
    /// Its function that dropped it, where its addresses are shown.
    pub location: Option<String>,
}

impl Dropped {
    /// What the kernel says of a packet that it just needs no more, and of some drops.
    pub const NO_REASON: &str = "NOT_SPECIFIED";

    /// Whether the kernel gave a reason.
    #[must_use]
    pub fn has_reason(&self) -> bool {
        self.reason != Self::NO_REASON
    }

    /// Whether it was dropped where generic XDP programs are run, for which some kernels give no reason.
    #[must_use]
    pub fn is_at_xdp(&self) -> bool {
        const FUNCTIONS: [&str; 3] =
            ["do_xdp_generic", "netif_receive_generic_xdp", "bpf_prog_run_generic_xdp"];
        self.location.as_ref().is_some_and(|location| FUNCTIONS.contains(&location.as_str()))
    }
}

/// A place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// An XDP program of the device.
    Xdp,
    /// A filter of traffic control, or a program in its place (TCX).
    Tc,
    /// A chain of `nf_tables` at the device, which the kernel does not trace.
    IngressChain,
    /// At the device, and nothing more is known.
    Device,
    /// The check that the way back to the source leads through the same device.
    ReversePath,
    /// An address that cannot be a source or a destination here.
    Address,
    /// No route.
    Route,
    /// A BPF program at a hook of netfilter.
    NetfilterProgram,
    /// A rule of the old `ip_tables`.
    LegacyTables,
    /// A program that takes packets in and gives them back (`NFQUEUE`), or a rule that keeps them.
    Queue,
    /// A policy of `IPsec`.
    Ipsec,
    /// A program at the listener's cgroup.
    Cgroup,
    /// A filter of the socket.
    SocketFilter,
    /// The signatures that a listener demands.
    Signature,
    /// The queue of a listener, or the buffer of a socket.
    SocketQueue,
    /// A security module.
    SecurityModule,
    /// Behind all rules, and nothing more is known.
    Socket,
    /// On the way back.
    Reply,
    /// Between the rules, and nothing more is known.
    Unknown,
}

impl Place {
    /// Its name in the documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Xdp => "xdp",
            Self::Tc => "tc",
            Self::IngressChain => "ingress-chain",
            Self::Device => "device",
            Self::ReversePath => "rp_filter",
            Self::Address => "address",
            Self::Route => "route",
            Self::NetfilterProgram => "netfilter-bpf",
            Self::LegacyTables => "iptables-legacy",
            Self::Queue => "queue",
            Self::Ipsec => "ipsec",
            Self::Cgroup => "cgroup",
            Self::SocketFilter => "socket-filter",
            Self::Signature => "tcp-signature",
            Self::SocketQueue => "socket-queue",
            Self::SecurityModule => "security-module",
            Self::Socket => "socket",
            Self::Reply => "reply",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it only says how far the packet came.
    #[must_use]
    pub fn is_vague(self) -> bool {
        matches!(self, Self::Device | Self::Socket | Self::Reply | Self::Unknown)
    }

    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Xdp,
        Self::Tc,
        Self::IngressChain,
        Self::Device,
        Self::ReversePath,
        Self::Address,
        Self::Route,
        Self::NetfilterProgram,
        Self::LegacyTables,
        Self::Queue,
        Self::Ipsec,
        Self::Cgroup,
        Self::SocketFilter,
        Self::Signature,
        Self::SocketQueue,
        Self::SecurityModule,
        Self::Socket,
        Self::Reply,
        Self::Unknown,
    ];
}

/// Where something that is no rule of `nf_tables` ended a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The place.
    pub place: Place,
    /// The hook that it is at or behind.
    pub hook: Option<Hook>,
    /// What the kernel said.
    pub dropped: Option<Dropped>,
    /// What it is, in words that follow "dropped by": `the reverse path filter (rp_filter=1 on eth0)`.
    pub text: String,
}

impl Checkpoint {
    /// Whether the kernel, or the program itself, said that it dropped the probe, and why or where.
    #[must_use]
    pub fn is_told(&self) -> bool {
        let is_it = |it: &Dropped| it.has_reason() || (self.place == Place::Xdp && it.is_at_xdp());
        self.dropped.as_ref().is_some_and(is_it)
    }
}

/// A BPF program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// Its number.
    pub id: u32,
    /// Its name, where it has one that can be read.
    pub name: Option<String>,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}, program {}", self.id),
            None => write!(f, "program {}", self.id),
        }
    }
}

/// What there is on this host that may end packets, besides the rules of `nf_tables`. What could not be read is not
/// there, so that its absence proves nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// By the index of the device.
    pub devices: BTreeMap<u32, DeviceFilters>,
    /// The BPF programs at hooks of netfilter, of this or another network namespace.
    pub netfilter: Vec<(TableFamily, Hook, Program)>,
    /// The tables of the old `ip_tables`.
    pub legacy: Vec<(TableFamily, String)>,
    /// By the number of the cgroup.
    pub cgroups: BTreeMap<u64, CgroupFilters>,
    /// The sources of probes that no route leads to.
    pub no_way_to: BTreeSet<IpAddr>,
}

/// What may end packets at a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceFilters {
    /// Its name.
    pub name: String,
    /// The XDP program that sees packets (generic).
    pub generic_xdp: Option<Program>,
    /// The XDP program in its driver.
    pub native_xdp: Option<Program>,
    /// The filters of traffic control for what comes in, in words.
    pub tc: Vec<String>,
    /// `rp_filter` as it applies to it: the larger one of its own and that of all.
    pub rp_filter: Option<u8>,
}

/// What may end packets at the sockets of a cgroup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CgroupFilters {
    /// Its path.
    pub path: String,
    /// The programs for what comes in.
    pub ingress: Vec<Program>,
}
