//! Stories that the kernel could tell.

use super::*;
use crate::model::TableFamily;

const TABLE: &str = "portsight-1-1";
const KEY: u32 = 0xabcd_0000;

fn way() -> Way {
    Way {
        from: [2; 6],
        to: [4; 6],
        source: "10.0.0.9:40000".parse().unwrap(),
        target: "10.0.0.1".parse().unwrap(),
    }
}

fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

fn follower(ports: &[u16]) -> Follower {
    let mut follower = Follower::new(TABLE.into(), way(), Keys::Marks(KEY));
    for number in ports {
        follower.begin(port(*number));
    }
    follower
}

/// The headers of a SYN to this port.
fn syn(number: u16, target: &str) -> Headers {
    let sequence = sequence(KEY, port(number));
    Headers {
        source: way().source,
        target: target.parse().unwrap(),
        mark: number,
        content: Content::Tcp { flags: 2, sequence, acknowledgement: 0 },
    }
}

/// The headers of a reply to it, with these flags.
fn reply(number: u16, flags: u8) -> Headers {
    let acknowledgement = sequence(KEY, port(number)).wrapping_add(1);
    Headers {
        source: format!("10.0.0.1:{number}").parse().unwrap(),
        target: way().source,
        mark: 0,
        content: Content::Tcp { flags, sequence: 7, acknowledgement },
    }
}

fn event<'a>(
    packet: u32,
    table: &'a str,
    chain: &'a str,
    handle: Option<u64>,
    decision: Decision,
    headers: Option<Headers>,
) -> Event<'a> {
    let (table, chain) = (table.as_bytes(), chain.as_bytes());
    let decision = Some(decision);
    Event { packet, family: TableFamily::Inet, table, chain, handle, decision, headers }
}

/// A packet comes to a chain of our own.
fn passes(packet: u32, chain: &str, headers: Headers) -> Event<'_> {
    event(packet, TABLE, chain, Some(1), Decision::Accept, Some(headers))
}

fn step(chain: &str, handle: Option<u64>, verdict: Decision) -> Step {
    let table = Table { family: TableFamily::Inet, name: "fw".into() };
    Step { rule: RuleId { chain: Chain { table, name: chain.into() }, handle }, verdict }
}

const SYN_ACK: u8 = 0x12;
const RST_ACK: u8 = 0x14;

#[test]
fn an_open_port_is_let_in_and_answers() {
    let mut follower = follower(&[22]);
    follower.take(&passes(1, PROBE_IN, syn(22, "10.0.0.1:22")));
    let accept = Decision::Accept;
    follower.take(&event(1, "fw", "input", Some(4), accept.clone(), Some(syn(22, "10.0.0.1:22"))));
    follower.take(&passes(1, PROBE_END, syn(22, "10.0.0.1:22")));
    assert!(!follower.is_settled(port(22)));
    follower.take(&passes(2, REPLY_OUT, reply(22, SYN_ACK)));
    follower.take(&event(2, "fw", "output", None, accept.clone(), None));
    follower.take(&passes(2, REPLY_END, reply(22, SYN_ACK)));
    assert!(follower.is_settled(port(22)));
    let told = follower.end(port(22));
    assert_eq!(told.answer, Answer::SynAck(TakenBy::HalfOpen));
    assert!(told.is_half_open);
    assert_eq!(
        *told.journey,
        Journey {
            reached: Reached::Host(None),
            steps: vec![step("input", Some(4), accept.clone())],
            reply: Some(Reply { left: true, steps: vec![step("output", None, accept)] }),
            dropped: None,
        }
    );
}

#[test]
fn a_drop_ends_a_story_and_a_reject_has_an_answer() {
    let mut follower = follower(&[80, 81]);
    for number in [80, 81] {
        let headers = syn(number, &format!("10.0.0.1:{number}"));
        follower.take(&passes(number.into(), PROBE_IN, headers));
        let jump = Decision::Jump("ports".into());
        follower.take(&event(number.into(), "fw", "input", Some(2), jump, Some(headers)));
    }
    // The reset sets out before the verdict is told.
    follower.take(&passes(7, REPLY_OUT, reply(81, RST_ACK)));
    follower.take(&passes(7, REPLY_END, reply(81, RST_ACK)));
    for number in [81, 80] {
        follower.take(&event(number, "fw", "ports", Some(9), Decision::Drop, None));
    }
    for (number, answer) in [(80, Answer::Silence), (81, Answer::Rst)] {
        assert!(follower.is_settled(port(number)));
        let told = follower.end(port(number));
        assert_eq!((told.answer, told.is_half_open), (answer, false));
        assert_eq!(told.journey.reached, Reached::Rules);
        let by = told.journey.stopped_by().unwrap();
        assert_eq!((by.chain.name.as_str(), by.handle), ("ports", Some(9)));
    }
}

