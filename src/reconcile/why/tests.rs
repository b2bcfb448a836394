//! Facts as literals, and the reasons that must follow.

use super::*;
use crate::model::{
    Asked, Backend, Chain, ClientAttempt, Container, Errno, Gap, Hides, Hook, Icmp, Inventory,
    Need, Opened, Owner, Passage, Policy, Port, Process, Published, Queue, Resolution, Role,
    RuleId, Runtime, Seen, Socket, SocketState, Surroundings, Table, TableFamily, TakenBy,
    TargetPort, Through, Way,
};
use crate::reconcile::tests::listener;
use std::time::Duration;

const LO: u32 = 1;

fn errno(name: &str) -> Errno {
    Errno { name: name.into(), text: name.to_lowercase() }
}

/// An attempt at an address of this host.
pub(super) fn case(to: &str, outcome: Outcome, error: Option<&str>) -> Case {
    let attempt = ClientAttempt {
        to: to.parse().unwrap(),
        outcome,
        errno: error.map(errno),
        icmp: None,
        elapsed: Duration::from_micros(100),
        sees_icmp: true,
        opened: None,
    };
    Case::unasked(attempt, Way::Local(LO))
}

pub(super) fn refused(to: &str) -> Case {
    case(to, Outcome::Refused, Some("ECONNREFUSED"))
}

pub(super) fn silent(to: &str) -> Case {
    case(to, Outcome::TimedOut, None)
}

pub(super) fn open(to: &str) -> Case {
    let mut case = case(to, Outcome::Connected, None);
    case.attempt.opened = Some(Opened { taken: TakenBy::Probed, ended: false, waits: None });
    case
}

pub(super) fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

fn seen(sent: u64, arrived: u64, delivered: u64) -> Option<Passage> {
    Passage { sent, arrived, delivered, unsigned: 0, overflowed: 0 }.into()
}

/// A listener at port 80 that a process holds.
pub(super) fn owned_by(address: &str, pid: u32, name: &str) -> Socket {
    let process = Process {
        pid,
        ppid: Seen::Absent,
        name: name.into(),
        exe: Seen::Denied(Need::Root),
        cmdline: Seen::Absent,
        cwd: Seen::Absent,
        uid: Seen::Known(0),
        user: Seen::Absent,
        started_at: Seen::Absent,
        stopped: false,
    };
    let mut socket = listener(address);
    socket.held.owners = vec![Owner { process, role: Role::Listener, via: None }];
    socket
}

fn with_queue(length: u32, limit: u32, drops: u32) -> Socket {
    Socket { queue: Seen::Known(Queue { length, limit, drops }), ..listener("127.0.0.1") }
}

/// A client of `localhost:80`, and these sockets.
pub(super) fn facts(cases: Vec<Case>, sockets: Vec<Socket>) -> Facts {
    let addresses = cases.iter().map(|case| case.attempt.to).collect();
    let inventory = Inventory { sockets, ..Inventory::default() };
    Facts {
        asked: Asked {
            text: "localhost:80".into(),
            host: "localhost".into(),
            port: port(80),
            transport: Transport::Tcp,
            scheme: None,
        },
        resolution: Resolution {
            name: "localhost".into(),
            answer: Resolved::Addresses(addresses),
            in_hosts: Vec::new(),
        },
        cases,
        before: inventory.clone(),
        after: inventory,
        elsewhere: Seen::Skipped("not asked for"),
        published: Seen::Known(Vec::new()),
        service: None,
        units: Seen::Skipped("not asked for"),
        restrictions: None,
        tracks_connections: false,
        conntrack_is_full: false,
        local: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
        loopback_is_up: true,
        remote: None,
        proxy: None,
        surroundings: Surroundings { container: Seen::Absent, netns: Seen::Absent },
        gateway: None,
        kernel: "6.18.0".into(),
        gaps: Vec::new(),
        untraced: gap("not traced", Hides::Published),
    }
}

pub(super) fn gap(reason: &str, hides: Hides) -> Gap {
    Gap { what: "x".into(), reason: reason.into(), need: None, hides }
}

/// `R05 proved`, `works`, `nothing`.
pub(super) fn told(facts: &Facts) -> String {
    let why = judge(facts);
    let reason = why.diagnosis.map(|it| format!("{} {}", it.code, it.certainty.name()));
    match (why.works, reason) {
        (true, None) => "works".into(),
        (true, Some(reason)) => format!("works {reason}"),
        (false, reason) => reason.unwrap_or_else(|| "nothing".into()),
    }
}

