//! Sweeps with a client that answers by a script.

use super::*;
use crate::model::{Icmp, Interface, TakenBy, Transport, Vantage};
use crate::probe::{Knock, Patience, Waits};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

/// What a port does at each try; after the last entry it stays silent.
type Script = HashMap<u16, Vec<Step>>;

#[derive(Clone)]
enum Step {
    Say(Answer),
    Silent,
    MeetItself,
}

/// A client that plays a script, and counts its open probes against a limit.
struct Scripted {
    script: RefCell<Script>,
    /// Ports that answer while they are waited for.
    late: HashMap<u16, Answer>,
    open: Rc<Cell<usize>>,
    limit: usize,
}

struct Probe(Rc<Cell<usize>>);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Scripted {
    fn step(&self, port: Port) -> Outcome {
        let mut script = self.script.borrow_mut();
        let steps = script.entry(port.get()).or_default();
        match if steps.is_empty() { Step::Silent } else { steps.remove(0) } {
            Step::Say(answer) => Outcome::Answered(answer, Reuse::Again),
            Step::Silent => Outcome::Pending,
            Step::MeetItself => Outcome::MetItself,
        }
    }
}

impl Client for Scripted {
    type Probe = Probe;

    fn open(&mut self, _port: Port, _freely: bool) -> io::Result<Probe> {
        if self.open.get() == self.limit {
            return Err(io::Error::other("too many open files"));
        }
        self.open.set(self.open.get() + 1);
        Ok(Probe(Rc::clone(&self.open)))
    }

    fn serves_both(&self, _one: Port, _other: Port) -> bool {
        true
    }

    fn knock(&mut self, _probe: &Probe, port: Port) -> Outcome {
        self.step(port)
    }

    fn look(&mut self, _probe: &Probe, port: Port) -> Outcome {
        let late = self.late.get(&port.get());
        late.map_or(Outcome::Pending, |answer| Outcome::Answered(answer.clone(), Reuse::Spent))
    }

    fn knock_again(&mut self, _probe: &mut Probe, port: Port) -> io::Result<Outcome> {
        Ok(self.step(port))
    }

    fn source(&self, _probe: &Probe) -> Option<SocketAddr> {
        None
    }

    fn wait<'a>(&self, probes: impl Iterator<Item = &'a Probe>, _time: Duration) -> Vec<usize> {
        // Everything may have an answer: those that have none are looked at in vain.
        (0..probes.count()).collect()
    }
}

fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

fn play(
    ports: std::ops::RangeInclusive<u16>,
    script: Script,
    limit: usize,
    stop: fn() -> bool,
) -> Sweep {
    let client =
        Scripted { script: RefCell::new(script), late: HashMap::new(), open: Rc::default(), limit };
    play_with(client, ports, stop)
}

fn play_with(client: Scripted, ports: std::ops::RangeInclusive<u16>, stop: fn() -> bool) -> Sweep {
    let job = Job {
        target: Target {
            vantage: Vantage::Loopback,
            address: "127.0.0.1".parse().unwrap(),
            interface: Interface { index: 1, name: "lo".into() },
            scope_id: 0,
            device: 1,
        },
        transport: Transport::Tcp,
        wanted: ports.clone().map(port).collect(),
        excluded: PortSet::new(),
        detail: PortSet::new(),
        knock: Knock::Connect,
        patience: Patience::Quick,
        waits: Waits::default(),
    };
    let progress = Progress::new(stop);
    let ports: Vec<Port> = ports.map(port).collect();
    Worker::new(client, &job, &progress, MOST_PARKED).run(&ports, Room::new(RESERVE))
}

fn refusing(ports: std::ops::RangeInclusive<u16>) -> Script {
    ports.map(|port| (port, vec![Step::Say(Answer::Rst)])).collect()
}

#[test]
fn refusals_are_kept_as_bits_and_everything_else_as_attempts() {
    let mut script = refusing(1..=10);
    script.insert(3, vec![Step::Say(Answer::SynAck(TakenBy::Probed))]);
    let sweep = play(1..=10, script, 100, || false);
    assert_eq!(sweep.refused.len(), 9);
    assert_eq!(sweep.attempts.keys().map(|port| port.get()).collect::<Vec<_>>(), [3]);
    assert_eq!((sweep.sent, sweep.rescued), (10, 0));
}

#[test]
fn silence_is_claimed_only_after_a_second_try() {
    let sweep = play(1..=3, refusing(1..=2), 100, || false);
    let attempt = &sweep.attempts[&port(3)];
    assert_eq!((attempt.answer.clone(), attempt.tries), (Answer::Silence, 2));
    assert_eq!(sweep.sent, 4);
}

