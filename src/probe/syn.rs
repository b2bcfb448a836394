//! Knocking on TCP ports by SYNs alone (`CAP_NET_RAW`): no connection is opened and no application sees it, since the
//! kernel itself answers each SYN-ACK with a reset. Hundreds are in flight at a time: over loopback the answers to a
//! batch have come when its last SYN is sent.

mod hearing;
mod line;
mod scan;

use super::Job;
use super::room::{RESERVE, SMALL_RESERVE};
use super::share::{self, Progress};
use crate::model::{Method, Port, Sweep};
use crate::sys::{self, BATCH};
use line::{Line, RawLine};
use scan::Scan;
use std::io;
use std::net::Ipv4Addr;

/// Why no SYN can be sent; `None` where it can.
#[must_use]
pub fn unavailable() -> Option<io::Error> {
    let loopback = (Ipv4Addr::LOCALHOST, 0).into();
    let source = sys::Source { address: Some(loopback), ports: None };
    sys::RawReceiver::open(source, loopback, line::ROOM).err()
}

/// Does a job, where raw sockets for its address can be had.
pub(super) fn run(job: &Job, progress: &Progress) -> io::Result<Sweep> {
    run_on(job, progress, || RawLine::open(&job.target))
}

/// Does a job on lines of our own. The port that a line holds is probed from another, so that no SYN has twice the
/// same port.
fn run_on<L: Line + Send>(
    job: &Job,
    progress: &Progress,
    open: impl Fn() -> io::Result<L>,
) -> io::Result<Sweep> {
    let ports: Vec<Port> = job.wanted.iter().filter(|port| !job.excluded.contains(*port)).collect();
    let line = open()?;
    let held = line.source().port();
    let is_held = |port: &Port| port.get() == held;
    // Opened while the other is, so that it has another port.
    let spare = ports.iter().any(is_held).then(&open).transpose()?;
    let (ours, ports): (Vec<Port>, Vec<Port>) = ports.into_iter().partition(is_held);
    // The ports that matter most go first, one by one: so their round trips are measured.
    let (detailed, others): (Vec<Port>, Vec<Port>) =
        ports.into_iter().partition(|port| job.detail.contains(*port));
    let threads = share::threads().min(others.len().div_ceil(BATCH));
    let mut scan = Scan::new(line, threads, job, progress)?;
    scan.ask(&detailed, 1, SMALL_RESERVE);
    scan.ask(&others, BATCH, RESERVE);
    scan.settle(BATCH);
    let mut sweep = Sweep::new(job.target.clone(), job.transport, job.wanted.clone());
    sweep.method = Method::Syn;
    share::merge(&mut sweep, scan.end());
    if let Some(spare) = spare {
        let mut scan = Scan::new(spare, 1, job, progress)?;
        scan.ask(&ours, 1, SMALL_RESERVE);
        scan.settle(1);
        share::merge(&mut sweep, scan.end());
    }
    Ok(sweep)
}

#[cfg(test)]
mod tests;