#[test]
fn the_first_address_that_fails_is_told_and_a_socket_behind_goes_before_a_binding() {
    let v6 = || listener("::1");
    let split = facts(vec![refused("127.0.0.1:80"), open("[::1]:80")], vec![v6()]);
    assert_eq!(told(&split), "R05 proved");
    assert_eq!(judge(&split).failure.as_deref(), Some("refused"));
    // No address works: that a rule stops the one with the server is what matters.
    let mut stopped = silent("[::1]:80");
    stopped.passage = seen(1, 1, 0);
    let both = facts(vec![refused("127.0.0.1:80"), stopped], vec![v6()]);
    assert_eq!(told(&both), "T01 likely");
    assert_eq!(judge(&both).failure.as_deref(), Some("no answer"));
    assert_eq!(told(&facts(vec![open("[::1]:80")], vec![v6()])), "works");
    assert_eq!(told(&facts(Vec::new(), Vec::new())), "nothing");
}

#[test]
fn what_could_not_be_seen_is_not_proved() {
    let nothing = || facts(vec![refused("127.0.0.1:80")], Vec::new());
    assert_eq!(told(&nothing()), "R01 proved");
    let mut blind = nothing();
    blind.after.gaps.push(gap("denied", Hides::Sockets));
    assert_eq!(told(&blind), "R01 likely", "a socket may be missing");
    let mut tracked = nothing();
    tracked.tracks_connections = true;
    assert_eq!(told(&tracked), "R01 proved", "all rules were read");
    tracked.gaps.push(gap("in a map", Hides::Published));
    assert_eq!(told(&tracked), "R01 likely", "some rules were not");
    tracked.gaps.clear();
    tracked.published = Seen::Denied(Need::Root);
    assert_eq!(told(&tracked), "R01 likely", "none was");
}

#[test]
fn a_reset_although_somebody_listens_is_told_by_who_answered() {
    let server = || vec![listener("127.0.0.1")];
    let with = |passage, tracks| {
        let mut case = refused("127.0.0.1:80");
        case.passage = passage;
        let mut facts = facts(vec![case], server());
        facts.tracks_connections = tracks;
        facts.published = Seen::Denied(Need::Root);
        told(&facts)
    };
    assert_eq!(with(seen(2, 2, 1), false), "R20 likely");
    assert_eq!(with(seen(2, 1, 1), true), "R20 likely", "on the way out");
    assert_eq!(with(None, false), "R20 likely");
    assert_eq!(with(None, true), "R20 possible", "or redirected");
    assert_eq!(with(seen(2, 2, 2), true), "R19 possible", "this host itself refused");
    assert_eq!(with(seen(2, 2, 2), false), "R12 possible", "contradictory");
}

#[test]
fn a_redirection_is_proved_only_where_nothing_else_explains_it() {
    let rule = |narrowed, through| Published {
        transport: Transport::Tcp,
        family: None,
        address: None,
        ports: port(80)..=port(80),
        through,
        narrowed,
        target: None,
        target_port: TargetPort::One(port(81)),
    };
    let with = |rule: Published, sockets: Vec<Socket>| {
        let mut case = refused("127.0.0.1:80");
        case.passage = seen(2, 2, 2);
        let mut facts = facts(vec![case], sockets);
        (facts.tracks_connections, facts.published) = (true, Seen::Known(vec![rule]));
        told(&facts)
    };
    let server = |number| Socket { port: port(number), ..listener("127.0.0.1") };
    assert_eq!(with(rule(false, Through::Any), vec![server(80)]), "R19 proved");
    assert_eq!(with(rule(true, Through::Any), vec![server(80)]), "R19 possible");
    let only = Through::Only("eth0".into());
    assert_eq!(with(rule(false, only), vec![server(80)]), "R19 possible");
    assert_eq!(with(rule(false, Through::Any), Vec::new()), "R19 likely", "only from outside?");
    // Somebody listens where it leads to, so it is not for packets of this host.
    assert_eq!(with(rule(false, Through::Any), vec![server(81)]), "R01 proved");
}

