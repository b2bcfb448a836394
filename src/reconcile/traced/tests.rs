//! Ways through rules, and the verdicts that must follow.

use super::super::tests::listener;
use crate::model::*;
use crate::reconcile::{Facts, Look, doors, judge};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

fn chain(name: &str) -> Chain {
    Chain { table: Table { family: TableFamily::Inet, name: "fw".into() }, name: name.into() }
}

fn rule(name: &str, handle: Option<u64>) -> RuleId {
    RuleId { chain: chain(name), handle }
}

fn step(name: &str, handle: u64, verdict: Decision) -> Step {
    Step { rule: rule(name, Some(handle)), verdict }
}

/// The way to the sockets of this host by a rule that accepts, with these replies on the way out.
fn delivered(reply: Option<Reply>) -> Journey {
    let steps = vec![step("input", 7, Decision::Accept)];
    Journey { reached: Reached::Host(None), steps, reply, dropped: None }
}

const LEFT: Option<Reply> = Some(Reply { left: true, steps: Vec::new() });

/// A drop in a chain that the input chain jumps to.
fn dropped() -> Journey {
    let steps =
        vec![step("input", 2, Decision::Jump("ports".into())), step("ports", 9, Decision::Drop)];
    Journey { reached: Reached::Rules, steps, reply: None, dropped: None }
}

fn rulebook() -> Rulebook {
    let base = |hook| Base { hook, kind: ChainKind::Filter, priority: 0, policy: Policy::Accept };
    Rulebook {
        chains: BTreeMap::from([
            (chain("input"), Some(base(Hook::Input))),
            (chain("output"), Some(base(Hook::Output))),
            (chain("ports"), None),
        ]),
        rules: BTreeMap::new(),
    }
}

fn facts(
    vantage: Vantage,
    sockets: &[Socket],
    ports: Vec<(u16, Answer, Journey)>,
    rulebook: Rulebook,
) -> Facts {
    let target = Target {
        vantage,
        address: "10.0.0.5".parse().unwrap(),
        interface: Interface { index: 2, name: "eth0".into() },
        scope_id: 0,
        device: 2,
    };
    let wanted: PortSet = ports.iter().map(|(number, ..)| port(*number)).collect();
    let mut sweep = Sweep::new(target, Transport::Tcp, wanted);
    sweep.method = Method::Inject;
    for (number, answer, journey) in ports {
        let attempt = Attempt { answer, source: None, rtt: None, tries: 1 };
        sweep.attempts.insert(port(number), attempt);
        sweep.journeys.insert(port(number), Arc::new(journey));
    }
    let inventory = || Inventory { sockets: sockets.to_vec(), ..Inventory::default() };
    let look = Look {
        before: inventory(),
        after: inventory(),
        sweeps: vec![sweep],
        lookups: BTreeMap::new(),
        deliveries: BTreeMap::new(),
        droppers: BTreeMap::new(),
        tracks_connections: true,
    };
    let named = BTreeSet::from([Endpoint { port: port(80), transport: Transport::Tcp }]);
    Facts { rulebook, ..Facts::new(look, named) }
}

fn view(vantage: Vantage, sockets: &[Socket], answer: Answer, journey: Journey) -> View {
    let facts = facts(vantage, sockets, vec![(80, answer, journey)], rulebook());
    let judgement = judge(&facts);
    judgement.items[0].views[0].clone()
}

/// State, verdict, certainty, how, hook, and the handle of the rule.
fn in_words(view: &View) -> String {
    let how = view.how.map_or("-", How::name);
    let hook = view.hook.known().map_or("-", |hook| hook.name());
    let handle = view.rule.known().and_then(|rule| rule.id.handle);
    let handle = handle.map_or_else(|| "-".to_owned(), |handle| handle.to_string());
    let (state, verdict) = (view.state.name(), view.verdict.name());
    format!("{state} {verdict} {} {how} {hook} {handle}", view.certainty.name())
}

const OPEN: Answer = Answer::SynAck(TakenBy::HalfOpen);

