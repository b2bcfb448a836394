//! A connection to a service, and how long it is listened to.

use super::Question;
use crate::model::{Family, Port, PortSet, Seen, TakenBy, Target};
use crate::probe::local::only_local;
use crate::probe::plan::Sources;
use crate::probe::share::Progress;
use crate::probe::taken::{Connection, OtherEnds};
use crate::sys::{self, TcpAnswer, TcpProbe};
use std::io;
use std::iter;
use std::time::{Duration, Instant};

/// The most that one port may cost.
const WHOLE: Duration = Duration::from_secs(2);
/// How long a connection may take to come up.
const CONNECT: Duration = Duration::from_millis(300);
/// How long more of an answer may take after what has come of it, and its whole rest.
const MORE: Duration = Duration::from_millis(150);
const REST: Duration = Duration::from_millis(400);
/// How often an interrupt is looked for.
const GLANCE: Duration = Duration::from_millis(50);
/// The most that is read from one connection.
const MOST_READ: usize = 16 * 1024;

/// How much time a port has left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock<'a> {
    end: Instant,
    progress: &'a Progress,
}

impl<'a> Clock<'a> {
    pub(super) fn start(progress: &'a Progress) -> Self {
        Self { end: Instant::now() + WHOLE, progress }
    }

    /// The moment when this much time is over, or all of it.
    pub(super) fn after(self, time: Duration) -> Instant {
        (Instant::now() + time).min(self.end)
    }

    /// Whether nothing more may be asked.
    pub(super) fn is_over(self) -> bool {
        self.is_stopped() || Instant::now() >= self.end
    }

    /// Whether the work was interrupted.
    pub(super) fn is_stopped(self) -> bool {
        self.progress.stopped()
    }
}

/// What waiting for bytes brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// Some.
    Some,
    /// None in time.
    Late,
    /// None, and there will be no more: the connection has ended, or as much was read as may be.
    End,
}

/// A way of talking with a service.
pub(super) trait Link {
    /// Appends what comes until a moment, at least one byte if any.
    fn read(&mut self, into: &mut Vec<u8>, until: Instant) -> Came;
    /// Says this, if the connection is still there.
    fn say(&mut self, bytes: &[u8], until: Instant);
    /// The time that is left.
    fn clock(&self) -> Clock<'_>;
}

/// Listens until `is_whole`, for `first` to the first byte and a little longer to the last. Returns what came, and
/// whether the connection has ended.
pub(super) fn hear(
    link: &mut dyn Link,
    first: Duration,
    is_whole: impl Fn(&[u8]) -> bool,
) -> (Vec<u8>, bool) {
    let mut heard = Vec::new();
    let mut until = link.clock().after(first);
    let mut end = None;
    loop {
        match link.read(&mut heard, until) {
            Came::Some if is_whole(&heard) => return (heard, false),
            Came::Some => {
                let end = *end.get_or_insert(link.clock().after(REST));
                until = link.clock().after(MORE).min(end);
            }
            Came::Late => return (heard, false),
            Came::End => return (heard, true),
        }
    }
}

/// Says something and listens to the answer, as [`hear`] does.
pub(super) fn exchange(
    link: &mut dyn Link,
    question: &[u8],
    first: Duration,
    is_whole: impl Fn(&[u8]) -> bool,
) -> (Vec<u8>, bool) {
    let until = link.clock().after(first);
    link.say(question, until);
    hear(link, first, is_whole)
}

/// A connection without TLS.
#[derive(Debug)]
pub(super) struct Plain<'a> {
    probe: TcpProbe,
    target: &'a Target,
    clock: Clock<'a>,
    /// How much more may be read.
    room: usize,
    /// Whether anything may be said on it.
    may_speak: bool,
}

/// Opens connections to one port.
#[derive(Debug)]
pub(super) struct Dialer<'a> {
    question: &'a Question,
    excluded: &'a PortSet,
    clock: Clock<'a>,
    sources: Sources,
    other_ends: OtherEnds,
}

impl<'a> Dialer<'a> {
    pub(super) fn new(question: &'a Question, excluded: &'a PortSet, clock: Clock<'a>) -> Self {
        let sources = Sources::new(sys::local_port_range(), &[question.port]);
        Self { question, excluded, clock, sources, other_ends: OtherEnds::new() }
    }