#[test]
fn silence_is_told_by_how_far_the_packet_came() {
    let with = |passage, socket: Socket, before: Socket| {
        let mut case = silent("127.0.0.1:80");
        case.passage = passage;
        let mut facts = facts(vec![case], vec![socket]);
        facts.before.sockets = vec![before];
        told(&facts)
    };
    let server = || listener("127.0.0.1");
    let full = || with_queue(2, 1, 0);
    let dropping = || with_queue(0, 128, 5);
    let signed = || Socket { signed: true, ..server() };
    let over = |unsigned, overflowed| {
        Some(Passage { sent: 1, arrived: 1, delivered: 1, unsigned, overflowed })
    };
    assert_eq!(with(seen(1, 1, 0), server(), server()), "T01 likely");
    assert_eq!(with(seen(1, 0, 0), server(), server()), "T02 likely");
    assert_eq!(with(seen(2, 1, 1), server(), server()), "T02 likely");
    assert_eq!(with(seen(2, 2, 1), server(), server()), "T01 likely");
    assert_eq!(with(None, server(), server()), "T01 likely", "the hook is not known");
    assert_eq!(with(seen(1, 1, 1), server(), server()), "T01 possible", "contradictory");
    assert_eq!(with(over(0, 1), full(), full()), "T03 proved");
    assert_eq!(with(None, full(), full()), "T03 likely");
    assert_eq!(with(seen(1, 1, 0), full(), full()), "T01 likely", "it never came so far");
    assert_eq!(with(over(1, 0), server(), server()), "T05 likely");
    assert_eq!(with(over(1, 0), signed(), signed()), "T05 proved");
    assert_eq!(with(seen(1, 1, 1), dropping(), server()), "T04 likely");
    assert_eq!(with(seen(1, 1, 1), dropping(), dropping()), "T01 possible");
}

#[test]
fn a_traced_rule_proves_what_it_did() {
    let decided = |hook| Decided {
        hook: Some(hook),
        rule: Rule {
            id: RuleId {
                chain: Chain {
                    table: Table { family: TableFamily::Inet, name: "filter".into() },
                    name: "input".into(),
                },
                handle: Some(12),
            },
            text: Some("tcp dport 80 drop".into()),
            backend: Backend::Nftables,
        },
        policy: Some(Policy::Accept),
        manager: Manager::Nobody,
        passed: Vec::new(),
    };
    let with = |mut case: Case, hook| {
        case.decided = Some(decided(hook));
        judge(&facts(vec![case], vec![listener("127.0.0.1")]))
    };
    let why = with(silent("127.0.0.1:80"), Hook::Input);
    let diagnosis = why.diagnosis.unwrap();
    assert_eq!((diagnosis.code, diagnosis.certainty), (Code::T01, Certainty::Proved));
    let next = [
        "sudo nft -a list chain inet filter input",
        "sudo nft delete rule inet filter input handle 12",
    ];
    assert_eq!(diagnosis.next, next);
    let rule = why.evidence.iter().find(|it| it.what == "rule").unwrap();
    assert_eq!(rule.text, "inet filter input handle 12: tcp dport 80 drop");
    let code = |why: Why| why.diagnosis.map(|it| (it.code, it.certainty)).unwrap();
    let out = with(silent("127.0.0.1:80"), Hook::Output);
    assert_eq!(code(out), (Code::T02, Certainty::Proved));
    assert_eq!(code(with(refused("127.0.0.1:80"), Hook::Input)), (Code::R20, Certainty::Proved));
    let mut rejected = refused("127.0.0.1:80");
    rejected.attempt.icmp = Some(Icmp { kind: 3, code: 3, from: None });
    assert_eq!(code(with(rejected, Hook::Input)), (Code::R21, Certainty::Proved));
}

#[test]
fn no_finding_is_surer_than_the_catalogue_allows() {
    for code in Code::all() {
        let found = Found::new(code, Certainty::Proved, "x");
        assert_eq!(found.certainty, code.entry().most);
        assert!(found.diagnosis().certainty >= code.entry().most);
    }
}

#[test]
fn an_error_without_icmp_is_of_routing_only_where_routing_says_so() {
    let with = |way: Way, name: &str| {
        let mut case = case("203.0.113.9:80", Outcome::Unreachable, Some(name));
        case.way = way;
        told(&facts(vec![case], Vec::new()))
    };
    let refused = |name| Way::Refused(errno(name));
    assert_eq!(with(refused("ENETUNREACH"), "ENETUNREACH"), "H05 proved");
    assert_eq!(with(refused("EACCES"), "EACCES"), "H06 proved");
    assert_eq!(with(refused("EINVAL"), "EHOSTUNREACH"), "H06 likely", "two errors");
    assert_eq!(
        with(Way::Out { device: 2, gateway: None }, "ENETUNREACH"),
        "H05 likely",
        "contradictory"
    );
    assert_eq!(with(Way::Out { device: 2, gateway: None }, "EACCES"), "T02 likely");
    assert_eq!(with(Way::Out { device: 2, gateway: None }, "EINVAL"), "nothing");
}

