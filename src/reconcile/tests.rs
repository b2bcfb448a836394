//! Facts as literals, and the verdicts that must follow.

use super::*;
use crate::model::{
    Answer, Certainty, Cookie, Family, Gap, Held, Hides, Icmp, Inode, Interface, Lookup, Method,
    Nat, Port, PortSet, Queue, Seen, SocketState, TakenBy, Transport, Vantage, Verdict,
};

const TCP_80: Endpoint = Endpoint { port: port(80), transport: Transport::Tcp };
const UDP_80: Endpoint = Endpoint { port: port(80), transport: Transport::Udp };

const fn port(number: u16) -> Port {
    match Port::new(number) {
        Some(port) => port,
        None => panic!("port 0"),
    }
}

/// A socket that serves port 80 at an address; its cookie tells sockets apart.
fn socket(transport: Transport, address: &str, cookie: u64) -> Socket {
    let address: std::net::IpAddr = address.parse().unwrap();
    Socket {
        transport,
        family: Family::of(address),
        address,
        port: port(80),
        interface: Seen::Absent,
        v6_only: if address.is_ipv4() { Seen::Absent } else { Seen::Known(true) },
        state: match transport {
            Transport::Tcp | Transport::Sctp => SocketState::Listen,
            Transport::Udp => SocketState::Unconnected,
        },
        peer: None,
        mptcp: false,
        signed: false,
        cookie: Cookie(cookie),
        queue: Seen::Known(Queue { length: 0, limit: 128, drops: 0 }),
        service: None,
        nat: Nat::default(),
        held: Held::new(Inode(cookie), Seen::Known(0)),
    }
}

pub(super) fn listener(address: &str) -> Socket {
    socket(Transport::Tcp, address, 7)
}

/// One port of 127.0.0.1, and everything that is known of it.
#[derive(Clone)]
struct World {
    endpoint: Endpoint,
    before: Vec<Socket>,
    after: Vec<Socket>,
    answer: Answer,
    lookup: Option<Lookup>,
    delivery: Option<Delivery>,
    dropper: Option<DroppedBy>,
    gaps: Vec<Gap>,
}

impl World {
    fn tcp(sockets: &[Socket], answer: Answer) -> Self {
        Self {
            endpoint: TCP_80,
            before: sockets.to_vec(),
            after: sockets.to_vec(),
            answer,
            lookup: sockets.first().map(|socket| Lookup::Socket(socket.cookie)),
            delivery: None,
            dropper: None,
            gaps: Vec::new(),
        }
    }

    fn udp(sockets: &[Socket], answer: Answer, delivery: Option<Delivery>) -> Self {
        Self { endpoint: UDP_80, delivery, ..Self::tcp(sockets, answer) }
    }

    fn target() -> Target {
        Target {
            vantage: Vantage::Loopback,
            address: "127.0.0.1".parse().unwrap(),
            interface: Interface { index: 1, name: "lo".into() },
            scope_id: 0,
            device: 1,
        }
    }

    fn look(&self) -> Look {
        let inventory = |sockets: &[Socket]| Inventory {
            sockets: sockets.to_vec(),
            gaps: self.gaps.clone(),
            ..Inventory::default()
        };
        let wanted: PortSet = [port(80)].into_iter().collect();
        let mut sweep = Sweep::new(Self::target(), self.endpoint.transport, wanted);
        let attempt = Attempt { answer: self.answer.clone(), source: None, rtt: None, tries: 1 };
        sweep.attempts.insert(port(80), attempt);
        let pair = Pair { target: Self::target(), endpoint: self.endpoint };
        Look {
            before: inventory(&self.before),
            after: inventory(&self.after),
            sweeps: vec![sweep],
            lookups: self.lookup.iter().map(|lookup| (pair.clone(), lookup.clone())).collect(),
            deliveries: self
                .delivery
                .iter()
                .map(|delivery| (pair.clone(), Ok(*delivery)))
                .collect(),
            droppers: self.dropper.iter().map(|dropper| (pair.clone(), *dropper)).collect(),
            tracks_connections: false,
        }
    }

    fn judge(&self, second: Option<&Self>) -> Judgement {
        judge(&Facts {
            second: second.map(Self::look),
            ..Facts::new(self.look(), [self.endpoint].into_iter().collect())
        })
    }

