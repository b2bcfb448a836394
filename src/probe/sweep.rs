//! A sweep over the ports of one address: all probes are in flight before the first silence is waited for, and
//! what stays silent is asked again.

use super::Job;
use super::client::{Client, Outcome, Reuse};
use super::pace::Pace;
use super::plan::Sources;
use super::room::{RESERVE, Room, SMALL_RESERVE};
use super::share::{self, Progress};
use crate::model::{Answer, Attempt, Need, Port, PortSet, Sweep, Target};
use crate::sys;
use std::io;
use std::time::{Duration, Instant};

/// Descriptors that we leave for everything that is not a probe.
const SPARE_FILES: usize = 64;
/// How many silent probes one thread keeps open at a time: each is a socket of some kilobytes in the kernel.
const MOST_PARKED: usize = 8192;
/// How often a probe that met itself is sent from another port.
const MOST_MEETINGS: u32 = 8;

/// Does a job with a few threads, each with a client of its own.
pub(super) fn run<C: Client>(
    job: &Job,
    progress: &Progress,
    files: usize,
    client: impl Fn(Sources) -> C + Sync,
) -> Sweep {
    let mut sweep = Sweep::new(job.target.clone(), job.transport, job.wanted.clone());
    let ports = job.wanted.iter().filter(|port| !job.excluded.contains(*port));
    let (detailed, others): (Vec<Port>, Vec<Port>) =
        ports.partition(|port| job.detail.contains(*port));
    let range = sys::local_port_range();
    let threads = share::threads();
    let room = (files - SPARE_FILES.min(files / 2)) / threads;
    let room = room.clamp(1, MOST_PARKED);
    // The ports that matter most go first.
    for (ports, reserve) in [(detailed, SMALL_RESERVE), (others, RESERVE)] {
        let Some(first) = ports.first().copied() else { continue };
        let sources = Sources::new(range, &ports);
        let client_of_first = client(sources);
        // Where there are two groups, both at once could meet each other half way.
        let (ports, others): (Vec<Port>, Vec<Port>) =
            ports.into_iter().partition(|port| client_of_first.serves_both(first, *port));
        for ports in [ports, others] {
            let shares: Vec<_> = ports.chunks(ports.len().div_ceil(threads).max(1)).collect();
            let ends = share::each(shares.len(), |share| {
                let ports = shares.get(share).copied().unwrap_or_default();
                Worker::new(client(sources), job, progress, room).run(ports, Room::new(reserve))
            });
            for end in ends {
                match end {
                    Ok(part) => share::merge(&mut sweep, part),
                    // Its ports have no answer and count as not probed.
                    Err(_panic) => {
                        let reason = "a probing thread failed".to_owned();
                        sweep.gaps.push(share::gap(&job.target, job.transport, reason, None));
                    }
                }
            }
        }
    }
    sweep.gaps.dedup();
    sweep
}

/// A silent probe.
struct Parked<P> {
    port: Port,
    probe: P,
    sent_at: Instant,
}

struct Worker<'a, C: Client> {
    client: C,
    target: &'a Target,
    /// What the target says when nobody listens.
    refusal: Answer,
    detail: &'a PortSet,
    progress: &'a Progress,
    room: usize,
    pace: Pace,
    parked: Vec<Parked<C::Probe>>,
    sweep: Sweep,
}

impl<'a, C: Client> Worker<'a, C> {
    fn new(client: C, job: &'a Job, progress: &'a Progress, room: usize) -> Self {
        Self {
            client,
            target: &job.target,
            refusal: Answer::plain_refusal(job.transport, job.target.address),
            detail: &job.detail,
            progress,
            room,
            pace: Pace::new(job.patience, job.waits),
            parked: Vec::new(),
            sweep: Sweep::new(job.target.clone(), job.transport, PortSet::new()),
        }
    }

    fn run(mut self, ports: &[Port], mut room: Room) -> Sweep {
        let mut spare: Option<(Port, C::Probe)> = None;
        for port in ports {
            if self.progress.stopped() {
                break;
            }
            if let Err(reason) = room.take(1) {
                let gap = share::gap(self.target, self.sweep.transport, reason, Some(Need::Retry));
                self.sweep.gaps.push(gap);
                break;
            }
            if self.parked.len() >= self.room {
                self.settle();
            }
            spare = self.probe(*port, spare);
            self.progress.advance(1);
        }
        drop(spare);
        self.settle();
        self.sweep
    }