#[test]
fn the_accept_queue_and_the_end_of_a_connection_are_told() {
    let with = |ended, waits: Option<u64>, sockets: Vec<Socket>| {
        let mut case = open("127.0.0.1:80");
        let waits = waits.map(Duration::from_millis);
        case.attempt.opened = Some(Opened { taken: TakenBy::Probed, ended, waits });
        told(&facts(vec![case], sockets))
    };
    let server = || owned_by("127.0.0.1", 42, "node");
    let mut stopped = server();
    stopped.held.owners[0].process.stopped = true;
    assert_eq!(with(false, Some(500), vec![server()]), "C01 likely");
    assert_eq!(with(false, Some(500), vec![stopped.clone()]), "C01 proved");
    assert_eq!(with(false, None, vec![stopped]), "works", "another process may accept");
    assert_eq!(with(true, None, vec![server()]), "C02 likely");
    let proxy = owned_by("127.0.0.1", 42, "docker-proxy");
    assert_eq!(with(true, None, vec![proxy]), "C04 likely");
    let other = owned_by("127.0.0.1", 43, "ruby");
    assert_eq!(with(false, None, vec![server(), other]), "works C03 possible");
    let worker = owned_by("127.0.0.1", 43, "node");
    assert_eq!(with(false, None, vec![server(), worker]), "works");
}

#[test]
fn who_takes_a_connection_is_not_taken_for_who_keeps_the_port() {
    let beside = |taken| {
        let mut case = open("127.0.0.1:80");
        case.attempt.opened = Some(Opened { taken, ended: false, waits: None });
        let facts = facts(vec![case], vec![owned_by("127.0.0.1", 42, "conmon")]);
        judge(&facts).attempts.pop().unwrap().socket
    };
    assert_eq!(beside(TakenBy::Nobody), "handed on elsewhere, past conmon 42");
    assert_eq!(beside(TakenBy::Probed), "conmon 42");
}

#[test]
fn a_bound_socket_is_told_after_every_listener() {
    let bound = Socket { state: SocketState::Bound, ..listener("127.0.0.1") };
    let refused = || vec![refused("127.0.0.1:80")];
    assert_eq!(told(&facts(refused(), vec![bound.clone()])), "R10 proved");
    assert_eq!(told(&facts(refused(), vec![bound, listener("::1")])), "R05 proved");
}

/// What nobody can see from here is said beside a reason, and never as one.
#[test]
fn a_container_and_wsl_around_us_are_hints_where_nothing_listens() {
    let hints = |facts: Facts| {
        let why = judge(&facts);
        let told = why.also_checked.into_iter().filter(|it| it.contains("(possible"));
        (told.collect::<Vec<_>>(), why.diagnosis.map(|it| it.code))
    };
    let container =
        Container { id: Seen::Skipped("x"), name: Seen::Skipped("x"), runtime: Runtime::Podman };
    let in_container = |facts: Facts, gateway: Option<&str>| Facts {
        surroundings: Surroundings {
            container: Seen::Known(container.clone()),
            netns: Seen::Absent,
        },
        gateway: gateway.map(|it| it.parse().unwrap()),
        ..facts
    };
    let nothing = |to: &str| facts(vec![refused(to)], Vec::new());
    let localhost = "localhost is the container, not the host (possible";
    let (told, code) = hints(in_container(nothing("127.0.0.1:80"), Some("10.88.0.1")));
    let host = "; the host may be what its packets pass: portsight why 10.88.0.1:80)";
    assert_eq!((told, code), (vec![format!("{localhost}{host}")], Some(Code::R01)));
    let (told, _) = hints(in_container(nothing("[::1]:80"), None));
    assert_eq!(told, [format!("{localhost})")]);
    let none = |facts: Facts| assert_eq!(hints(facts).0, Vec::<String>::new());
    none(nothing("127.0.0.1:80"));
    none(in_container(nothing("192.0.2.1:80"), None));
    none(in_container(facts(vec![refused("127.0.0.1:80")], vec![listener("::1")]), None));
    let kernel = "5.15.153.1-microsoft-standard-WSL2".to_owned();
    let (told, code) = hints(Facts { kernel, ..nothing("127.0.0.1:80") });
    assert_eq!(told, ["The port is on the other side of WSL (possible)"]);
    assert_eq!(code, Some(Code::R01));
}
