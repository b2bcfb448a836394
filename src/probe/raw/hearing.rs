//! What has been heard of the ports that probes went to.

use super::line::Line;
use crate::model::{Answer, Attempt, Port, PortSet, Sweep};
use crate::probe::Job;
use crate::probe::pace::Pace;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Duration, Instant};

/// The ports of a batch that is in flight.
struct Flight {
    ports: PortSet,
    sent_at: Instant,
}

/// The answers to several senders.
pub(super) struct Hearing<'a, L: Line> {
    line: L,
    job: &'a Job,
    /// What the target says when nobody listens.
    refusal: Answer,
    pace: Pace,
    /// The batch of each sender.
    flights: Vec<Flight>,
    /// The silent ports of earlier batches, and when each was asked last.
    silent: BTreeMap<Port, Instant>,
    /// The ports that the kernel refused to send to, and when.
    refused: BTreeMap<Port, Instant>,
    /// How many times the ports in question have been asked.
    pub(super) tries: u8,
    /// What is recorded.
    pub(super) sweep: Sweep,
}

impl<'a, L: Line> Hearing<'a, L> {
    pub(super) fn new(line: L, senders: usize, job: &'a Job) -> Self {
        let flight = || Flight { ports: PortSet::new(), sent_at: Instant::now() };
        Self {
            line,
            job,
            refusal: Answer::plain_refusal(job.transport, job.target.address),
            pace: Pace::new(job.patience, job.waits),
            flights: (0..senders).map(|_| flight()).collect(),
            silent: BTreeMap::new(),
            refused: BTreeMap::new(),
            tries: 1,
            sweep: Sweep::new(job.target.clone(), job.transport, PortSet::new()),
        }
    }

    /// A sender is about to send to these ports.
    pub(super) fn begin(&mut self, sender: usize, ports: &[Port]) {
        for port in ports {
            self.silent.remove(port);
        }
        if let Some(flight) = self.flights.get_mut(sender) {
            flight.ports.extend(ports.iter().copied());
            flight.sent_at = Instant::now();
        }
    }

    /// It has sent to them, but for those that failed. Takes the answers: what is not among them is silent so far.
    pub(super) fn finish(
        &mut self,
        sender: usize,
        ports: &[Port],
        sent: usize,
        failed: Vec<(Port, io::Error)>,
    ) {
        self.sweep.sent += sent as u64;
        for (port, error) in failed {
            // One that has its answer already is rejected on the way out.
            let Some(sent_at) = self.land(sender, port) else { continue };
            if error.raw_os_error() == Some(libc::EPERM) {
                self.refused.insert(port, sent_at);
            } else {
                self.record(port, Answer::Failed(format!("send: {error}")), None);
            }
        }
        self.hear();
        for port in ports {
            if let Some(sent_at) = self.land(sender, *port) {
                self.silent.insert(*port, sent_at);
            }
        }
    }

    /// Takes a port out of a sender's batch. Returns when the batch was sent, if the port was in it.
    fn land(&mut self, sender: usize, port: Port) -> Option<Instant> {
        let flight = self.flights.get_mut(sender)?;
        let flew = flight.ports.contains(port);
        flight.ports.remove(port);
        flew.then_some(flight.sent_at)
    }

    /// Takes the answers that have come. Returns how many.
    fn hear(&mut self) -> u64 {
        let mut answers = Vec::new();
        self.line.hear(&mut |port, answer| answers.push((port, answer)));
        let now = Instant::now();
        let mut number = 0;
        for (port, answer) in answers {
            let in_flight = (0..self.flights.len()).find_map(|sender| self.land(sender, port));
            let sent_at = in_flight
                .or_else(|| self.silent.remove(&port))
                .or_else(|| self.refused.remove(&port));
            if let Some(sent_at) = sent_at {
                self.record(port, answer, Some(now.saturating_duration_since(sent_at)));
                number += 1;
            }
        }
        if self.tries > 1 {
            self.sweep.rescued += number;
        }
        number
    }

    /// Takes the answers that come within one wait. Returns how many there were to a second or later try.
    pub(super) fn listen(&mut self) -> u64 {
        let deadline = Instant::now() + self.pace.wait();
        let mut answered = 0;
        while !self.silent.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            self.line.wait(left);
            answered += self.hear();
            if left.is_zero() {
                break;
            }
        }
        if self.tries > 1 { answered } else { 0 }
    }

    /// Ends what is half open.
    pub(super) fn hang_up(&mut self) {
        self.line.hang_up();
    }

    /// Whether answers came for which there was no room, since this was asked last.
    pub(super) fn lost(&mut self) -> bool {
        self.line.lost() > 0
    }

    /// Whether a port is silent.
    pub(super) fn has_silent(&self) -> bool {
        !self.silent.is_empty()
    }

    /// The silent ports.
    pub(super) fn silent(&self) -> Vec<Port> {
        self.silent.keys().copied().collect()
    }

    /// Whether they are asked again, after a try that rescued so many.
    pub(super) fn ask_again(&mut self, rescued: u64) -> bool {
        self.pace.ask_again(self.tries, rescued)
    }

    /// Records the ports that have no answer. `rescued` is what the last try brought, and `unheard` whether answers to
    /// it were lost.
    pub(super) fn conclude(&mut self, rescued: u64, unheard: bool) {
        for port in std::mem::take(&mut self.refused).into_keys() {
            self.sweep.attempts.insert(port, self.attempt(Answer::NotSent, None, 1));
        }
        let silent: BTreeSet<Port> = std::mem::take(&mut self.silent).into_keys().collect();
        // Asking again still brought answers when it was given up: what is silent now may only be unlucky.
        if rescued > 0 && !silent.is_empty() {
            self.sweep.unsteady = true;
            self.pace.give_up();
        }
        for port in silent {
            if unheard {
                let text = "there was no room for the answers".to_owned();
                self.record(port, Answer::Failed(text), None);
            } else if self.pace.is_enough(self.tries) {
                // A port that was interrupted before its second try has not been found silent, unless one was to do.
                self.record(port, Answer::Silence, None);
            }
        }
    }

    fn record(&mut self, port: Port, answer: Answer, rtt: Option<Duration>) {
        if let Some(rtt) = rtt {
            self.pace.answered_after(rtt);
        }
        let refused = answer == self.refusal;
        if refused {
            self.sweep.refused.insert(port);
        }
        if !refused || self.job.detail.contains(port) {
            self.sweep.attempts.insert(port, self.attempt(answer, rtt, self.tries));
        }
    }

    fn attempt(&self, answer: Answer, rtt: Option<Duration>, tries: u8) -> Attempt {
        Attempt { answer, source: Some(self.line.source()), rtt, tries }
    }
}
