//! What answers a client on this host: sockets that knock on its own addresses, and with `CAP_NET_RAW` SYNs that open
//! no connection. Nothing leaves the host: the kernel's routing must say that the address is local, before the
//! first probe and after the last.

mod client;
mod connect;
mod delay;
mod delivery;
mod diag;
mod drops;
mod identify;
mod local;
mod pace;
mod passage;
mod payload;
mod plan;
mod rate;
mod raw;
mod room;
mod share;
mod sweep;
mod taken;
mod tcp;
mod udp;

pub use connect::{Call, connect, connect_and_stay};
pub use delay::nothing_delays;
pub use delivery::deliveries;
pub use drops::dropped_by;
pub use identify::{Question, identify};
pub use local::only_local;
pub use pace::Waits;
pub use passage::{passage, tracks_connections};
pub use payload::payload;
pub use plan::targets;
pub use raw::unavailable;
pub use share::Progress;

use crate::model::{Answer, Attempt, Gap, Hides, Need, PortSet, Sweep, TakenBy, Target, Transport};
use crate::sys;
use std::time::Duration;

/// How long silence lasts before it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Patience {
    /// As long as an answer over loopback takes: for the many ports of which nothing else is known.
    Quick,
    /// The same where many have answered, of whom the slowest took so long: for where nothing can hold an answer back.
    Measured(Duration),
    /// Long enough for a firewall that thinks about each packet: before silence is held against anyone.
    Patient,
}

/// How TCP ports are knocked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knock {
    /// By SYNs where that can be, else by connections.
    Auto,
    /// By SYNs; that it cannot be is a gap, and then by connections.
    Syn,
    /// By connections.
    Connect,
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
    /// How TCP ports are knocked on.
    pub knock: Knock,
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
    let swept = match job.transport {
        Transport::Tcp => tcp(job, progress),
        Transport::Udp => udp(job, progress),
        Transport::Sctp => nothing(vec![Gap {
            what: format!("what answers SCTP at {}", job.target.address),
            reason: "no probe speaks SCTP".to_owned(),
            need: Some(Need::LaterVersion),
            hides: Hides::Views,
        }]),
    };
    let after = left();
    if after.is_empty() { swept } else { nothing(after) }
}

/// By SYNs or by connections.
fn tcp(job: &Job, progress: &Progress) -> Sweep {
    let half_open = match job.knock {
        Knock::Connect => None,
        Knock::Auto | Knock::Syn => Some(raw::run(job, progress)),
    };
    match half_open {
        Some(Ok(mut sweep)) => {
            if sys::tracks_connections() {
                name_takers(&mut sweep, job, progress);
            }
            sweep
        }
        Some(Err(error)) if job.knock == Knock::Syn => {
            let mut sweep = by_sockets(job, progress);
            sweep.gaps.push(Gap {
                what: format!("{} from {} by SYN", job.target.address, job.target.vantage.name()),
                reason: format!("probed by connections, since no raw socket could be had: {error}"),
                need: None,
                hides: Hides::Views,
            });
            sweep
        }
        Some(Err(_)) | None => by_sockets(job, progress),
    }
}

/// By one socket for all ports, or by one for each.
fn udp(job: &Job, progress: &Progress) -> Sweep {
    // From a further loopback address another sweep of this program may be probed at the same time: the port that a
    // socket for all ports has would be silent there.
    let has_own_source = plan::source_address(&job.target).is_some();
    if job.knock == Knock::Connect || !has_own_source {
        return by_sockets(job, progress);
    }
    // Both hear the same, so that one has to do for the other is no gap.
    raw::run(job, progress).unwrap_or_else(|_not_here| by_sockets(job, progress))
}

/// With a socket for each probe, which takes no privileges.
fn by_sockets(job: &Job, progress: &Progress) -> Sweep {
    let files = sys::raise_open_files();
    let target = &job.target;
    if job.transport == Transport::Udp {
        sweep::run(job, progress, files, |sources| udp::Datagrams::new(target, sources))
    } else {
        sweep::run(job, progress, files, |sources| tcp::Connect::new(target, sources))
    }
}

/// Opens a connection to each open port of a sweep by SYNs, and asks which socket took it: where connections are
/// tracked another one than that of the port may have.
fn name_takers(sweep: &mut Sweep, job: &Job, progress: &Progress) {
    let open = |attempt: &Attempt| attempt.answer == Answer::SynAck(TakenBy::HalfOpen);
    let wanted: PortSet =
        sweep.attempts.iter().filter(|(_, attempt)| open(attempt)).map(|(port, _)| *port).collect();
    let connected = by_sockets(&Job { wanted, knock: Knock::Connect, ..job.clone() }, progress);
    sweep.sent += connected.sent;
    sweep.gaps.extend(connected.gaps);
    for (port, attempt) in sweep.attempts.iter_mut().filter(|(_, attempt)| open(attempt)) {
        let taken = match connected.attempts.get(port).map(|attempt| &attempt.answer) {
            Some(Answer::SynAck(taken)) => taken.clone(),
            _ => TakenBy::Unknown("a connection to it was not opened".to_owned()),
        };
        attempt.answer = Answer::SynAck(taken);
    }
}