#[test]
fn a_translated_destination_and_a_stopped_reply_are_seen() {
    let mut follower = follower(&[8070, 22]);
    follower.take(&passes(1, PROBE_IN, syn(8070, "10.0.0.1:8070")));
    follower.take(&passes(1, PROBE_END, syn(8070, "10.0.0.1:22")));
    follower.take(&passes(2, PROBE_IN, syn(22, "10.0.0.1:22")));
    follower.take(&passes(2, PROBE_END, syn(22, "10.0.0.1:22")));
    follower.take(&passes(3, REPLY_OUT, reply(22, SYN_ACK)));
    follower.take(&event(3, "fw", "output", Some(5), Decision::Drop, None));
    let redirected = follower.end(port(8070)).journey;
    assert_eq!(redirected.reached, Reached::Host(Some("10.0.0.1:22".parse().unwrap())));
    let told = follower.end(port(22));
    assert_eq!(told.answer, Answer::Silence, "the client gets nothing");
    assert!(told.is_half_open, "and the server waits");
    assert_eq!(told.journey.reply_stopped_by().unwrap().handle, Some(5));
}

#[test]
fn the_packets_of_others_are_no_story_of_ours() {
    let mut follower = follower(&[22]);
    let mut other = syn(22, "10.0.0.1:22");
    other.content = Content::Tcp { flags: 2, sequence: 5, acknowledgement: 0 };
    follower.take(&event(1, "fw", "input", Some(4), Decision::Drop, Some(other)));
    follower.take(&event(1, "fw", "input", Some(4), Decision::Drop, None));
    follower.take(&event(9, "fw", "input", Some(4), Decision::Drop, None));
    assert!(!follower.has_begun(port(22)) && !follower.is_settled(port(22)));
    // The table of another portsight decides nothing.
    follower.take(&passes(1, PROBE_IN, syn(22, "10.0.0.1:22")));
    follower.take(&event(1, "portsight-2-1", PROBE_END, None, Decision::Accept, None));
    let journey = follower.end(port(22)).journey;
    assert_eq!((journey.reached, journey.steps.len()), (Reached::Rules, 0));
}

#[test]
fn an_icmp_error_belongs_to_the_probe_that_it_quotes() {
    let mut follower = follower(&[53]);
    let mut datagram = syn(53, "10.0.0.1:53");
    datagram.content = Content::Udp(4);
    follower.take(&passes(1, PROBE_IN, datagram));
    let error = Headers {
        source: "10.0.0.1:0".parse().unwrap(),
        target: "10.0.0.9:0".parse().unwrap(),
        mark: 0,
        content: Content::Icmp { kind: 3, code: 3, quoted: 53 },
    };
    follower.take(&passes(2, REPLY_END, error));
    let from = Some("10.0.0.1".parse().unwrap());
    assert_eq!(follower.end(port(53)).answer, Answer::Icmp(Icmp { kind: 3, code: 3, from }));
}

#[test]
fn ways_that_are_the_same_are_one() {
    let mut follower = follower(&[1, 2]);
    let journeys = [1, 2].map(|number| {
        let headers = syn(number, &format!("10.0.0.1:{number}"));
        follower.take(&passes(number.into(), PROBE_END, headers));
        follower.end(port(number)).journey
    });
    assert!(Arc::ptr_eq(&journeys[0], &journeys[1]));
}

/// Where no rule matches, the kernel tells first that a packet is there, and then what the policy does.
#[test]
fn a_policy_ends_a_story_by_the_headers_that_came_before() {
    let mut follower = follower(&[22]);
    let arrives = event(1, "fw", "input", None, Decision::Accept, Some(syn(22, "10.0.0.1:22")));
    follower.take(&Event { decision: None, ..arrives });
    assert!(!follower.is_settled(port(22)));
    follower.take(&event(1, "fw", "input", None, Decision::Drop, None));
    let journey = follower.end(port(22)).journey;
    assert_eq!(journey.steps, [step("input", None, Decision::Drop)]);
}

