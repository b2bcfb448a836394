//! What another machine got as literals, and the reasons that must follow.

use super::*;
use crate::model::{
    Attempt, Chain, ClientAttempt, Decision, Errno, Icmp, Journey, Reached, RuleId, Socket, Step,
    Table, TableFamily, TakenBy, Way,
};
use crate::reconcile::why::Remote;
use crate::reconcile::why::tests::{facts, owned_by};
use std::time::Duration;

const OURS: &str = "10.0.0.5:80";

fn attempt(to: &str, outcome: Outcome, errno: Option<&str>) -> ClientAttempt {
    ClientAttempt {
        to: to.parse().unwrap(),
        outcome,
        errno: errno.and_then(Errno::told_in),
        icmp: None,
        elapsed: Duration::from_millis(1),
        sees_icmp: false,
        opened: None,
    }
}

fn refused(to: &str) -> ClientAttempt {
    attempt(to, Outcome::Refused, Some("ECONNREFUSED"))
}

fn silent(to: &str) -> ClientAttempt {
    attempt(to, Outcome::TimedOut, None)
}

/// One attempt; to an address of this host where that is 10.0.0.5.
fn asked(attempt: ClientAttempt, sockets: Vec<Socket>) -> Facts {
    let is_ours = attempt.to.to_string() == OURS;
    let way = if is_ours { Way::Local(7) } else { Way::Out { device: 0, gateway: None } };
    let case = Case::unasked(attempt, way);
    let there = There {
        login: "ssh me@web1".into(),
        seen: None,
        here: BTreeMap::new(),
        direct: true,
        sees_all: true,
    };
    let remote = Remote {
        word: "ssh:me@web1".into(),
        places: ["10.0.0.9 by bash".to_owned()].into(),
        sources: vec!["10.0.0.9".parse().unwrap()],
        every_address: false,
        there: Some(there),
    };
    let local = vec!["10.0.0.5".parse().unwrap()];
    Facts { remote: Some(remote), local, ..facts(vec![case], sockets) }
}

fn server(address: &str) -> Vec<Socket> {
    vec![owned_by(address, 42, "node")]
}

fn there(facts: &mut Facts) -> &mut There {
    facts.remote.as_mut().unwrap().there.as_mut().unwrap()
}

/// Adds what a traced packet from there got here.
fn traced(mut facts: Facts, answer: Answer, reached: Reached, verdict: Decision) -> Facts {
    let table = Table { family: TableFamily::Inet, name: "fw".into() };
    let rule = RuleId { chain: Chain { table, name: "input".into() }, handle: Some(4) };
    let journey =
        Journey { reached, steps: vec![Step { rule, verdict }], reply: None, dropped: None };
    let attempt = Attempt { answer, source: None, rtt: None, tries: 1 };
    let probed = Probed {
        to: OURS.parse().unwrap(),
        device: 7,
        attempt: &attempt,
        took: Duration::from_millis(1),
        journey: Some(&journey),
    };
    let here = facts.cases[0].confirm(&probed, &Rulebook::default(), &Filters::default(), None);
    there(&mut facts).here.insert(probed.to.ip(), here);
    facts
}

fn told(facts: &Facts) -> String {
    told_with(facts, None)
}

fn told_with(facts: &Facts, other: Option<&Told>) -> String {
    let why = judge_there(facts, other);
    match (why.works, why.diagnosis) {
        (true, _) => "works".into(),
        (_, Some(it)) => format!("{} {}", it.code, it.certainty.name()),
        _ => "nothing".into(),
    }
}

const CAME: Reached = Reached::Host(None);

fn open() -> Answer {
    Answer::SynAck(TakenBy::HalfOpen)
}

#[test]
fn what_this_host_alone_explains_is_said_as_ever() {
    let to = || refused(OURS);
    assert_eq!(told(&asked(to(), server("127.0.0.1"))), "R03 proved");
    assert_eq!(told(&asked(to(), Vec::new())), "R01 proved");
    let works = attempt(OURS, Outcome::Connected, None);
    assert_eq!(told(&asked(works, server("0.0.0.0"))), "works");
    let dropped = |facts| traced(facts, Answer::Silence, Reached::Rules, Decision::Drop);
    assert_eq!(told(&dropped(asked(silent(OURS), server("0.0.0.0")))), "T01 proved");
    let reset = traced(asked(to(), server("0.0.0.0")), Answer::Rst, Reached::Rules, Decision::Drop);
    assert_eq!(told(&reset), "R20 proved");
    // A tool tells the error; the ICMP error behind it is the trace's.
    let icmp = |code| Answer::Icmp(Icmp { kind: 3, code, from: None });
    let rejected = attempt(OURS, Outcome::Unreachable, Some("EHOSTUNREACH"));
    let rejected = asked(rejected, server("0.0.0.0"));
    assert_eq!(told(&traced(rejected, icmp(13), Reached::Rules, Decision::Drop)), "H01 proved");
    let by_port = asked(to(), server("0.0.0.0"));
    assert_eq!(told(&traced(by_port, icmp(3), Reached::Rules, Decision::Drop)), "R21 proved");
    // Behind a router NAT may have changed what arrives.
    let mut far = dropped(asked(silent(OURS), server("0.0.0.0")));
    there(&mut far).direct = false;
    assert_eq!(told(&far), "T01 likely");
}

