//! Jobs on lines that answer by a script.

use super::line::Sender;
use super::*;
use crate::model::{Answer, Icmp, Interface, TakenBy, Target, Transport, Vantage};
use crate::probe::{Knock, Patience, Waits};
use crate::sys::Sent;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// What a port does when it is asked for the first time, for the second, and so on; at last it refuses.
type Script = HashMap<u16, Vec<Step>>;

#[derive(Debug, Clone)]
enum Step {
    Say(Answer),
    Silent,
    /// The kernel does not send, with this error.
    Fail(i32),
    /// It does not send, and an answer comes all the same: a rule on the way out that rejects.
    Reject(Answer),
}

/// A wire with a script, and what went over it.
#[derive(Debug, Default)]
struct Wire {
    script: Mutex<Script>,
    /// The source port and the port of each probe.
    sent: Mutex<Vec<(u16, u16)>>,
    opened: AtomicU16,
    /// Of each line its port, and its inbox as long as it is there.
    lines: Mutex<Vec<(u16, Weak<Mutex<Inbox>>)>>,
    /// The ports that were probed while a line had them.
    met: Mutex<Vec<u16>>,
}

/// A line with room for so many answers.
#[derive(Debug, Clone)]
struct Scripted {
    wire: Arc<Wire>,
    port: u16,
    inbox: Arc<Mutex<Inbox>>,
    room: usize,
    refusal: Answer,
}

#[derive(Debug, Default)]
struct Inbox {
    heard: Vec<(Port, Answer)>,
    lost: u32,
}

impl Sender for Scripted {
    fn send(&mut self, ports: &[Port]) -> Sent {
        let mut script = self.wire.script.lock().unwrap();
        let mut inbox = self.inbox.lock().unwrap();
        for (count, port) in ports.iter().enumerate() {
            let steps = script.entry(port.get()).or_default();
            let step =
                if steps.is_empty() { Step::Say(self.refusal.clone()) } else { steps.remove(0) };
            let (answer, error) = match step {
                Step::Say(answer) => (Some(answer), None),
                Step::Silent => (None, None),
                Step::Fail(error) => (None, Some(error)),
                Step::Reject(answer) => (Some(answer), Some(libc::EPERM)),
            };
            if error.is_some() && count > 0 {
                // As sendmmsg does: the error is that of the next call.
                steps.insert(0, step_again(answer, error));
                return Sent { count, error: None };
            }
            if inbox.heard.len() < self.room {
                inbox.heard.extend(answer.map(|answer| (*port, answer)));
            } else {
                inbox.lost += u32::from(answer.is_some());
            }
            if let Some(error) = error {
                return Sent { count: 0, error: Some(io::Error::from_raw_os_error(error)) };
            }
            self.wire.sent.lock().unwrap().push((self.port, port.get()));
            let lines = self.wire.lines.lock().unwrap();
            if lines.iter().any(|(held, line)| *held == port.get() && line.strong_count() > 0) {
                self.wire.met.lock().unwrap().push(port.get());
            }
        }
        Sent { count: ports.len(), error: None }
    }
}

impl Line for Scripted {
    type Sender = Self;