    /// The view after a second look at the same world.
    fn settled(&self) -> View {
        let judgement = self.judge(Some(self));
        assert_eq!(judgement.unsettled, [], "a second look leaves nothing unsettled");
        judgement.items[0].views[0].clone()
    }

    fn wants_second_look(&self) -> bool {
        !self.judge(None).unsettled.is_empty()
    }
}

fn opened(taken: TakenBy) -> Answer {
    Answer::SynAck(taken)
}

fn icmp(code: u8) -> Answer {
    Answer::Icmp(Icmp { kind: 3, code, from: Some("127.0.0.1".parse().unwrap()) })
}

/// State, verdict, certainty and how, and whether a second look is wanted first.
fn in_words(world: &World) -> String {
    let view = world.settled();
    let how = view.how.map_or_else(String::new, |how| format!(" {}", how.name()));
    let again = if world.wants_second_look() { ", twice" } else { "" };
    let [state, verdict, certainty] =
        [view.state.name(), view.verdict.name(), view.certainty.name()];
    format!("{state} {verdict} {certainty}{how}{again}")
}

#[test]
fn tcp_verdicts() {
    use TakenBy::{Gone, HalfOpen, Nobody, Probed};
    let here = || vec![listener("0.0.0.0")];
    let elsewhere = || vec![listener("127.0.0.2")];
    let none = Vec::new;
    let other = || opened(TakenBy::Other("127.0.0.1:22".parse().unwrap()));
    let lost = || Answer::Failed("EMFILE".into());
    let table = [
        (here(), opened(Probed), "open reachable proved"),
        (here(), opened(HalfOpen), "open reachable proved"),
        (here(), opened(Gone), "open reachable likely"),
        (here(), other(), "open forwarded proved"),
        (none(), other(), "open forwarded proved"),
        (here(), opened(Nobody), "open forwarded likely"),
        (none(), opened(Nobody), "open unexpected proved, twice"),
        (none(), opened(Probed), "open unexpected likely, twice"),
        (none(), opened(Gone), "open unexpected likely, twice"),
        (none(), opened(HalfOpen), "open unexpected likely, twice"),
        (elsewhere(), opened(Probed), "open unexpected likely, twice"),
        (here(), Answer::Rst, "closed filtered likely reset, twice"),
        (here(), icmp(13), "filtered filtered likely rejected, twice"),
        (here(), Answer::Silence, "filtered filtered likely dropped, twice"),
        (here(), Answer::NotSent, "filtered filtered likely not-sent, twice"),
        (here(), lost(), "unknown inconclusive likely, twice"),
        (elsewhere(), Answer::Rst, "closed local-only proved"),
        (elsewhere(), Answer::Silence, "filtered local-only likely"),
        (none(), Answer::Rst, "closed closed likely"),
        (none(), Answer::Silence, "filtered shielded likely dropped"),
        (none(), icmp(3), "filtered shielded likely rejected"),
        (none(), lost(), "unknown inconclusive likely, twice"),
    ];
    for (sockets, answer, expected) in table {
        let what = format!("{answer:?} with {} sockets", sockets.len());
        assert_eq!(in_words(&World::tcp(&sockets, answer)), expected, "{what}");
    }
}

/// A SYN that was answered: where connections are tracked another socket may have done it.
#[test]
fn what_was_half_opened_is_sure_only_where_nothing_is_tracked() {
    for (tracks_connections, certainty) in [(false, Certainty::Proved), (true, Certainty::Likely)] {
        let world = World::tcp(&[listener("0.0.0.0")], opened(TakenBy::HalfOpen));
        let mut first = world.look();
        first.tracks_connections = tracks_connections;
        first.sweeps[0].method = Method::Syn;
        let named = [TCP_80].into_iter().collect();
        let facts = Facts::new(first, named);
        let view = judge(&facts).items[0].views[0].clone();
        assert_eq!((view.verdict, view.certainty), (Verdict::Reachable, certainty));
        assert_eq!((view.method, view.note.is_some()), (Method::Syn, tracks_connections));
    }
}

/// nmap's words for a refusal.
#[test]
fn a_refusal_is_called_what_the_method_calls_it() {
    for (method, reason) in [(Method::Syn, "reset"), (Method::Connect, "conn-refused")] {
        let mut first = World::tcp(&[], Answer::Rst).look();
        first.sweeps[0].method = method;
        let named = [TCP_80].into_iter().collect();
        let facts = Facts::new(first, named);
        let view = judge(&facts).items[0].views[0].clone();
        assert_eq!((view.method, view.reason, view.state), (method, reason, State::Closed));
    }
}

