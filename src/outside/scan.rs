//! Probes the ports of one address from one post.

mod again;

use super::driver::Entrance;
use super::follow::{Follower, Keys, Told, sequence};
use super::note::Note;
use super::{Job, LATE, Outside};
use crate::model::{
    Answer, Attempt, Dropped, Gap, Hides, Journey, Method, Need, Port, Reached, Sweep, Target,
    Transport,
};
use crate::wire::frame::{Content, Way};
use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

/// How many probes are sent before the kernel's tale of them is read.
const BATCH: usize = 128;
/// Of so many probes it is looked after each batch whether their story has ended; of older ones that did not yet, later.
const RECENT: usize = 8 * BATCH;
/// How long a server may take to answer a datagram, and a host behind this one a SYN.
const SERVER: Duration = Duration::from_millis(100);
/// How often a probe is sent of which the kernel tells nothing.
const TRIES: u8 = 3;

/// A sweep that goes on.
pub(super) struct Scan<'a> {
    outside: &'a mut Outside,
    job: &'a Job<'a>,
    follower: Follower,
    way: Way,
    key: u32,
    frame: Vec<u8>,
    /// When each port that is not settled was probed, and how often.
    open: Vec<Waiting>,
    sweep: Sweep,
    /// Those whose end no rule explains.
    unexplained: Vec<Waiting>,
    /// Whether the kernel had to drop a part of its tale.
    lost: bool,
    /// Whether a program in the driver of the device, or of one below it, was not asked.
    is_unasked: bool,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    port: Port,
    sent_at: Instant,
    tries: u8,
}

impl<'a> Scan<'a> {
    pub(super) fn new(outside: &'a mut Outside, job: &'a Job<'a>) -> Self {
        let way = job.post.way(outside.port);
        // Another for each sweep: what still comes of the last is none of this one's.
        outside.key = outside.key.wrapping_add(1 << 16);
        let key = outside.key;
        let follower = Follower::new(outside.table.name.clone(), way, Keys::Marks(key));
        let mut sweep = Sweep::new(job.post.target.clone(), job.transport, job.wanted.clone());
        sweep.method = Method::Inject;
        Self {
            outside,
            job,
            follower,
            way,
            key,
            frame: Vec::new(),
            open: Vec::new(),
            sweep,
            unexplained: Vec::new(),
            lost: false,
            is_unasked: false,
        }
    }

    /// Probes nothing, for this reason.
    pub(super) fn none(mut self, reason: &str) -> Sweep {
        self.gap(format!("the table of rules could not be used: {reason}"));
        self.sweep
    }

    /// Probes every port that is wanted.
    pub(super) fn run(mut self) -> Sweep {
        let (detail, others): (Vec<Port>, Vec<Port>) = self
            .job
            .wanted
            .iter()
            .filter(|port| !self.job.excluded.contains(*port))
            .partition(|port| self.job.detail.contains(*port));
        let most = BATCH.min(self.job.at_once.max(1));
        for batch in detail.chunks(most).chain(others.chunks(most)) {
            (self.job.turns)(batch.len());
            if (self.job.stop)() {
                break;
            }
            if let Err(error) = self.batch(batch, 1) {
                self.gap(format!("the interface took no frame: {error}"));
                break;
            }
            (self.job.advance)(batch.len());
        }
        self.settle();
        self.look_closer();
        if self.is_unasked {
            self.gap_of_driver();
        }
        self.outside.is_late |= self.may_be_answered();
        self.outside.write_note(None);
        self.sweep
    }

    /// Whether a datagram came to a socket that has not answered it.
    fn may_be_answered(&self) -> bool {
        let came = |journey: &Journey| {
            matches!(journey.reached, Reached::Host(_) | Reached::Through(_))
                && !journey.is_barred()
        };
        let is_silent = |port: &Port| {
            let attempt = self.sweep.attempts.get(port);
            attempt.is_some_and(|attempt| attempt.answer == Answer::Silence)
        };
        let mut journeys = self.sweep.journeys.iter();
        self.job.transport == Transport::Udp
            && journeys.any(|(port, journey)| came(journey) && is_silent(port))
    }

