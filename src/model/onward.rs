//! Where connections to a port of this host go on to, and what is there.

use super::{Container, Neighbour, Port, Process, Seen, Socket};
use std::net::{IpAddr, SocketAddr};

/// A network namespace, and what serves in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inside {
    /// Its name; `None` for ours.
    pub netns: Option<String>,
    /// Its addresses that others can send to.
    pub addresses: Vec<IpAddr>,
    /// The containers whose processes are in it.
    pub containers: Vec<Container>,
    /// Whether the runtime of one says that its health check has not passed so far (`starting`).
    pub is_starting: bool,
    /// What serves in it, of the transport in question; where a port was asked for, only there.
    pub servers: Vec<Socket>,
    /// The ports of this host at which a proxy takes connections for it.
    pub proxied: Vec<Port>,
}

/// What becomes of connections that are handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onward {
    /// Where they are handed on to; `None` where a proxy does not tell.
    pub to: Option<SocketAddr>,
    /// What is there; absent where no network namespace of this host has that address.
    pub inside: Seen<Inside>,
    /// The neighbour on the link that packets to it go to, and what is known of it; `None` for what stays on this host.
    pub neighbour: Option<(IpAddr, Neighbour)>,
}

/// Programs that take connections for a container. `conmon` only keeps the port: rules of NAT hand them on.
const PROXIES: [&str; 6] =
    ["docker-proxy", "rootlessport", "conmon", "pasta", "slirp4netns", "gvproxy"];

impl Process {
    /// Whether its program takes connections for a container, as its name says.
    #[must_use]
    pub fn is_proxy(&self) -> bool {
        is_proxy(&self.name)
    }

    /// Whether it only keeps a port for a container, and rules hand connections on.
    #[must_use]
    pub fn only_keeps(&self) -> bool {
        self.name == "conmon"
    }
}

/// Whether a program of this name takes connections for containers.
#[must_use]
pub fn is_proxy(name: &str) -> bool {
    // pasta runs as the variant that its processor has most of.
    PROXIES.contains(&name.trim_end_matches(".avx2"))
}
