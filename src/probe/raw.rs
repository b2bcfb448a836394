//! Knocking with many probes in flight at a time (`CAP_NET_RAW`): over loopback the answers to a batch have come when
//! its last probe is sent. On TCP ports by SYNs alone: no connection is opened and no application sees it, since the
//! kernel itself answers each SYN-ACK with a reset. On UDP ports by datagrams from one socket, whose ICMP errors a raw
//! one hears.

mod hearing;
mod line;
mod scan;

use super::Job;
use super::room::{RESERVE, SMALL_RESERVE};
use super::share::{self, Progress};
use crate::model::{Method, Port, Sweep, Transport};
use crate::sys::{self, BATCH};
use line::{Line, RawLine};
use scan::Scan;
use std::io;
use std::net::Ipv4Addr;

/// Why no SYN can be sent; `None` where it can.
#[must_use]
pub fn unavailable() -> Option<io::Error> {
    let loopback = (Ipv4Addr::LOCALHOST, 0).into();
    sys::RawReceiver::open(Transport::Tcp, Some(loopback), loopback, line::ROOM).err()
}

/// Does a job, where raw sockets for its address can be had.
pub(super) fn run(job: &Job, progress: &Progress) -> io::Result<Sweep> {
    run_on(job, progress, || RawLine::open(&job.target, job.transport))
}

/// Does a job on lines of our own. The port that a line holds is probed from another when it is free again: so no probe
/// has twice the same port, and none meets a socket of ours, which UDP would find there.
fn run_on<L: Line + Send>(
    job: &Job,
    progress: &Progress,
    open: impl Fn() -> io::Result<L>,
) -> io::Result<Sweep> {
    let ports: Vec<Port> = job.wanted.iter().filter(|port| !job.excluded.contains(*port)).collect();
    let line = open()?;
    let held = line.source().port();
    let (ours, ports): (Vec<Port>, Vec<Port>) =
        ports.into_iter().partition(|port| port.get() == held);
    // The ports that matter most go first, one by one: so their round trips are measured.
    let (detailed, others): (Vec<Port>, Vec<Port>) =
        ports.into_iter().partition(|port| job.detail.contains(*port));
    let threads = share::threads().min(others.len().div_ceil(BATCH));
    let mut scan = Scan::new(line, threads, job, progress)?;
    scan.ask(&detailed, 1, SMALL_RESERVE);
    scan.ask(&others, BATCH, RESERVE);
    scan.settle(BATCH);
    let mut sweep = Sweep::new(job.target.clone(), job.transport, job.wanted.clone());
    if job.transport == Transport::Tcp {
        sweep.method = Method::Syn;
    }
    share::merge(&mut sweep, scan.end());
    if !ours.is_empty() {
        match another(open, held).and_then(|line| Scan::new(line, 1, job, progress)) {
            Ok(mut scan) => {
                scan.ask(&ours, 1, SMALL_RESERVE);
                scan.settle(1);
                share::merge(&mut sweep, scan.end());
            }
            Err(error) => {
                let gap = share::gap(&job.target, job.transport, error.to_string(), None);
                sweep.gaps.push(gap);
            }
        }
    }
    Ok(sweep)
}

/// A line with another port than this one. What has this one meanwhile is held, so that the next has another.
fn another<L: Line>(open: impl Fn() -> io::Result<L>, than: u16) -> io::Result<L> {
    let line = open()?;
    if line.source().port() == than { open() } else { Ok(line) }
}

#[cfg(test)]
mod tests;
