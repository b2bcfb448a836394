//! What every report says of itself: where, when, with which privileges, and what it could not see.

use super::{Need, Surroundings};
use std::time::Duration;

/// The circumstances of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The version of portsight.
    pub version: &'static str,
    /// The host's name.
    pub host: String,
    /// The kernel's release.
    pub kernel: String,
    /// The kernel's boot id; `None` where `/proc` does not show it.
    pub boot_id: Option<String>,
    /// When the facts were taken, in nanoseconds since the Unix epoch.
    pub taken_at_ns: i128,
    /// How long it took.
    pub duration: Duration,
    /// Our effective user id.
    pub uid: u32,
    /// Our effective capabilities, as `cap_net_raw`.
    pub capabilities: Vec<String>,
    /// The container and the network namespace that we are in.
    pub surroundings: Surroundings,
}

/// What a gap could keep from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hides {
    /// A socket that holds a port: an inventory with such a gap is incomplete.
    Sockets,
    /// A socket that blocks a port and answers nobody.
    Holders,
    /// A socket of a kind that holds no port of TCP or UDP.
    OtherKinds,
    /// The holder of a socket that is listed.
    Owners,
    /// The unit or the container of a socket that is listed.
    Units,
    /// Why it fails: a service of systemd that should have the port, or a denial.
    Reasons,
    /// What a client on this host would get: a requested view was not run, or not to its end.
    Views,
    /// Where a port leads that the firewall publishes: no socket of this network namespace is missing.
    Published,
}

/// Something that could not be seen, and what would let us see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// What was looked for.
    pub what: String,
    /// Why it was not seen.
    pub reason: String,
    /// What would let us see it.
    pub need: Option<Need>,
    /// What it could keep from us.
    pub hides: Hides,
}