    fn source(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    fn sender(&self) -> io::Result<Self> {
        Ok(self.clone())
    }

    fn hear(&mut self, take: &mut dyn FnMut(Port, Answer)) {
        for (port, answer) in self.inbox.lock().unwrap().heard.drain(..) {
            take(port, answer.clone());
            take(port, answer);
        }
    }

    fn wait(&self, _time: Duration) {}

    fn hang_up(&mut self) {}

    fn lost(&mut self) -> u32 {
        std::mem::take(&mut self.inbox.lock().unwrap().lost)
    }
}

fn step_again(answer: Option<Answer>, error: Option<i32>) -> Step {
    match (answer, error) {
        (Some(answer), _) => Step::Reject(answer),
        (None, error) => Step::Fail(error.unwrap()),
    }
}

fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

/// A job for ports of 127.0.0.1, of which 7 matters most and 9 is left alone.
fn job(ports: std::ops::RangeInclusive<u16>) -> Job {
    Job {
        target: Target {
            vantage: Vantage::Loopback,
            address: "127.0.0.1".parse().unwrap(),
            interface: Interface { index: 1, name: "lo".into() },
            scope_id: 0,
            device: 1,
        },
        transport: Transport::Tcp,
        wanted: ports.map(port).collect(),
        excluded: [port(9)].into_iter().collect(),
        detail: [port(7)].into_iter().collect(),
        knock: Knock::Syn,
        waits: Waits::default(),
        patience: Patience::Quick,
    }
}

/// Probes TCP ports on lines with the source ports from 40000 on.
fn play(ports: std::ops::RangeInclusive<u16>, script: Script, room: usize) -> (Sweep, Arc<Wire>) {
    do_job(&job(ports), script, room)
}

fn do_job(job: &Job, script: Script, room: usize) -> (Sweep, Arc<Wire>) {
    let wire = Arc::new(Wire { script: Mutex::new(script), ..Wire::default() });
    let open = || {
        // The second line would have the port of the first again.
        let number = wire.opened.fetch_add(1, Ordering::Relaxed).saturating_sub(1);
        let inbox = Arc::default();
        let port = 40_000 + number;
        wire.lines.lock().unwrap().push((port, Arc::downgrade(&inbox)));
        let refusal = Answer::plain_refusal(job.transport, job.target.address);
        Ok(Scripted { wire: Arc::clone(&wire), port, inbox, room, refusal })
    };
    let sweep = run_on(job, &Progress::new(|| false), open).unwrap();
    (sweep, wire)
}

fn answers(sweep: &Sweep) -> Vec<(u16, Answer, u8)> {
    let attempts = sweep.attempts.iter();
    attempts.map(|(port, attempt)| (port.get(), attempt.answer.clone(), attempt.tries)).collect()
}

const OPEN: Answer = Answer::SynAck(TakenBy::HalfOpen);
/// Room for every answer.
const WIDE: usize = usize::MAX;

#[test]
fn each_port_is_asked_once_and_each_answer_counts_once() {
    let icmp = Answer::Icmp(Icmp { kind: 3, code: 13, from: None });
    let script = Script::from([(5, vec![Step::Say(OPEN)]), (6, vec![Step::Say(icmp.clone())])]);
    let (sweep, wire) = play(1..=1000, script, WIDE);
    assert_eq!(answers(&sweep), [(5, OPEN, 1), (6, icmp, 1), (7, Answer::Rst, 1)]);
    assert_eq!((sweep.refused.len(), sweep.sent, sweep.rescued), (997, 999, 0));
    assert_eq!(sweep.method, Method::Syn);
    assert!(wire.sent.lock().unwrap().iter().all(|(_, port)| *port != 9), "it was excluded");
    assert_eq!(wire.sent.lock().unwrap()[0].1, 7, "what matters most goes first");
}

#[test]
fn no_port_is_probed_from_itself_or_while_we_have_it() {
    let (sweep, wire) = play(39_000..=41_000, Script::new(), WIDE);
    assert_eq!((sweep.refused.len(), sweep.sent), (2001, 2001));
    assert!(wire.sent.lock().unwrap().iter().all(|(from, to)| from != to));
    assert_eq!(*wire.met.lock().unwrap(), [0; 0]);
    assert_eq!(wire.sent.lock().unwrap().last(), Some(&(40_001, 40_000)));
}

#[test]
fn a_port_of_ours_that_cannot_be_probed_from_another_is_a_gap() {
    let job = job(39_999..=40_001);
    let opened = AtomicU16::new(0);
    let wire = Arc::new(Wire::default());
    let open = || match opened.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(Scripted {
            wire: Arc::clone(&wire),
            port: 40_000,
            inbox: Arc::default(),
            room: WIDE,
            refusal: Answer::Rst,
        }),
        _ => Err(io::ErrorKind::OutOfMemory.into()),
    };
    let sweep = run_on(&job, &Progress::new(|| false), open).unwrap();
    assert_eq!(sweep.not_probed().map(Port::get).collect::<Vec<_>>(), [40_000]);
    assert_eq!((sweep.refused.len(), sweep.gaps.len()), (2, 1));
}

