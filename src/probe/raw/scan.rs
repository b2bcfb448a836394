//! The passes over the ports of an address: each is shared by a few threads, and what stays silent gets another.

use super::hearing::Hearing;
use super::line::{Line, Sender as _};
use crate::model::{Need, Port, Sweep};
use crate::probe::Job;
use crate::probe::room::Room;
use crate::probe::share::{self, Progress};
use crate::sys::{self, Sent};
use std::io;
use std::slice::Chunks;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the kernel is given to find memory for a probe again, and how often.
const BREATH: Duration = Duration::from_millis(1);
const BREATHS: u32 = 100;
/// How many more passes are made because answers found no room, each with smaller batches.
const MOST_LOSSES: u8 = 8;

/// A scan on one line: one sender for each thread, and one place where all of them hear.
pub(super) struct Scan<'a, L: Line> {
    job: &'a Job,
    progress: &'a Progress,
    senders: Vec<Mutex<L::Sender>>,
    hearing: Mutex<Hearing<'a, L>>,
}

/// How a pass goes.
#[derive(Debug, Clone, Copy)]
struct Pass {
    /// How many probes a thread sends before it takes the answers.
    batch: usize,
    /// What is left alone of the table of tracked connections, where the ports may take places in it.
    reserve: Option<u64>,
}

impl<'a, L: Line + Send> Scan<'a, L> {
    /// A scan by so many threads, or by fewer where the system gives no more sockets.
    pub(super) fn new(
        line: L,
        threads: usize,
        job: &'a Job,
        progress: &'a Progress,
    ) -> io::Result<Self> {
        let mut senders = vec![Mutex::new(line.sender()?)];
        senders.extend((1..threads).map_while(|_| line.sender().ok().map(Mutex::new)));
        let hearing = Mutex::new(Hearing::new(line, senders.len(), job));
        Ok(Self { job, progress, senders, hearing })
    }

    /// What came of all ports.
    pub(super) fn end(self) -> Sweep {
        self.hearing.into_inner().unwrap_or_else(PoisonError::into_inner).sweep
    }

    /// Asks ports for the first time.
    pub(super) fn ask(&mut self, ports: &[Port], batch: usize, reserve: u64) {
        if !ports.is_empty() {
            self.pass(ports, Pass { batch, reserve: Some(reserve) });
        }
    }

    /// Waits for the silent ports, asks again those that stay silent, records what came of each, and ends what is half
    /// open. `batch` is that of the last pass.
    pub(super) fn settle(&mut self, batch: usize) {
        self.ask_the_silent(batch);
        self.hearing().hang_up();
    }

    fn ask_the_silent(&mut self, mut batch: usize) {
        let mut losses = 0;
        let mut rescued = 0;
        loop {
            let mut hearing = self.hearing();
            rescued += hearing.listen();
            // What we lost ourselves is no silence.
            let unheard = hearing.lost();
            let over = !hearing.has_silent() || self.progress.stopped();
            if !over && unheard && losses < MOST_LOSSES {
                losses += 1;
                batch = (batch / 8).max(1);
            } else if over || !hearing.ask_again(rescued) {
                hearing.conclude(rescued, unheard);
                return;
            }
            hearing.tries += 1;
            let before = hearing.sweep.rescued;
            let silent = hearing.silent();
            drop(hearing);
            self.pass(&silent, Pass { batch, reserve: None });
            // What came only now because it found no room before says nothing of the way.
            rescued = if unheard { 0 } else { self.hearing().sweep.rescued - before };
        }
    }

    /// Sends to each port once.
    fn pass(&self, ports: &[Port], pass: Pass) {
        // One by one is for one thread.
        let threads = if pass.batch == 1 { 1 } else { self.senders.len() };
        // Who is quick takes the next batch, so that no thread waits for one whose core is busy.
        let batches = Mutex::new(ports.chunks(pass.batch));
        let ends = share::each(threads, |thread| self.work(thread, &batches, pass));
        if ends.into_iter().any(|end| end.is_err()) {
            self.gap("a probing thread failed".to_owned(), None);
        }
    }

    /// Sends one batch after another.
    fn work(&self, thread: usize, batches: &Mutex<Chunks<'_, Port>>, pass: Pass) {
        let Some(sender) = self.senders.get(thread) else { return };
        let mut sender = sender.lock().unwrap_or_else(PoisonError::into_inner);
        let mut room = pass.reserve.map(Room::new);
        let next = || batches.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some(mut left) = next() {
            while !left.is_empty() {
                if self.progress.stopped() {
                    return;
                }
                let wanted = left.len().min(self.progress.at_once());
                let number = match room.as_mut().map_or(Ok(wanted), |room| room.take(wanted)) {
                    Ok(number) => number,
                    Err(reason) => return self.gap(reason, Some(Need::Retry)),
                };
                let (batch, rest) = left.split_at(number);
                self.progress.take_turns(number);
                self.hearing().begin(thread, batch);
                let (sent, failed) = send::<L>(&mut sender, batch);
                self.hearing().finish(thread, batch, sent, failed);
                if pass.reserve.is_some() {
                    self.progress.advance(number);
                }
                left = rest;
            }
        }
    }

    fn gap(&self, reason: String, need: Option<Need>) {
        let gap = share::gap(&self.job.target, self.job.transport, reason, need);
        self.hearing().sweep.gaps.push(gap);
    }

    fn hearing(&self) -> MutexGuard<'_, Hearing<'a, L>> {
        self.hearing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a batch. Returns how many SYNs went out, and the ports to which none did, with the error of each.
fn send<L: Line>(sender: &mut L::Sender, ports: &[Port]) -> (usize, Vec<(Port, io::Error)>) {
    let (mut sent, mut failed, mut breaths) = (0, Vec::new(), 0);
    let mut left = ports;
    while let Some((next, others)) = left.split_first() {
        let Sent { count, error } = sender.send(left);
        sent += count;
        left = left.get(count..).unwrap_or_default();
        let error = match error {
            Some(error) => error,
            None if count > 0 => continue,
            None => io::ErrorKind::WriteZero.into(),
        };
        // No memory, for a moment.
        let passes = [libc::ENOBUFS, libc::ENOMEM, libc::EAGAIN, libc::EINTR];
        if error.raw_os_error().is_some_and(|code| passes.contains(&code)) && breaths < BREATHS {
            breaths += 1;
            sys::pause(BREATH);
        } else {
            failed.push((*next, error));
            left = others;
        }
    }
    (sent, failed)
}