#[test]
fn a_port_that_answers_the_second_time_is_rescued_and_the_others_are_asked_once_more() {
    let mut script = refusing(1..=2);
    script.insert(3, vec![Step::Silent, Step::Say(Answer::Rst)]);
    script.insert(4, vec![Step::Silent, Step::Silent, Step::Say(Answer::Rst)]);
    let sweep = play(1..=5, script, 100, || false);
    assert!(sweep.refused.contains(port(3)) && sweep.refused.contains(port(4)));
    assert_eq!(sweep.rescued, 2);
    assert_eq!(sweep.attempts[&port(5)].tries, 4, "each rescue earns the silent ones another try");
}

#[test]
fn an_answer_that_comes_while_it_is_waited_for_is_no_silence_and_no_rescue() {
    let client = Scripted {
        script: RefCell::default(),
        late: [2, 4].map(|port| (port, Answer::SynAck(TakenBy::Probed))).into(),
        open: Rc::default(),
        limit: 100,
    };
    let sweep = play_with(client, 1..=5, || false);
    let tries = |number| {
        let attempt = &sweep.attempts[&port(number)];
        (attempt.answer.got_through(), attempt.tries)
    };
    assert_eq!(
        [1, 2, 3, 4, 5].map(tries),
        [(false, 2), (true, 1), (false, 2), (true, 1), (false, 2)]
    );
    assert_eq!(sweep.rescued, 0);
}

#[test]
fn without_descriptors_the_silent_are_settled_first() {
    let sweep = play(1..=20, Script::new(), 4, || false);
    assert_eq!(sweep.attempts.len(), 20);
    assert!(
        sweep.attempts.values().all(|attempt| attempt.answer == Answer::Silence),
        "{:?}",
        sweep.attempts
    );
}

#[test]
fn a_probe_that_cannot_be_made_is_lost_and_never_silence() {
    let sweep = play(1..=2, Script::new(), 0, || false);
    assert!(sweep.attempts.values().all(|attempt| matches!(attempt.answer, Answer::Failed(_))));
    assert_eq!(sweep.sent, 0);
}

#[test]
fn what_answers_again_and_again_only_when_asked_again_makes_silence_unsteady() {
    let silent = |tries: usize| {
        let mut steps = vec![Step::Silent; tries];
        steps.push(Step::Say(Answer::Rst));
        steps
    };
    let script: Script = (1..=4).map(|port| (port, silent(usize::from(port)))).collect();
    assert!(play(1..=5, script, 100, || false).unsteady, "one was rescued by each try");
    let script = Script::from([(1, silent(1))]);
    let sweep = play(1..=5, script, 100, || false);
    assert!(!sweep.unsteady, "a pass without a rescue followed");
    assert_eq!(sweep.rescued, 1);
}

#[test]
fn a_failure_while_others_wait_is_tried_again_when_they_are_settled() {
    let failed = || Step::Say(Answer::Failed("no source port".into()));
    let script = Script::from([(2, vec![failed(), Step::Say(Answer::Rst)])]);
    let sweep = play(1..=2, script, 100, || false);
    assert_eq!(sweep.attempts[&port(1)].answer, Answer::Silence);
    assert!(sweep.refused.contains(port(2)));
}

#[test]
fn a_probe_that_meets_itself_is_sent_from_another_port() {
    let script =
        Script::from([(7, vec![Step::MeetItself, Step::MeetItself, Step::Say(Answer::Rst)])]);
    let sweep = play(7..=7, script, 100, || false);
    assert!(sweep.refused.contains(port(7)));
    assert!(sweep.attempts.is_empty());
}

#[test]
fn what_was_interrupted_was_not_probed() {
    let sweep = play(1..=9, refusing(1..=9), 100, || true);
    assert_eq!((sweep.refused.len(), sweep.attempts.len()), (0, 0));
}

#[test]
fn an_icmp_reject_of_a_tcp_port_is_no_plain_refusal() {
    let from = Some("127.0.0.1".parse().unwrap());
    let reject = Answer::Icmp(Icmp { kind: 3, code: 3, from });
    let mut script = refusing(1..=2);
    script.insert(2, vec![Step::Say(reject.clone())]);
    let sweep = play(1..=2, script, 100, || false);
    assert!(!sweep.refused.contains(port(2)));
    assert_eq!(sweep.attempts[&port(2)].answer, reject);
}