#[test]
fn what_no_rule_ended_is_told_from_what_one_did() {
    let mut follower = follower(&[22, 23, 24, 25]);
    let came = |number| syn(number, &format!("10.0.0.1:{number}"));
    for number in [23, 24, 25] {
        follower.take(&passes(number.into(), PROBE_IN, came(number)));
    }
    follower.take(&passes(24, PROBE_END, came(24)));
    follower.take(&event(25, "fw", "input", Some(9), Decision::Drop, Some(came(25))));
    let of = |follower: &Follower, number| {
        (follower.is_cut_short(port(number)), follower.is_silent(port(number)))
    };
    assert_eq!(of(&follower, 22), (true, true), "it never came to a rule");
    assert_eq!(of(&follower, 23), (true, true));
    assert_eq!(of(&follower, 24), (false, true), "the socket may be silent");
    assert_eq!(of(&follower, 25), (false, false), "a rule did it");
    // A rule of the old ip_tables is one too, and so is the kernel's own word an end.
    follower.meets(&came(23), step("INPUT", Some(3), Decision::Drop));
    assert_eq!(of(&follower, 23), (false, false));
    let filter = Dropped { reason: "SOCKET_FILTER".into(), location: None };
    follower.drops(port(24), filter.clone());
    assert!(follower.is_settled(port(24)) && !follower.is_silent(port(24)));
    assert_eq!(follower.end(port(23)).journey.stopped_by().unwrap().handle, Some(3));
    assert_eq!(follower.end(port(24)).journey.dropped, Some(filter));
}

#[test]
fn what_was_known_comes_back_where_nothing_new_is_told() {
    let mut follower = follower(&[22, 23, 24]);
    for number in [22, 23] {
        follower.take(&passes(number.into(), PROBE_IN, syn(number, "10.0.0.1:22")));
    }
    let before = [22, 23, 24].map(|number| follower.put_aside(port(number)));
    assert_eq!(before.each_ref().map(Option::is_some), [true, true, false]);
    // Meanwhile nothing is taken to it.
    follower.take(&passes(1, PROBE_END, syn(22, "10.0.0.1:22")));
    for number in [22, 23, 24] {
        follower.begin(port(number));
    }
    follower.take(&passes(2, PROBE_IN, syn(23, "10.0.0.1:23")));
    follower.take(&passes(2, PROBE_END, syn(23, "10.0.0.1:23")));
    for (number, story) in [22, 23, 24].into_iter().zip(before) {
        follower.bring_back(port(number), story);
    }
    let reached = [22, 23, 24].map(|number| follower.end(port(number)).journey.reached);
    assert_eq!(reached, [Reached::Rules, Reached::Host(None), Reached::Nothing]);
}

/// The kernel gives a packet of this host to itself another destination on its way out, and its port is no key then.
#[test]
fn a_destination_that_a_packet_of_ours_gets_on_its_way_out_is_seen() {
    let reached = |told: &[(&'static str, &str, &str)]| {
        let mut follower = Follower::new(TABLE.into(), way(), Keys::Ports);
        follower.begin(port(80));
        for (chain, source, target) in told {
            let headers = Headers { source: source.parse().unwrap(), ..syn(80, target) };
            follower.take(&passes(1, chain, headers));
        }
        follower.end(port(80)).journey.reached
    };
    let us = "10.0.0.9:40000";
    let out = (LOCAL_OUT, us, "10.0.0.1:80");
    let to = |text: &str| text.parse().unwrap();
    let away = (LOCAL_AWAY, us, "10.88.0.2:8080");
    assert_eq!(reached(&[out, away]), Reached::Through(to("10.88.0.2:8080")));
    let here = (LOCAL_IN, us, "10.88.0.2:8080");
    assert_eq!(reached(&[out, away, here]), Reached::Host(Some(to("10.88.0.2:8080"))));
    let same = [out, (LOCAL_AWAY, us, "10.0.0.1:80"), (LOCAL_IN, us, "10.0.0.1:80")];
    assert_eq!(reached(&same), Reached::Host(None));
    // Near misses: a packet of somebody else with the same number, and one that was not heard of before.
    let other = (LOCAL_AWAY, "10.0.0.8:40000", "10.88.0.2:8080");
    assert_eq!(reached(&[out, other]), Reached::Rules);
    assert_eq!(reached(&[away]), Reached::Nothing);
}