#[test]
fn udp_verdicts() {
    use Delivery::{Noisy, Queued, Read, Replied, Unseen};
    let here = || vec![socket(Transport::Udp, "0.0.0.0", 7)];
    let none = Vec::new;
    let (answer, silence) = (Answer::Payload(4), Answer::Silence);
    let table = [
        (here(), answer.clone(), None, "open reachable proved"),
        (here(), silence.clone(), Some(Queued), "open reachable proved"),
        (here(), silence.clone(), Some(Replied), "open reachable proved"),
        (here(), silence.clone(), Some(Read), "open reachable likely"),
        (here(), silence.clone(), Some(Unseen), "open|filtered inconclusive likely, twice"),
        (here(), silence.clone(), Some(Noisy), "open|filtered inconclusive likely, twice"),
        (here(), silence.clone(), None, "open|filtered inconclusive likely, twice"),
        (here(), icmp(3), None, "closed filtered likely rejected, twice"),
        (none(), icmp(3), None, "closed closed likely"),
        (none(), silence, None, "filtered shielded likely dropped"),
        (none(), icmp(13), None, "filtered shielded likely rejected"),
        (none(), answer, None, "open unexpected likely, twice"),
    ];
    for (sockets, answer, delivery, expected) in table {
        let what = format!("{answer:?} {delivery:?} with {} sockets", sockets.len());
        assert_eq!(in_words(&World::udp(&sockets, answer, delivery)), expected, "{what}");
    }
}

#[test]
fn a_full_accept_queue_is_not_a_firewall() {
    let with_queue = |length, limit| {
        let mut full = listener("0.0.0.0");
        full.queue = Seen::Known(Queue { length, limit, drops: 1 });
        World::tcp(&[full], Answer::Silence).settled().verdict
    };
    assert_eq!(with_queue(129, 128), Verdict::Overloaded);
    assert_eq!(with_queue(128, 128), Verdict::Filtered, "a queue at its limit takes one more");
    let mut refused = listener("0.0.0.0");
    refused.queue = Seen::Known(Queue { length: 9, limit: 1, drops: 1 });
    assert_eq!(
        World::tcp(&[refused], Answer::Rst).settled().verdict,
        Verdict::Filtered,
        "a full queue does not reset"
    );
}

#[test]
fn what_drops_at_the_socket_is_named_as_far_as_the_kernel_tells() {
    let note = |dropper| {
        let before = listener("0.0.0.0");
        let mut after = before.clone();
        after.queue = Seen::Known(Queue { length: 0, limit: 128, drops: 3 });
        let world =
            World { before: vec![before], dropper, ..World::tcp(&[after], Answer::Silence) };
        world.settled().note.unwrap()
    };
    for (dropper, words) in [
        (Some(DroppedBy::Queue), "there: its SYN queue is full,"),
        (Some(DroppedBy::Signature), "there: it demands TCP signatures,"),
        (Some(DroppedBy::Filter), "there: a filter of the socket, of its cgroup or"),
        (Some(DroppedBy::Unknown), "there: a full SYN queue, a filter on the socket or a missing"),
        (None, "there: a full SYN queue, a filter on the socket or a missing"),
    ] {
        assert!(note(dropper).contains(words), "{dropper:?}: {}", note(dropper));
    }
}

#[test]
fn a_firewall_is_blamed_only_when_the_kernel_would_deliver() {
    let verdict = |lookup| {
        let world = World { lookup, ..World::tcp(&[listener("0.0.0.0")], Answer::Silence) };
        world.settled().verdict
    };
    assert_eq!(verdict(Some(Lookup::Socket(Cookie(7)))), Verdict::Filtered);
    assert_eq!(verdict(Some(Lookup::Nobody)), Verdict::Inconclusive);
    assert_eq!(verdict(Some(Lookup::Socket(Cookie(8)))), Verdict::Inconclusive);
    assert_eq!(verdict(Some(Lookup::Unknown("no".into()))), Verdict::Inconclusive);
    assert_eq!(verdict(None), Verdict::Inconclusive);
}