    /// A connection that a socket of this host took; else why there is none.
    pub(super) fn dial(&mut self) -> Result<Plain<'a>, Seen<()>> {
        let Question { target, port, .. } = self.question;
        let to = target.at(*port);
        let failed = |text: String| Err(Seen::Failed(text));
        if !is_here(target) {
            return failed("its address went away".into());
        }
        let source = self.sources.source(target, *port);
        let probe = match TcpProbe::new(Family::of(target.address), source) {
            Ok(probe) => probe,
            Err(error) => return failed(format!("socket: {error}")),
        };
        let until = self.clock.after(CONNECT);
        let mut answer = probe.knock(to);
        while matches!(answer, TcpAnswer::Pending) && wait(&probe, Way::Out, until, self.clock) {
            answer = probe.look(to);
        }
        match answer {
            TcpAnswer::Open => {}
            TcpAnswer::OpenedAndReset => return Ok(self.plain(probe, false)),
            TcpAnswer::Pending => return failed("it took no second connection in time".into()),
            TcpAnswer::Failed(error) => return failed(format!("connect: {error}")),
            TcpAnswer::Refused | TcpAnswer::Icmp(_) | TcpAnswer::NotSent => {
                return failed("it took no second connection".into());
            }
        }
        let from = match probe.source() {
            Ok(from) => from,
            Err(error) => return failed(format!("who took the connection is not known: {error}")),
        };
        if (from.ip(), from.port()) == (to.ip(), to.port()) {
            return failed("the connection met itself: nobody listens any more".into());
        }
        let connection = Connection { from, to, device: target.device };
        match self.other_ends.of(connection, || probe.is_up()) {
            TakenBy::Other(taker) if self.excludes(taker.port()) => {
                Err(Seen::Skipped("an excluded port takes its connections"))
            }
            TakenBy::Probed | TakenBy::Other(_) | TakenBy::HalfOpen => Ok(self.plain(probe, true)),
            TakenBy::Gone => Ok(self.plain(probe, false)),
            TakenBy::Nobody => {
                Err(Seen::Skipped("what answers is outside of this network namespace"))
            }
            TakenBy::Unknown(error) => {
                failed(format!("not asked, as who took the connection is not known: {error}"))
            }
        }
    }

    pub(super) fn clock(&self) -> Clock<'a> {
        self.clock
    }

    fn excludes(&self, port: u16) -> bool {
        Port::new(port).is_some_and(|port| self.excluded.contains(port))
    }

    fn plain(&self, probe: TcpProbe, may_speak: bool) -> Plain<'a> {
        let target = &self.question.target;
        Plain { probe, target, clock: self.clock, room: MOST_READ, may_speak }
    }
}

/// Whether packets to an address stay on this host. IPv6 sends those of a connection after an address that has gone
/// elsewhere.
fn is_here(target: &Target) -> bool {
    target.address.is_loopback() || only_local(vec![target.clone()]).1.is_empty()
}

impl Drop for Plain<'_> {
    fn drop(&mut self) {
        if !is_here(self.target) {
            self.probe.seal();
        }
    }
}

/// What a connection is waited for.
#[derive(Debug, Clone, Copy)]
enum Way {
    In,
    Out,
}

/// Whether it is ready before a moment, and before an interrupt.
fn wait(probe: &TcpProbe, way: Way, until: Instant, clock: Clock<'_>) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || clock.is_stopped() {
            return false;
        }
        let ready = match way {
            Way::In => sys::wait_readable(iter::once(probe), left.min(GLANCE)),
            Way::Out => sys::wait_writable(iter::once(probe), left.min(GLANCE)),
        };
        if !ready.is_empty() {
            return true;
        }
    }
}

impl Link for Plain<'_> {
    fn read(&mut self, into: &mut Vec<u8>, until: Instant) -> Came {
        let mut buffer = [0; 4096];
        let room = buffer.len().min(self.room);
        let Some(buffer) = buffer.get_mut(..room).filter(|buffer| !buffer.is_empty()) else {
            return Came::End;
        };
        loop {
            match self.probe.receive(buffer) {
                Ok(0) => return Came::End,
                Ok(length) => {
                    self.room -= length;
                    into.extend_from_slice(buffer.get(..length).unwrap_or_default());
                    return Came::Some;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !wait(&self.probe, Way::In, until, self.clock) {
                        return Came::Late;
                    }
                }
                Err(_ended) => return Came::End,
            }
        }
    }

    fn say(&mut self, mut bytes: &[u8], until: Instant) {
        self.may_speak = self.may_speak && is_here(self.target);
        while self.may_speak && !bytes.is_empty() {
            match self.probe.send(bytes) {
                Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.may_speak = wait(&self.probe, Way::Out, until, self.clock);
                }
                // What it said before it went can still be read.
                Err(_ended) => self.may_speak = false,
            }
        }
    }

    fn clock(&self) -> Clock<'_> {
        self.clock
    }
}
