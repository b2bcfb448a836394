//! A sweep over the ports of one address: all probes are in flight before the first silence is waited for, and
//! what stays silent is asked again.

use super::Job;
use super::client::{Client, Outcome, Reuse};
use super::pace::Pace;
use super::rate::Rate;
use crate::model::{Answer, Attempt, Gap, Hides, Need, Port, PortSet, Sweep, Target, Transport};
use crate::sys;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How a sweep tells others how far it is, and hears that it should stop.
#[derive(Debug)]
pub struct Progress {
    done: AtomicU64,
    stop: fn() -> bool,
    rate: Option<Rate>,
}

impl Progress {
    /// Nothing done yet; `stop` is asked before each port.
    #[must_use]
    pub fn new(stop: fn() -> bool) -> Self {
        Self { done: AtomicU64::new(0), stop, rate: None }
    }

    /// The same, with a limit to the probes that are sent in a second.
    #[must_use]
    pub fn at_most(self, per_second: Option<u32>) -> Self {
        Self { rate: per_second.map(|rate| Rate::new(rate, Instant::now())), ..self }
    }

    /// Waits until the next probe may be sent, or the work should stop.
    fn take_turn(&self) {
        /// The wish to stop is heard so soon.
        const LONGEST: Duration = Duration::from_millis(100);
        let Some(rate) = &self.rate else { return };
        let due = Instant::now() + rate.turn(Instant::now());
        while !self.stopped() {
            match due.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return,
                left => sys::pause(left.min(LONGEST)),
            }
        }
    }

    /// How many ports have been probed.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// One more port is done.
    pub(super) fn advance(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the work should stop.
    #[must_use]
    pub fn stopped(&self) -> bool {
        (self.stop)()
    }
}

/// More threads gain nothing on loopback: each send runs the whole way through the kernel.
const MOST_THREADS: usize = 4;
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
    client: impl Fn() -> C + Sync,
) -> Sweep {
    let mut sweep = Sweep::new(job.target.clone(), job.transport, job.wanted.clone());
    let ports: Vec<Port> = job.wanted.iter().filter(|port| !job.excluded.contains(*port)).collect();
    let Some(first) = ports.first() else { return sweep };
    // Ports of one half of the source ports are probed from the other. Both at once could meet each other half
    // way, and each would look like an open port to the other. The ports that matter most go first.
    let client_of_first = client();
    let group =
        |port: &Port| (!job.detail.contains(*port), client_of_first.serves_both(*first, *port));
    let groups = [(false, true), (false, false), (true, true), (true, false)];
    let threads = thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS));
    let room = (files - SPARE_FILES.min(files / 2)) / threads;
    let room = room.clamp(1, MOST_PARKED);
    for wanted in groups {
        let ports: Vec<Port> = ports.iter().copied().filter(|port| group(port) == wanted).collect();
        let reserve = if wanted.0 { RESERVE } else { SMALL_RESERVE };
        let work = |ports: &[Port]| Worker::new(client(), job, progress, room).run(ports, reserve);
        let size = ports.len().div_ceil(threads).max(1);
        let mut shares = ports.chunks(size);
        let own = shares.next().unwrap_or_default();
        thread::scope(|scope| {
            let work = &work;
            let start =
                |ports| (ports, thread::Builder::new().spawn_scoped(scope, move || work(ports)));
            let others: Vec<_> = shares.map(start).collect();
            merge(&mut sweep, work(own));
            for (ports, started) in others {
                match started.map(thread::ScopedJoinHandle::join) {
                    Ok(Ok(part)) => merge(&mut sweep, part),
                    // Its ports have no answer and count as not probed.
                    Ok(Err(_panic)) => {
                        let reason = "a probing thread failed".to_owned();
                        sweep.gaps.push(gap(&job.target, job.transport, reason, None));
                    }
                    // The system gives no more threads.
                    Err(_refused) => merge(&mut sweep, work(ports)),
                }
            }
        });
    }
    sweep.gaps.dedup();
    sweep
}

fn merge(sweep: &mut Sweep, part: Sweep) {
    sweep.attempts.extend(part.attempts);
    sweep.refused.extend(part.refused.iter());
    sweep.sent += part.sent;
    sweep.rescued += part.rescued;
    sweep.unsteady |= part.unsteady;
    sweep.gaps.extend(part.gaps);
}

fn gap(target: &Target, transport: Transport, reason: String, need: Option<Need>) -> Gap {
    let what = format!("{transport} ports of {} from {}", target.address, target.vantage.name());
    Gap { what, reason, need, hides: Hides::Views }
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

    fn run(mut self, ports: &[Port], reserve: u64) -> Sweep {
        let mut spare: Option<(Port, C::Probe)> = None;
        let mut until_next_look = 0;
        for port in ports {
            if self.progress.stopped() {
                break;
            }
            if until_next_look == 0 {
                match room_to_track(sys::conntrack_room(), reserve) {
                    Ok(probes) => until_next_look = probes,
                    Err(reason) => {
                        let gap = gap(self.target, self.sweep.transport, reason, Some(Need::Retry));
                        self.sweep.gaps.push(gap);
                        break;
                    }
                }
            }
            until_next_look -= 1;
            if self.parked.len() >= self.room {
                self.settle();
            }
            spare = self.probe(*port, spare);
            self.progress.done.fetch_add(1, Ordering::Relaxed);
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
            self.progress.take_turn();
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
            self.progress.take_turn();
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

/// The part of the connection tracking table that is left to others: a tenth.
const RESERVE: u64 = 10;
/// The same for the few ports that matter most.
const SMALL_RESERVE: u64 = 100;

/// How many probes may be sent before the connection tracking table is looked at again. Each probe that is not
/// refused, and each UDP probe, takes a place in it, and a full table makes the kernel drop the traffic of others:
/// one of `reserve` parts is left alone.
fn room_to_track(room: Option<(u64, u64)>, reserve: u64) -> Result<u64, String> {
    const MOST: u64 = 1024;
    let Some((free, size)) = room else { return Ok(MOST) };
    if free < size / reserve {
        return Err(format!("the connection tracking table, of {size} places, is nearly full"));
    }
    Ok((free / 64).clamp(1, MOST))
}

#[cfg(test)]
mod tests;
