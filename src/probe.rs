//! What answers a client on this host: non-blocking sockets that knock on its own addresses, without
//! privileges. Nothing leaves the host: the kernel's routing must say that the address is local, before the
//! first probe and after the last.

mod client;
mod delivery;
mod diag;
mod identify;
mod local;
mod pace;
mod payload;
mod plan;
mod rate;
mod sweep;
mod taken;
mod tcp;
mod udp;

pub use delivery::delivery;
pub use identify::{Question, identify};
pub use local::only_local;
pub use pace::Waits;
pub use plan::targets;
pub use sweep::Progress;

use crate::model::{Gap, Hides, Need, PortSet, Sweep, Target, Transport};
use crate::sys;

/// How long silence lasts before it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// As long as an answer over loopback takes: for the many ports of which nothing else is known.
    Quick,
    /// Long enough for a firewall that thinks about each packet: before silence is held against anyone.
    Patient,
}

/// A part of the work: the ports of one address on one transport.
#[derive(Debug, Clone)]
pub struct Job {
    /// The address.
    pub target: Target,
    /// The transport.
    pub transport: Transport,
    /// The ports that are asked for.
    pub wanted: PortSet,
    /// The ports that no probe goes to.
    pub excluded: PortSet,
    /// The ports whose attempts are recorded also when they were plainly refused.
    pub detail: PortSet,
    /// How long silence lasts.
    pub patience: Patience,
    /// What the user knows better about that.
    pub waits: Waits,
}

/// Does one job, and stops early when `progress` says so. Nothing is probed when the kernel would send packets
/// for the address out of this host, and nothing that came back counts when it would do so afterwards.
#[must_use]
pub fn sweep(job: &Job, progress: &Progress) -> Sweep {
    let nothing = |gaps| {
        let sweep = Sweep::new(job.target.clone(), job.transport, job.wanted.clone());
        Sweep { gaps, ..sweep }
    };
    let left = || only_local(vec![job.target.clone()]).1;
    let before = left();
    if !before.is_empty() {
        return nothing(before);
    }
    let files = sys::raise_open_files();
    let halves = plan::SourceHalves::new(sys::local_port_range());
    let target = &job.target;
    let swept = match job.transport {
        Transport::Tcp => sweep::run(job, progress, files, || tcp::Connect::new(target, halves)),
        Transport::Udp => sweep::run(job, progress, files, || udp::Datagrams::new(target, halves)),
        Transport::Sctp => nothing(vec![Gap {
            what: format!("what answers SCTP at {}", target.address),
            reason: "no probe speaks SCTP".to_owned(),
            need: Some(Need::LaterVersion),
            hides: Hides::Views,
        }]),
    };
    let after = left();
    if after.is_empty() { swept } else { nothing(after) }
}