    /// Probes some ports at once, and takes what the kernel tells at once.
    fn batch(&mut self, ports: &[Port], tries: u8) -> io::Result<()> {
        self.outside.sent_datagrams |= self.job.transport == Transport::Udp;
        self.note(ports);
        let sent_at = Instant::now();
        for port in ports {
            self.follower.begin(*port);
            let waiting = Waiting { port: *port, sent_at, tries };
            match self.send(*port)? {
                Some(why) => self.attempt(*port, Answer::Failed(why.to_owned()), None, tries),
                None => self.open.push(waiting),
            }
        }
        self.hear();
        self.close_the_settled(RECENT);
        self.follower.forget_packets();
        Ok(())
    }

    /// Tells the guardian which ports may be half open.
    fn note(&mut self, ports: &[Port]) {
        let probes = Note {
            device: self.job.post.target.device,
            way: self.way,
            key: self.key,
            ports: ports.to_vec(),
        };
        self.outside.write_note((self.job.transport == Transport::Tcp).then_some(&probes));
    }

    /// Sends the probe of a port, as far as the driver of the device would let it in; says why it cannot be seen what
    /// would become of it.
    fn send(&mut self, port: Port) -> io::Result<Option<&'static str>> {
        self.probe(port);
        self.sweep.sent += 1;
        match self.outside.drivers.ask(self.job.post.target.device, &self.frame) {
            Entrance::Open => {}
            Entrance::Unasked => self.is_unasked = true,
            Entrance::Unknown(why) => return Ok(Some(why)),
            Entrance::Dropped(returned) => {
                let dropped = Dropped { reason: returned.to_owned(), location: None };
                self.follower.drops(port, dropped);
                return Ok(None);
            }
        }
        self.receive()?;
        Ok(None)
    }

    /// Makes the frame of a probe.
    fn probe(&mut self, port: Port) {
        let payload = (self.job.payload)(port);
        let content = match self.job.transport {
            Transport::Udp => Content::Datagram(payload),
            Transport::Tcp | Transport::Sctp => Content::Syn(sequence(self.key, port)),
        };
        self.way.frame(port, content, &mut self.frame);
    }

    /// Makes the device receive the frame.
    fn receive(&self) -> io::Result<()> {
        self.outside.receive(self.job.post.target.device, &self.frame)
    }

    /// Takes what the kernel has told.
    fn hear(&mut self) {
        self.lost |= self.outside.hear(&mut self.follower);
    }

    /// Records the ports whose story has ended, of so many that were probed last.
    fn close_the_settled(&mut self, last: usize) {
        let recent = self.open.split_off(self.open.len().saturating_sub(last));
        let (settled, open): (Vec<_>, Vec<_>) =
            recent.into_iter().partition(|waiting| self.follower.is_settled(waiting.port));
        self.open.extend(open);
        for waiting in settled {
            self.record(waiting);
        }
    }

    /// Waits for the ports that have no end yet, and sends again where the kernel told nothing.
    fn settle(&mut self) {
        let mut tries = 1;
        while !self.open.is_empty() && !(self.job.stop)() {
            // A SYN that came to a socket of ours is answered at once, or never.
            let may_be_answered = |waiting: &Waiting| {
                self.job.transport == Transport::Udp || !self.follower.has_begun(waiting.port)
            };
            let wait = if self.open.iter().any(may_be_answered) { SERVER } else { LATE };
            self.listen(wait);
            let again: BTreeSet<Port> = self
                .open
                .iter()
                .filter(|waiting| !self.follower.has_begun(waiting.port) || self.lost)
                .map(|waiting| waiting.port)
                .collect();
            if again.is_empty() || tries >= TRIES {
                break;
            }
            tries += 1;
            self.lost = false;
            self.open.retain(|waiting| !again.contains(&waiting.port));
            let again: Vec<Port> = again.into_iter().collect();
            for batch in again.chunks((BATCH / 4).min(self.job.at_once.max(1))) {
                (self.job.turns)(batch.len());
                if let Err(error) = self.batch(batch, tries) {
                    self.gap(format!("the interface took no frame: {error}"));
                    return;
                }
            }
        }
        for waiting in std::mem::take(&mut self.open) {
            self.record(waiting);
        }
    }

    /// Takes what the kernel tells within some time.
    fn listen(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            self.outside.trace.wait(left);
            self.hear();
            self.close_the_settled(usize::MAX);
            if left.is_zero() || self.open.is_empty() {
                return;
            }
        }
    }

    /// Records what came of a port, unless it is worth a closer look.
    fn record(&mut self, waiting: Waiting) {
        let Waiting { port, .. } = waiting;
        // A datagram may well be taken in in silence, and is sent again only where somebody is interested.
        let may_be_silent = self.job.transport == Transport::Udp && !self.job.detail.contains(port);
        let follower = &self.follower;
        if follower.is_cut_short(port) || (!may_be_silent && follower.is_silent(port)) {
            self.unexplained.push(waiting);
        } else {
            self.conclude(waiting);
        }
    }

    /// Records what came of a port, and closes what its probe opened.
    fn conclude(&mut self, waiting: Waiting) {
        let Waiting { port, sent_at, tries } = waiting;
        let has_end = self.follower.is_settled(port);
        let Told { answer, journey, is_half_open } = self.follower.end(port);
        if is_half_open {
            self.close(port);
        }
        // What the kernel did not tell is no silence.
        if self.lost && !has_end {
            let text = "the kernel had no room for its trace".to_owned();
            self.attempt(port, Answer::Failed(text), None, tries);
            return;
        }
        if self.is_unasked && answer.got_through() {
            let text = "a program of XDP sees frames of the wire first, and was not asked";
            self.attempt(port, Answer::Failed(text.to_owned()), None, tries);
            return;
        }
        let target = &self.job.post.target;
        let is_refusal = answer == Answer::plain_refusal(self.job.transport, target.address)
            && journey.stopped_by().is_none();
        let rtt = (answer != Answer::Silence).then(|| sent_at.elapsed());
        if is_refusal {
            self.sweep.refused.insert(port);
        }
        if !is_refusal || self.job.detail.contains(port) {
            self.attempt(port, answer, rtt, tries);
        }
        self.sweep.journeys.insert(port, journey);
    }

    fn attempt(&mut self, port: Port, answer: Answer, rtt: Option<Duration>, tries: u8) {
        let source = Some(self.way.source);
        self.sweep.attempts.insert(port, Attempt { answer, source, rtt, tries });
    }

    /// Ends a connection whose SYN was answered: the host that would have to does not exist.
    fn close(&mut self, port: Port) {
        self.reset(port);
        let _gone = self.receive().is_err();
    }

    /// Makes the frame that ends it.
    fn reset(&mut self, port: Port) {
        let sequence = sequence(self.key, port).wrapping_add(1);
        self.way.frame(port, Content::Reset(sequence), &mut self.frame);
    }

    fn gap_of_driver(&mut self) {
        let (at, reason, need) = if self.job.post.has_xdp_below {
            let reason =
                "a program of a device below it sees frames of the wire, and none that is injected";
            ("below", reason, None)
        } else {
            let reason = "a program in its driver sees frames of the wire, and none that is injected, and it could not be asked";
            ("at", reason, Some(Need::Root))
        };
        let what = format!("what XDP stops {at} {}", self.job.post.target.interface.name);
        let reason = reason.to_owned();
        self.sweep.gaps.push(Gap { what, reason, need, hides: Hides::Views });
    }

    fn gap(&mut self, reason: String) {
        let Target { vantage, address, .. } = &self.job.post.target;
        let what = format!("{} ports of {address} from {}", self.job.transport, vantage.name());
        let need = Some(Need::Retry);
        self.sweep.gaps.push(Gap { what, reason, need, hides: Hides::Views });
    }
}
