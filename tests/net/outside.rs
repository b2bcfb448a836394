//! The vantages of the network, beside a real neighbour that makes the same connections from a namespace of its own.

mod busy;
mod checkpoints;
mod client;
mod devices;
mod internet;
mod journey;
mod legacy;
mod lookalikes;
mod nat;
mod refused;
mod relay;
mod rules;
mod rulesets;
mod safety;
mod told;
mod truth;
pub(crate) mod wire;

use crate::cgroups::did_not_run;
use crate::host::Host;
use crate::sockets::{tcp, udp};
use crate::truth::LAN;
use crate::world::{World, bring_up, feed};
use std::fs;

/// A world with `lan0`, and the host at the other end of its wire.
pub(crate) fn with_neighbour() -> (World, Host) {
    let world = World::new().veth(&LAN);
    let there = Host::new();
    there.takes("wire0", &["10.77.0.9/24", "fd77::9/64", "fe80::9/64"]);
    unlimited();
    (world, there)
}

/// A real client may ask many ports in a second, and must get every error.
fn unlimited() {
    let set = |limit: &str, value| fs::write(format!("/proc/sys/net/{limit}"), value);
    set("ipv4/icmp_ratelimit", "0").unwrap();
    set("ipv6/icmp/ratelimit", "0").unwrap();
    // Older kernels have these for all namespaces together, and do not let us.
    drop(set("ipv4/icmp_msgs_per_sec", "100000"));
    drop(set("ipv4/icmp_msgs_burst", "100000"));
}

pub(crate) fn ip(commands: &str) {
    feed("ip", &["-batch", "-"], &format!("{commands}\n"));
}

/// A host behind a bridge, as Docker makes them, with servers at 80/tcp, 81/tcp and 53/udp.
pub(crate) fn with_container() -> (Host, World) {
    ip(
        "link add docker0 type bridge\nlink add veth0 type veth peer name eth0\nlink set veth0 master docker0 up",
    );
    let container = Host::new();
    container.takes("eth0", &["172.17.0.2/16"]);
    bring_up("docker0", &["172.17.0.1/16"]);
    container.ip("route add default via 172.17.0.1");
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    let servers = container.does(|| {
        World::of_this_thread()
            .listens(tcp("0.0.0.0:80"))
            .listens(tcp("0.0.0.0:81"))
            .echoes(udp("0.0.0.0:53"))
    });
    (container, servers)
}

/// Whether frames can be injected: the kernel asks the first user namespace for that right.
pub(crate) fn can_inject() -> bool {
    let users = fs::read_to_string("/proc/self/uid_map").unwrap();
    let is_host = users.split_whitespace().eq(["0", "0", "4294967295"]);
    let can = rustix::process::geteuid().is_root() && is_host;
    if !can {
        did_not_run("frames are injected by the root of this machine only");
    }
    can
}
