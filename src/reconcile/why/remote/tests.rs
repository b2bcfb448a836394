//! Traced probes from the network as literals, and the reasons that must follow.

use super::*;
use crate::model::{
    Chain, Decision, Queue, Reached, Reply, RuleId, Seen, Socket, Step, Table, TableFamily,
    TakenBy, Transport,
};
use crate::reconcile::why::judge;
use crate::reconcile::why::tests::{facts, owned_by, told};

fn step(verdict: Decision) -> Step {
    let table = Table { family: TableFamily::Inet, name: "fw".into() };
    Step { rule: RuleId { chain: Chain { table, name: "input".into() }, handle: Some(4) }, verdict }
}

fn journey(reached: Reached, verdict: Decision) -> Journey {
    Journey { reached, steps: vec![step(verdict)], reply: None, dropped: None }
}

/// A probe of each of these addresses from `lan`; all of this host are meant.
fn probed(probes: &[(&str, Answer, Journey)], sockets: Vec<Socket>) -> Facts {
    let case = |(to, answer, journey): &(&str, Answer, Journey)| {
        let attempt = Attempt { answer: answer.clone(), source: None, rtt: None, tries: 1 };
        let took = Duration::from_millis(1);
        let to = to.parse().unwrap();
        let journey = Some(journey);
        Probed { to, device: 7, attempt: &attempt, took, journey }.case(
            &Rulebook::default(),
            &Filters::default(),
            sockets.first(),
        )
    };
    let remote = Remote {
        word: "lan".into(),
        places: ["10.0.0.9 by eth0".to_owned()].into(),
        sources: vec!["10.0.0.9".parse().unwrap()],
        every_address: true,
        there: None,
    };
    let cases = probes.iter().map(case).collect();
    // What this host's own packets take does not matter.
    Facts { remote: Some(remote), loopback_is_up: false, ..facts(cases, sockets) }
}

fn one(answer: Answer, journey: Journey, sockets: Vec<Socket>) -> Facts {
    probed(&[("10.0.0.5:80", answer, journey)], sockets)
}

fn server(address: &str) -> Vec<Socket> {
    vec![owned_by(address, 42, "node")]
}

const CAME: Reached = Reached::Host(None);

fn let_in(reached: Reached) -> Journey {
    journey(reached, Decision::Accept)
}

#[test]
fn what_came_back_is_told_with_its_place() {
    let open = || Answer::SynAck(TakenBy::HalfOpen);
    let works = one(open(), let_in(CAME), server("0.0.0.0"));
    assert_eq!(told(&works), "works");
    let why = judge(&works);
    assert_eq!(why.from.as_deref(), Some("lan"));
    assert_eq!(why.evidence[0].text, "10.0.0.9 by eth0");
    assert_eq!(told(&one(Answer::Rst, let_in(CAME), Vec::new())), "R01 proved");
    let bound = one(Answer::Rst, let_in(CAME), server("127.0.0.1"));
    assert_eq!(told(&bound), "R03 proved");
    assert!(judge(&bound).also_checked[0].contains("every rule lets it pass"));
    let port = |number| crate::model::Port::new(number).unwrap();
    let near = vec![Socket { port: port(8081), ..server("::").remove(0) }];
    let mut near = one(Answer::Rst, let_in(CAME), near);
    near.asked.port = port(8080);
    let next = judge(&near).diagnosis.unwrap().next;
    assert_eq!(next, ["portsight why localhost:8081 --from lan"]);
    assert_eq!(told(&one(Answer::Rst, let_in(CAME), server("0.0.0.0"))), "R12 possible");
    let icmp = |code| Answer::Icmp(Icmp { kind: 3, code, from: None });
    let dropped = || journey(Reached::Rules, Decision::Drop);
    assert_eq!(told(&one(Answer::Rst, dropped(), server("0.0.0.0"))), "R20 proved");
    assert_eq!(told(&one(icmp(3), dropped(), server("0.0.0.0"))), "R21 proved");
    assert_eq!(told(&one(icmp(13), dropped(), server("0.0.0.0"))), "H01 proved");
    assert_eq!(told(&one(Answer::Silence, dropped(), server("0.0.0.0"))), "T01 proved");
    assert_eq!(told(&probed(&[], server("0.0.0.0"))), "nothing");
    // A rule resets, and nobody listens behind it: both are told.
    let both = judge(&one(Answer::Rst, dropped(), Vec::new()));
    assert!(both.evidence.iter().any(|it| it.what == "rule"), "{both:#?}");
}