#[test]
fn what_this_host_would_answer_otherwise_is_stopped_between() {
    let silence = || asked(silent(OURS), server("0.0.0.0"));
    let let_in = |facts, answer| traced(facts, answer, CAME, Decision::Accept);
    assert_eq!(told(&let_in(silence(), open())), "T10 likely");
    let nobody = asked(silent(OURS), Vec::new());
    let why = judge_there(&let_in(nobody, Answer::Rst), None);
    assert!(why.diagnosis.unwrap().text.contains("nothing listens on 80"));
    let refusal = || asked(refused(OURS), server("0.0.0.0"));
    assert_eq!(told(&let_in(refusal(), open())), "T10 likely");
    // What is refused there and dropped here is not refused by the rule that drops it.
    let other = traced(refusal(), Answer::Silence, Reached::Rules, Decision::Drop);
    let why = judge_there(&other, None);
    assert_eq!(why.diagnosis.as_ref().map(|it| it.code), Some(Code::T10));
    assert!(why.evidence.iter().all(|it| it.what != "rule"), "{why:?}");
    // What a program in the driver of this host drops no trace sees.
    let mut bypassed = let_in(silence(), open());
    there(&mut bypassed).sees_all = false;
    assert_eq!(told(&bypassed), "T10 possible");
    let text = judge_there(&bypassed, None).diagnosis.unwrap().text;
    assert!(text.contains("or a program in the driver of this host's device"), "{text}");
    // Without a trace it is not known which of the two it is.
    for facts in [silence(), refusal(), asked(silent(OURS), Vec::new())] {
        assert_eq!(told(&facts), "T10 possible");
        let why = judge_there(&facts, None);
        assert_eq!(why.gaps.len(), 1, "what would settle it is named");
    }
}

#[test]
fn an_icmp_error_is_of_who_sent_it() {
    let from = |from: &str| {
        let mut rejected = attempt(OURS, Outcome::Unreachable, Some("EHOSTUNREACH"));
        rejected.icmp = Some(Icmp { kind: 3, code: 13, from: Some(from.parse().unwrap()) });
        asked(rejected, server("0.0.0.0"))
    };
    assert_eq!(told(&from("10.0.0.5")), "H01 likely");
    assert_eq!(told(&from("10.0.0.1")), "T10 likely");
    let why = judge_there(&from("10.0.0.1"), None).diagnosis.unwrap();
    assert!(why.text.starts_with("10.0.0.1, and not this host, rejects it"), "{}", why.text);
    assert_eq!(why.next, ["ssh me@web1 tracepath -n 10.0.0.5"]);
}

#[test]
fn another_host_is_as_that_machine_sees_it() {
    let other = "10.0.0.7:80";
    assert_eq!(told(&asked(refused(other), server("127.0.0.1"))), "R01 likely");
    assert_eq!(told(&asked(silent(other), Vec::new())), "T01 possible");
    let without_way = attempt(other, Outcome::Unreachable, Some("ENETUNREACH"));
    assert_eq!(told(&asked(without_way, Vec::new())), "H05 possible");
    let mut nat = asked(silent(other), server("0.0.0.0"));
    there(&mut nat).seen = Some("10.0.0.7".parse().unwrap());
    let why = judge_there(&nat, None).diagnosis.unwrap();
    assert_eq!((why.code, why.certainty), (Code::T10, Certainty::Possible));
    // A portsight there knows more, and is not believed to be surer than it can be.
    let reason = |code, text: &str| Diagnosis {
        code,
        certainty: Certainty::Likely,
        text: text.into(),
        next: Vec::new(),
    };
    let mut says = Told {
        attempts: vec![refused(other)],
        works: false,
        diagnosis: Some(reason(Code::R03, "bound to loopback")),
    };
    let facts = asked(refused(other), Vec::new());
    assert_eq!(told_with(&facts, Some(&says)), "R03 likely");
    let next = judge_there(&facts, Some(&says)).diagnosis.unwrap().next;
    assert_eq!(next, ["ssh me@web1 portsight why localhost:80"]);
    // Of this host's own addresses it tells less than is known here.
    assert_eq!(told_with(&asked(refused(OURS), server("127.0.0.1")), Some(&says)), "R03 proved");
    says.diagnosis = Some(reason(Code::C02, "closed at once"));
    let opened = asked(attempt(OURS, Outcome::Connected, None), server("0.0.0.0"));
    assert_eq!(told_with(&opened, Some(&says)), "C02 likely");
    says.diagnosis = None;
    assert_eq!(told_with(&facts, Some(&says)), "nothing");
}