    /// Knocks on a port, with the spare probe where that will do. Returns the probe when it can be used again.
    fn probe(&mut self, port: Port, spare: Option<(Port, C::Probe)>) -> Option<(Port, C::Probe)> {
        let mut spare = spare.filter(|(opened_for, _)| self.client.serves_both(*opened_for, port));
        let mut freely = false;
        for _ in 0..MOST_MEETINGS {
            self.progress.take_turns(1);
            let opened = match spare.take() {
                Some((_, probe)) => Ok(probe),
                None => self.open(port, freely),
            };
            let probe = match opened {
                Ok(probe) => probe,
                Err(error) => {
                    self.record(port, None, Answer::Failed(format!("socket: {error}")), 1, None);
                    return None;
                }
            };
            self.sweep.sent += 1;
            let sent_at = Instant::now();
            match self.client.knock(&probe, port) {
                Outcome::Pending => {
                    self.parked.push(Parked { port, probe, sent_at });
                    return None;
                }
                // Want of source ports or memory, it may be: those of the silent ones are given back first.
                Outcome::Answered(Answer::Failed(_), _) if !self.parked.is_empty() => self.settle(),
                Outcome::Answered(Answer::Failed(_), _) if !freely => freely = true,
                Outcome::Answered(answer, reuse) => {
                    self.record(port, Some(&probe), answer, 1, Some(sent_at.elapsed()));
                    return (reuse == Reuse::Again && !freely).then_some((port, probe));
                }
                Outcome::MetItself => {}
            }
        }
        let text = "every probe was sent from the port that it knocked on".to_owned();
        self.record(port, None, Answer::Failed(text), 1, None);
        None
    }

    /// A new probe; when there are no descriptors left, those of the silent ones are given back first.
    fn open(&mut self, port: Port, freely: bool) -> io::Result<C::Probe> {
        self.client.open(port, freely).or_else(|error| {
            if self.parked.is_empty() {
                return Err(error);
            }
            self.settle();
            self.client.open(port, freely)
        })
    }

    /// Waits for the silent probes, asks again those that stay silent, and records what came of each.
    fn settle(&mut self) {
        let mut tries = 1;
        let mut rescued = 0;
        while !self.parked.is_empty() {
            rescued += self.listen(tries);
            let stopped = self.progress.stopped();
            if self.parked.is_empty() || stopped || !self.pace.ask_again(tries, rescued) {
                break;
            }
            tries += 1;
            rescued = self.ask_again(tries);
        }
        // Asking again still brought answers when it was given up: what is silent now may only be unlucky.
        if rescued > 0 && !self.parked.is_empty() {
            self.sweep.unsteady = true;
            self.pace.give_up();
        }
        for silent in std::mem::take(&mut self.parked) {
            // A port that was interrupted before its second try has not been found silent, unless one was to do.
            if self.pace.is_enough(tries) {
                self.record(silent.port, Some(&silent.probe), Answer::Silence, tries, None);
            }
        }
    }

    /// Takes the answers that come within one wait. Returns how many there were to a second or later try.
    fn listen(&mut self, tries: u8) -> u64 {
        let deadline = Instant::now() + self.pace.wait();
        let mut answered = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let probes = self.parked.iter().map(|parked| &parked.probe);
            let ready = if left.is_zero() {
                // The last look is at all of them.
                (0..self.parked.len()).collect()
            } else {
                self.client.wait(probes, left)
            };
            for index in ready.into_iter().rev() {
                let Some(parked) = self.parked.get(index) else {
                    continue;
                };
                let outcome = self.client.look(&parked.probe, parked.port);
                answered += u64::from(self.take(index, outcome, tries));
            }
            if left.is_zero() || self.parked.is_empty() {
                return if tries > 1 { answered } else { 0 };
            }
        }
    }

    /// Sends again to each silent port. Returns how many answered at once.
    fn ask_again(&mut self, tries: u8) -> u64 {
        let mut answered = 0;
        for index in (0..self.parked.len()).rev() {
            let Some(parked) = self.parked.get_mut(index) else {
                continue;
            };
            self.progress.take_turns(1);
            self.sweep.sent += 1;
            parked.sent_at = Instant::now();
            let outcome = match self.client.knock_again(&mut parked.probe, parked.port) {
                Ok(outcome) => outcome,
                Err(error) => {
                    Outcome::Answered(Answer::Failed(format!("socket: {error}")), Reuse::Spent)
                }
            };
            answered += u64::from(self.take(index, outcome, tries));
        }
        answered
    }

    /// Records the outcome of a silent probe that is silent no more. Returns whether it was an answer.
    fn take(&mut self, index: usize, outcome: Outcome, tries: u8) -> bool {
        let answer = match outcome {
            Outcome::Pending => return false,
            Outcome::Answered(answer, _) => answer,
            Outcome::MetItself => Answer::Failed("the probe met itself".to_owned()),
        };
        let parked = self.parked.swap_remove(index);
        let failed = matches!(answer, Answer::Failed(_));
        self.sweep.rescued += u64::from(tries > 1 && !failed);
        self.record(
            parked.port,
            Some(&parked.probe),
            answer,
            tries,
            Some(parked.sent_at.elapsed()),
        );
        !failed
    }

    fn record(
        &mut self,
        port: Port,
        probe: Option<&C::Probe>,
        answer: Answer,
        tries: u8,
        rtt: Option<Duration>,
    ) {
        if let Some(rtt) = rtt {
            self.pace.answered_after(rtt);
        }
        let refused = answer == self.refusal;
        if refused {
            self.sweep.refused.insert(port);
        }
        if !refused || self.detail.contains(port) {
            let source = probe.and_then(|probe| self.client.source(probe));
            self.sweep.attempts.insert(port, Attempt { answer, source, rtt, tries });
        }
    }
}

#[cfg(test)]
mod tests;