#[test]
fn silence_that_no_rule_explains_is_not_blamed_on_one() {
    let with = |reached, sockets| told(&one(Answer::Silence, let_in(reached), sockets));
    assert_eq!(with(Reached::Nothing, server("0.0.0.0")), "T01 likely");
    assert_eq!(with(Reached::Rules, server("0.0.0.0")), "T01 likely");
    assert_eq!(with(CAME, server("0.0.0.0")), "T04 possible");
    // For this host's own packets the counters say more.
    let mut own = one(Answer::Silence, let_in(Reached::Rules), server("0.0.0.0"));
    (own.remote, own.loopback_is_up) = (None, true);
    assert!(judge(&own).evidence.iter().any(|it| it.what == "rule"), "not traced");
    let full = |length, limit| {
        let mut sockets = server("0.0.0.0");
        sockets[0].queue = Seen::Known(Queue { length, limit, drops: 0 });
        sockets
    };
    assert_eq!(with(CAME, full(2, 1)), "T03 proved");
    assert_eq!(with(CAME, full(1, 2)), "T04 possible");
    let mut new = one(Answer::Silence, let_in(CAME), full(2, 1));
    new.before.sockets = full(0, 1);
    assert_eq!(told(&new), "T03 likely", "it was not full before");
    let drops = |steps| Some(Reply { left: false, steps });
    let answered = Journey { reply: drops(vec![step(Decision::Drop)]), ..let_in(CAME) };
    let why = judge(&one(Answer::Silence, answered, server("0.0.0.0")));
    assert!(why.diagnosis.unwrap().text.contains("drops the answer"));
}

#[test]
fn what_is_handed_on_is_told_as_far_as_it_was_asked() {
    let to = |text: &str| Reached::Through(text.parse().unwrap());
    let with = |answer, reached| told(&one(answer, let_in(reached), Vec::new()));
    let inside = || to("172.17.0.2:80");
    assert_eq!(with(Answer::SynAck(TakenBy::HalfOpen), inside()), "works");
    assert_eq!(with(Answer::Rst, inside()), "R19 proved");
    assert_eq!(with(Answer::Silence, inside()), "R19 likely");
    let away = Reached::Away("192.0.2.1:80".parse().unwrap());
    assert_eq!(with(Answer::Silence, away), "R19 possible", "it was not asked");
    let unreachable = Answer::Icmp(Icmp { kind: 3, code: 1, from: None });
    assert_eq!(with(unreachable, inside()), "R19 proved");
    let here = Reached::Host(Some("10.0.0.5:81".parse().unwrap()));
    assert_eq!(with(Answer::Rst, here), "R19 proved");
    let mut datagram = one(Answer::Silence, let_in(inside()), Vec::new());
    datagram.asked.transport = Transport::Udp;
    assert_eq!(told(&datagram), "R19 possible");
}

#[test]
fn of_every_address_one_that_works_is_enough_where_the_others_have_no_server() {
    let open = ("10.0.0.5:80", Answer::SynAck(TakenBy::HalfOpen), let_in(CAME));
    let refused = ("[fd00::5]:80", Answer::Rst, let_in(CAME));
    let dropped = ("[fd00::5]:80", Answer::Silence, journey(Reached::Rules, Decision::Drop));
    let mut ipv4 = probed(&[open.clone(), refused.clone()], server("0.0.0.0"));
    assert_eq!(told(&ipv4), "works R06 proved");
    assert_eq!(judge(&ipv4).diagnosis.unwrap().next, ["use 10.0.0.5:80"]);
    ipv4.remote.as_mut().unwrap().every_address = false;
    assert_eq!(told(&ipv4), "R06 proved", "a client of the name may take either");
    let link = ("[fe80::5]:80", Answer::Rst, let_in(CAME));
    let on_link = probed(&[link.clone(), open.clone()], server("0.0.0.0"));
    assert_eq!(told(&on_link), "works", "nobody names the address of a link");
    assert_eq!(told(&probed(&[link], server("0.0.0.0"))), "R06 proved", "it is all there is");
    let both = probed(&[open, dropped], server("::"));
    assert_eq!(told(&both), "T01 proved", "a rule that stops one is not excused");
    assert_eq!(told(&probed(&[refused], server("127.0.0.1"))), "R03 proved");
}

#[test]
fn datagrams_are_told_by_the_trace() {
    let with = |answer, journey, sockets: Vec<Socket>| {
        let udp = |socket| Socket {
            transport: Transport::Udp,
            state: crate::model::SocketState::Unconnected,
            ..socket
        };
        let mut facts = one(answer, journey, sockets.into_iter().map(udp).collect());
        facts.asked.transport = Transport::Udp;
        told(&facts)
    };
    let dropped = || journey(Reached::Rules, Decision::Drop);
    let refusal = || Answer::plain_refusal(Transport::Udp, [10, 0, 0, 5].into());
    assert_eq!(with(Answer::Payload(3), let_in(CAME), server("0.0.0.0")), "works");
    assert_eq!(with(Answer::Silence, let_in(CAME), server("0.0.0.0")), "works U01 likely");
    assert_eq!(with(Answer::Silence, let_in(CAME), Vec::new()), "R01 proved");
    assert_eq!(with(refusal(), let_in(CAME), Vec::new()), "R01 proved");
    assert_eq!(with(refusal(), dropped(), Vec::new()), "R21 proved");
    assert_eq!(with(refusal(), dropped(), server("0.0.0.0")), "R21 proved");
    assert_eq!(with(Answer::Silence, dropped(), server("0.0.0.0")), "T01 proved");
    assert_eq!(with(Answer::Silence, dropped(), Vec::new()), "T01 proved");
    assert_eq!(with(Answer::Silence, let_in(Reached::Nothing), server("0.0.0.0")), "T01 likely");
}
