//! Jobs on lines that answer by a script.

use super::line::Sender;
use super::*;
use crate::model::{Answer, Icmp, Interface, TakenBy, Target, Transport, Vantage};
use crate::probe::{Knock, Patience, Waits};
use crate::sys::Sent;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
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
    /// The source port and the port of each SYN.
    sent: Mutex<Vec<(u16, u16)>>,
    opened: AtomicU16,
}

/// A line with room for so many answers.
#[derive(Debug, Clone)]
struct Scripted {
    wire: Arc<Wire>,
    port: u16,
    inbox: Arc<Mutex<Inbox>>,
    room: usize,
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
            let step = if steps.is_empty() { Step::Say(Answer::Rst) } else { steps.remove(0) };
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

/// Probes ports on lines with the source ports from 40000 on.
fn play(ports: std::ops::RangeInclusive<u16>, script: Script, room: usize) -> (Sweep, Arc<Wire>) {
    let job = job(ports);
    let wire = Arc::new(Wire { script: Mutex::new(script), ..Wire::default() });
    let open = || {
        let port = 40_000 + wire.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Scripted { wire: Arc::clone(&wire), port, inbox: Arc::default(), room })
    };
    let sweep = run_on(&job, &Progress::new(|| false), open).unwrap();
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
fn no_port_is_probed_from_itself() {
    let (sweep, wire) = play(39_000..=41_000, Script::new(), WIDE);
    assert_eq!((sweep.refused.len(), sweep.sent), (2001, 2001));
    assert!(wire.sent.lock().unwrap().iter().all(|(from, to)| from != to));
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
    let job = job(1..=u16::MAX);
    let sweep =
        run_on(&job, &Progress::new(|| false), || RawLine::with_room(&job.target, 1)).unwrap();
    assert!(sweep.rescued > 0, "it was too much room");
    let (refused, failed) = (
        sweep.refused.len(),
        sweep
            .attempts
            .values()
            .filter(|attempt| !attempt.answer.got_through() && attempt.answer != Answer::Rst),
    );
    assert_eq!(failed.count(), 0);
    assert!(!sweep.unsteady);
    assert!(refused > 65_000, "nobody listens in a namespace of one's own");
}

#[test]
fn a_line_that_cannot_be_opened_is_an_error() {
    let open = || -> io::Result<Scripted> { Err(io::ErrorKind::PermissionDenied.into()) };
    assert!(run_on(&job(1..=1), &Progress::new(|| false), open).is_err());
}