#[test]
fn of_udp_only_the_targets_own_port_unreachable_is_a_plain_refusal() {
    let icmp =
        |code, from: &str| Answer::Icmp(Icmp { kind: 3, code, from: Some(from.parse().unwrap()) });
    let of_others = [icmp(3, "10.0.0.1"), icmp(13, "127.0.0.1"), Answer::Payload(0)];
    let says = |(port, answer): (u16, &Answer)| (port, vec![Step::Say(answer.clone())]);
    let script = (1..).zip(&of_others).map(says);
    let job = Job { transport: Transport::Udp, ..job(1..=6) };
    let (sweep, _) = do_job(&job, script.collect(), WIDE);
    let told: Vec<_> = answers(&sweep).into_iter().map(|(_, answer, _)| answer).collect();
    assert_eq!(told, of_others);
    assert_eq!((sweep.refused.len(), sweep.method), (3, Method::Udp));
}

#[test]
fn silence_is_claimed_only_after_a_second_try_and_a_rescue_is_no_silence() {
    let silent = |tries: usize| vec![Step::Silent; tries];
    let script = Script::from([(1, silent(1)), (2, silent(9))]);
    let (sweep, _) = play(1..=3, script, WIDE);
    assert_eq!(answers(&sweep), [(2, Answer::Silence, 3)], "a rescue earns another try");
    assert_eq!((sweep.rescued, sweep.unsteady), (1, false));
}

#[test]
fn a_refusal_of_the_kernel_is_the_answer_of_that_port_and_of_no_other() {
    let script = Script::from([
        (2, vec![Step::Fail(libc::EPERM)]),
        (4, vec![Step::Reject(Answer::Rst)]),
        (5, vec![Step::Fail(libc::ENOBUFS), Step::Fail(libc::ENOBUFS)]),
        (6, vec![Step::Fail(libc::EINVAL)]),
    ]);
    let (sweep, _) = play(1..=6, script, WIDE);
    let failed = Answer::Failed("send: Invalid argument (os error 22)".into());
    assert_eq!(answers(&sweep), [(2, Answer::NotSent, 1), (6, failed, 1)]);
    assert_eq!((sweep.refused.len(), sweep.sent), (4, 3));
}

#[test]
fn answers_without_room_are_asked_for_again_and_are_no_rescue_of_the_way() {
    let (sweep, _) = play(1..=2000, Script::new(), 3);
    assert_eq!(sweep.refused.len(), 1999);
    assert!(!sweep.unsteady);
}

#[test]
fn what_can_never_be_heard_is_lost_and_not_silent() {
    let (sweep, _) = play(1..=3, Script::new(), 0);
    let failed = |answer: &Answer| matches!(answer, Answer::Failed(_));
    assert_eq!(sweep.attempts.len(), 3);
    assert!(sweep.attempts.values().all(|attempt| failed(&attempt.answer)), "{sweep:?}");
}

/// Room for one answer of a batch at most: the kernel drops the others.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn with_hardly_any_room_no_answer_of_the_kernel_is_lost() {
    for transport in [Transport::Tcp, Transport::Udp] {
        let job = Job { transport, ..job(1..=u16::MAX) };
        let open = || RawLine::with_room(&job.target, transport, 1);
        let sweep = run_on(&job, &Progress::new(|| false), open).unwrap();
        assert!(sweep.rescued > 0, "it was too much room");
        let refusal = Answer::plain_refusal(transport, job.target.address);
        let failed = sweep
            .attempts
            .values()
            .filter(|attempt| !attempt.answer.got_through() && attempt.answer != refusal);
        assert_eq!(failed.count(), 0);
        assert!(!sweep.unsteady);
        assert!(sweep.refused.len() > 65_000, "nobody listens in a namespace of one's own");
    }
}

/// A datagram to our port from elsewhere is no answer.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn only_what_the_target_sends_is_its_answer() {
    let job = Job { transport: Transport::Udp, ..job(1..=7) };
    let mut line = RawLine::open(&job.target, job.transport).unwrap();
    let mut heard = Vec::new();
    for from in ["127.0.0.2:7", "127.0.0.1:7"] {
        let socket = std::net::UdpSocket::bind(from).unwrap();
        assert_eq!(socket.send_to(&[0; 300], line.source()).unwrap(), 300);
    }
    line.hear(&mut |port, answer| heard.push((port.get(), answer)));
    assert_eq!(heard, [(7, Answer::Payload(300))]);
}

#[test]
fn a_line_that_cannot_be_opened_is_an_error() {
    let open = || -> io::Result<Scripted> { Err(io::ErrorKind::PermissionDenied.into()) };
    assert!(run_on(&job(1..=1), &Progress::new(|| false), open).is_err());
}