#[test]
fn a_connection_that_is_half_open_shows_that_the_reply_was_dropped() {
    let here = || [listener("0.0.0.0")];
    let arrived =
        |answer| World { lookup: Some(Lookup::Connection), ..World::tcp(&here(), answer) };
    let words = in_words(&arrived(Answer::Silence));
    assert_eq!(words, "filtered filtered likely reply-dropped, twice");
    assert_eq!(arrived(Answer::Rst).settled().verdict, Verdict::Inconclusive);
}

#[test]
fn without_the_second_look_that_it_wants_a_verdict_is_inconclusive() {
    let world = World::tcp(&[listener("0.0.0.0")], Answer::Silence);
    let mut facts = Facts { interrupted: true, ..Facts::new(world.look(), BTreeSet::new()) };
    assert_eq!(judge(&facts).items[0].verdict, Some(Verdict::Inconclusive));
    // The second look had begun, and did not come to this port.
    let mut begun = facts.first.clone();
    begun.sweeps[0].attempts.clear();
    facts.second = Some(begun);
    assert_eq!(judge(&facts).items[0].verdict, Some(Verdict::Inconclusive));
    facts.second = None;
    facts.interrupted = false;
    assert_eq!(judge(&facts).items[0].verdict, Some(Verdict::Filtered));
}

#[test]
fn a_port_that_was_not_probed_has_no_verdict() {
    let mut look = World::tcp(&[listener("0.0.0.0")], Answer::Rst).look();
    look.sweeps[0].attempts.clear();
    let facts = Facts::new(look, BTreeSet::new());
    let item = &judge(&facts).items[0];
    assert_eq!((item.verdict, item.views.len()), (None, 0));
    assert_eq!(vantages(&facts, &judge(&facts).items)[0].transports[&Transport::Tcp].not_probed, 1);
}

#[test]
fn a_listener_that_came_or_went_wants_a_second_look() {
    let (old, new) = (listener("0.0.0.0"), socket(Transport::Tcp, "0.0.0.0", 8));
    let restarted = World { after: vec![new.clone()], ..World::tcp(&[old], Answer::Rst) };
    assert!(restarted.wants_second_look());
    assert_eq!(restarted.settled().verdict, Verdict::Inconclusive);
    let calm = World::tcp(&[new], opened(TakenBy::Probed));
    let judgement = restarted.judge(Some(&calm));
    assert_eq!(judgement.items[0].verdict, Some(Verdict::Reachable), "the second look decides");
    assert_eq!(judgement.items[0].listeners[0].cookie, Cookie(8), "with its own inventory");
}

#[test]
fn what_could_not_be_seen_is_never_called_absent() {
    let gap = Gap {
        what: "tcp sockets".into(),
        reason: "denied".into(),
        need: None,
        hides: Hides::Sockets,
    };
    let blind =
        |answer| World { gaps: vec![gap.clone()], ..World::tcp(&[], answer) }.settled().verdict;
    assert_eq!(blind(opened(TakenBy::Probed)), Verdict::Inconclusive);
    assert_eq!(blind(Answer::Silence), Verdict::Inconclusive);
    assert_eq!(blind(Answer::Rst), Verdict::Closed, "a refusal says that nobody takes it");
}

#[test]
fn a_bound_socket_that_does_not_listen_is_closed_and_said_so() {
    let mut bound = listener("0.0.0.0");
    bound.state = SocketState::Bound;
    let view = World::tcp(&[bound], Answer::Rst).settled();
    assert_eq!(view.verdict, Verdict::Closed);
    assert_eq!(view.note.as_deref(), Some("a socket is bound to the port and does not listen"));
}

#[test]
fn a_ports_verdict_is_the_gravest_of_its_views() {
    let mut facts = Facts::new(
        World::tcp(&[listener("127.0.0.1")], opened(TakenBy::Probed)).look(),
        BTreeSet::new(),
    );
    let mut own = facts.first.sweeps[0].clone();
    own.target.vantage = Vantage::Own;
    own.target.address = "10.0.0.5".parse().unwrap();
    own.attempts
        .insert(port(80), Attempt { answer: Answer::Rst, source: None, rtt: None, tries: 1 });
    facts.first.sweeps.push(own);
    let item = &judge(&facts).items[0];
    let verdicts: Vec<Verdict> = item.views.iter().map(|view| view.verdict).collect();
    assert_eq!(verdicts, [Verdict::Reachable, Verdict::LocalOnly]);
    assert_eq!(item.verdict, Some(Verdict::Reachable));
}

