//! What answers a client on this host: non-blocking sockets that knock on its own addresses, without
//! privileges. Nothing leaves the host: before the first probe the kernel's routing table must say that the
//! address is local.

mod client;
mod delivery;
mod local;
mod pace;
mod payload;
mod plan;
mod sweep;
mod taken;
mod tcp;
mod udp;

pub use delivery::delivery;
pub use local::only_local;
pub use plan::targets;
pub use sweep::Progress;

use crate::model::{PortSet, Sweep, Target, Transport};
use crate::sys;

/// A part of the work: the ports of one address on one transport.
#[derive(Debug, Clone)]
pub struct Job {
    /// The address.
    pub target: Target,
    /// The transport.
    pub transport: Transport,
    /// The ports.
    pub ports: PortSet,
}

/// Does one job, and stops early when `progress` says so. The attempts of the ports in `detail` are recorded
/// also when they were plainly refused.
#[must_use]
pub fn sweep(job: &Job, detail: &PortSet, progress: &Progress) -> Sweep {
    let files = sys::raise_open_files();
    let halves = plan::SourceHalves::new(sys::local_port_range());
    match job.transport {
        Transport::Tcp => {
            sweep::run(job, detail, progress, files, || tcp::Connect::new(&job.target, halves))
        }
        Transport::Udp => {
            sweep::run(job, detail, progress, files, || udp::Datagrams::new(&job.target, halves))
        }
    }
}
