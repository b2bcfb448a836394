//! The vantages of the network, beside a real neighbour that makes the same connections from a namespace of its own.

mod client;
mod devices;
mod internet;
mod refused;
mod rules;
mod rulesets;
mod safety;
mod told;
mod truth;
mod wire;

use crate::cgroups::did_not_run;
use crate::host::Host;
use crate::truth::LAN;
use crate::world::{World, feed};
use std::fs;

/// A world with `lan0`, and the host at the other end of its wire.
fn with_neighbour() -> (World, Host) {
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

fn ip(commands: &str) {
    feed("ip", &["-batch", "-"], &format!("{commands}\n"));
}

/// Whether frames can be injected: the kernel asks the first user namespace for that right.
fn can_inject() -> bool {
    let users = fs::read_to_string("/proc/self/uid_map").unwrap();
    let is_host = users.split_whitespace().eq(["0", "0", "4294967295"]);
    let can = rustix::process::geteuid().is_root() && is_host;
    if !can {
        did_not_run("frames are injected by the root of this machine only");
    }
    can
}