#[test]
fn a_port_has_a_finding_when_it_is_bound_open_or_named() {
    let findings = |sockets: &[Socket], answer: Answer, named: bool| {
        let world = World::tcp(sockets, answer);
        let named = named.then_some(TCP_80).into_iter().collect();
        judge(&Facts::new(world.look(), named)).items.len()
    };
    assert_eq!(findings(&[], Answer::Rst, false), 0);
    assert_eq!(findings(&[], Answer::Silence, false), 0);
    assert_eq!(findings(&[], Answer::Rst, true), 1);
    assert_eq!(findings(&[], opened(TakenBy::Probed), false), 1);
    assert_eq!(findings(&[listener("10.0.0.1")], Answer::Rst, false), 1);
}

#[test]
fn each_address_has_one_view_of_a_port_also_when_both_transports_were_probed() {
    let mut facts =
        Facts::new(World::tcp(&[listener("0.0.0.0")], Answer::Rst).look(), BTreeSet::new());
    let udp = World::udp(&[], icmp(3), None).look().sweeps.remove(0);
    facts.first.sweeps.push(udp);
    facts.second = Some(facts.first.clone());
    assert_eq!(judge(&facts).items[0].views.len(), 1);
}

#[test]
fn a_refusal_kept_as_one_bit_is_looked_at_again_when_its_port_has_a_finding() {
    let mut look = World::tcp(&[], Answer::Rst).look();
    look.sweeps[0].attempts.clear();
    look.sweeps[0].refused.insert(port(80));
    let facts = Facts::new(look, [TCP_80].into_iter().collect());
    assert_eq!(judge(&facts).unsettled.len(), 1);
}

#[test]
fn every_port_is_counted_once() {
    let mut look = World::tcp(&[], Answer::Rst).look();
    let sweep = &mut look.sweeps[0];
    sweep.wanted = (1..=100).filter_map(Port::new).collect();
    sweep.attempts.clear();
    sweep.refused = (1..=90).filter_map(Port::new).collect();
    let attempt = |answer| Attempt { answer, source: None, rtt: None, tries: 2 };
    sweep.attempts.insert(port(91), attempt(Answer::Silence));
    sweep.attempts.insert(port(92), attempt(icmp(13)));
    sweep.attempts.insert(port(93), attempt(Answer::Failed("EMFILE".into())));
    sweep.attempts.insert(port(80), attempt(Answer::Rst));
    let facts = Facts::new(look, [TCP_80].into_iter().collect());
    let items = judge(&facts).items;
    let summary = &vantages(&facts, &items)[0];
    let tally = summary.transports[&Transport::Tcp];
    assert_eq!((tally.probed, tally.not_probed), (92, 8), "seven never asked, one lost");
    assert_eq!((tally.closed, tally.shielded), (90, 2));
    assert_eq!(summary.answered, 91);
    assert_eq!(lost(&facts).len(), 1, "a lost probe is a gap");
    let mut second = facts.first.clone();
    second.sweeps[0].attempts.insert(port(93), attempt(Answer::Rst));
    let facts = Facts { second: Some(second), ..facts };
    assert_eq!(lost(&facts), [], "unless the second look settled it");
}

#[test]
fn the_slowest_answer_tells_of_others_where_no_answer_had_to_be_asked_for_again() {
    let after = |milliseconds: &[u64]| {
        let mut look = World::tcp(&[], Answer::Silence).look();
        let sweep = &mut look.sweeps[0];
        for (number, milliseconds) in (1..).zip(milliseconds) {
            let rtt = Some(Duration::from_millis(*milliseconds));
            let attempt = Attempt { answer: Answer::Rst, source: None, rtt, tries: 1 };
            sweep.attempts.insert(port(number), attempt);
        }
        look
    };
    assert_eq!(after(&[1, 9, 2]).slowest_answer(), Some(Duration::from_millis(9)));
    assert_eq!(after(&[]).slowest_answer(), None, "nothing answered");
    let mut look = after(&[1]);
    look.sweeps[0].rescued = 1;
    assert_eq!(look.slowest_answer(), None, "one answered late, or only the second time");
}