#[test]
fn a_way_from_the_network_decides() {
    let here = [listener("10.0.0.5")];
    let elsewhere = [listener("127.0.0.1")];
    let no_reply = || Reply { left: false, steps: vec![step("output", 5, Decision::Drop)] };
    let lost = Journey { reached: Reached::Nothing, steps: Vec::new(), reply: None, dropped: None };
    let refused_by_routing = Journey { reached: Reached::Rules, ..lost.clone() };
    let redirected =
        Journey { reached: Reached::Host(Some("10.0.0.5:22".parse().unwrap())), ..delivered(LEFT) };
    let handed_on =
        Journey { reached: Reached::Through("172.17.0.2:80".parse().unwrap()), ..delivered(LEFT) };
    let queued = Journey {
        reached: Reached::Rules,
        steps: vec![step("input", 4, Decision::Queue)],
        reply: None,
        dropped: None,
    };
    let away =
        Journey { reached: Reached::Away("10.0.0.9:80".parse().unwrap()), ..delivered(None) };
    let table: [(&[Socket], Answer, Journey, &str); 20] = [
        (&here, OPEN, refused_by_routing.clone(), "open reachable likely - - -"),
        (
            &here,
            Answer::Rst,
            refused_by_routing.clone(),
            "closed filtered likely reset prerouting -",
        ),
        (&here, Answer::Silence, queued, "filtered filtered likely dropped input 4"),
        (&here, Answer::Silence, away, "filtered forwarded likely - input 7"),
        (&here, OPEN, delivered(LEFT), "open reachable proved - input 7"),
        (&here, Answer::Silence, dropped(), "filtered filtered proved dropped input 9"),
        (&here, Answer::Rst, dropped(), "closed filtered proved reset input 9"),
        (
            &here,
            Answer::Silence,
            delivered(Some(no_reply())),
            "filtered filtered proved reply-dropped output 5",
        ),
        (&here, Answer::Silence, lost.clone(), "filtered filtered likely dropped ingress -"),
        (
            &here,
            Answer::Silence,
            refused_by_routing,
            "filtered filtered likely dropped prerouting -",
        ),
        (&here, Answer::Silence, delivered(None), "filtered filtered likely dropped input -"),
        (&here, Answer::Rst, delivered(LEFT), "closed inconclusive likely - input 7"),
        (&elsewhere, Answer::Rst, delivered(LEFT), "closed local-only proved - input 7"),
        (&elsewhere, Answer::Silence, dropped(), "filtered local-only proved - input 9"),
        (&[], Answer::Rst, delivered(LEFT), "closed closed proved - input 7"),
        (&[], Answer::Silence, dropped(), "filtered shielded proved dropped input 9"),
        (&[], Answer::Rst, dropped(), "closed shielded proved reset input 9"),
        (&[], OPEN, delivered(LEFT), "open unexpected likely - input 7"),
        (&[], OPEN, redirected, "open forwarded proved - input 7"),
        (&[], OPEN, handed_on, "open forwarded proved - input 7"),
    ];
    for (sockets, answer, journey, expected) in table {
        let view = view(Vantage::Lan, sockets, answer.clone(), journey.clone());
        assert_eq!(in_words(&view), expected, "{answer:?} {journey:?}");
    }
}

#[test]
fn a_rule_that_rejects_does_so_also_where_its_error_was_held_back() {
    let mut rulebook = rulebook();
    let id = rule("ports", Some(9));
    let text = Some("udp dport 80 reject".to_owned());
    rulebook.rules.insert(id.clone(), Rule { id, text, backend: Backend::Nftables });
    let facts = facts(Vantage::Lan, &[], vec![(80, Answer::Silence, dropped())], rulebook);
    let view = &judge(&facts).items[0].views[0];
    assert_eq!(in_words(view), "filtered shielded proved rejected input 9");
    assert_eq!(view.rule.known().unwrap().text.as_deref(), Some("udp dport 80 reject"));
}

#[test]
fn a_trace_explains_what_a_local_client_got() {
    let here = [listener("10.0.0.5")];
    let told = |sockets: &[Socket], answer, journey| {
        in_words(&view(Vantage::Own, sockets, answer, journey))
    };
    assert_eq!(
        told(&here, Answer::NotSent, dropped()),
        "filtered filtered proved not-sent input 9"
    );
    assert_eq!(told(&[], Answer::Rst, dropped()), "closed shielded proved reset input 9");
    assert_eq!(told(&[], Answer::Rst, delivered(LEFT)), "closed closed proved - - -");
    assert_eq!(told(&here, OPEN, dropped()), "open reachable likely - - -", "it was open");
}

#[test]
fn the_network_decides_about_a_port() {
    let mut facts = facts(
        Vantage::Lan,
        &[listener("10.0.0.5")],
        vec![(80, Answer::Silence, dropped())],
        rulebook(),
    );
    let mut local = facts.first.sweeps[0].clone();
    local.target.vantage = Vantage::Own;
    local.journeys.clear();
    local.attempts.values_mut().for_each(|attempt| attempt.answer = OPEN);
    facts.first.sweeps.push(local);
    let item = &judge(&facts).items[0];
    assert_eq!((item.verdict, item.verdict_from), (Some(Verdict::Filtered), VerdictFrom::Network));
}

#[test]
fn a_door_is_open_only_where_most_are_closed() {
    let closed = |number| (number, Answer::Silence, dropped());
    let open = (80, Answer::Rst, delivered(LEFT));
    let opened = |sockets: &[Socket], ports: Vec<(u16, Answer, Journey)>| -> Vec<String> {
        let facts = facts(Vantage::Lan, sockets, ports, rulebook());
        let door = |door: &Door| {
            let handle = door.rule.as_ref().and_then(|rule| rule.id.handle);
            format!("{} {handle:?}", door.endpoint)
        };
        doors(&facts).iter().map(door).collect()
    };
    assert_eq!(opened(&[], vec![open.clone(), closed(1), closed(2)]), ["80/tcp Some(7)"]);
    assert!(opened(&[listener("127.0.0.1")], vec![open.clone(), closed(1), closed(2)]).is_empty());
    assert!(opened(&[], vec![open, closed(1)]).is_empty(), "half of them");
}
