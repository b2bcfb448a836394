//! Sends what is not explained again, to hear more of it.

use super::super::Outside;
use super::super::closer::{Closer, Resend};
use super::{BATCH, Scan, Waiting};
use crate::model::Port;
use crate::sys::Injection;
use std::collections::BTreeMap;
use std::io;

/// The frames of probes that are sent again.
struct Again {
    device: u32,
    /// The probe of each port, and what ends what it opened.
    frames: BTreeMap<Port, (Vec<u8>, Option<Vec<u8>>)>,
    /// Whether the device gets clones of them.
    clones: bool,
    sent: u64,
}

impl Resend for Again {
    fn send(&mut self, outside: &Outside, port: Port) -> io::Result<()> {
        self.sent += 1;
        let (probe, _) = self.frames.get(&port).ok_or(io::ErrorKind::NotFound)?;
        outside.receive(self.device, probe)
    }

    fn injects(&self) -> bool {
        self.clones
    }

    fn forget(&mut self, outside: &Outside, port: Port) {
        if let Some((_, Some(reset))) = self.frames.get(&port) {
            let _gone = outside.receive(self.device, reset).is_err();
        }
    }
}

impl Scan<'_> {
    /// Looks closer at what is not explained, and records it.
    pub(super) fn look_closer(&mut self) {
        let unexplained = std::mem::take(&mut self.unexplained);
        let mut left = unexplained.as_slice();
        let loggers = self.outside.loggers.clone();
        let mut closer = if left.is_empty() { None } else { Closer::open(self.outside, &loggers) };
        while let (Some(closer), false) = (&mut closer, left.is_empty()) {
            // Each of them may be sent twice.
            let most = (BATCH / 4).min(self.job.at_once.max(1)).min(left.len());
            let (batch, rest) = left.split_at(most);
            (self.job.turns)(2 * batch.len());
            if (self.job.stop)() || self.again(closer, batch).is_err() {
                break;
            }
            for waiting in batch {
                self.conclude(*waiting);
            }
            left = rest;
        }
        // What was not looked at again is what it was.
        for waiting in left {
            self.conclude(*waiting);
        }
        if let Some(closer) = closer {
            closer.close(self.outside);
        }
    }

    fn again(&mut self, closer: &mut Closer<'_>, batch: &[Waiting]) -> io::Result<()> {
        let ports: Vec<Port> = batch.iter().map(|waiting| waiting.port).collect();
        self.note(&ports);
        let mut frames = BTreeMap::new();
        for port in &ports {
            self.probe(*port);
            let syn = self.frame.clone();
            let reset = self.follower.is_half_open(*port).then(|| {
                self.reset(*port);
                self.frame.clone()
            });
            frames.insert(*port, (syn, reset));
        }
        let device = self.job.post.target.device;
        let injector = self.outside.injectors.get(&device);
        let clones = injector.is_some_and(|injector| injector.how() == Injection::Clone);
        let mut again = Again { device, frames, clones, sent: 0 };
        let done = closer.again(self.outside, &mut self.follower, &ports, &mut again);
        self.sweep.sent += again.sent;
        done
    }
}
