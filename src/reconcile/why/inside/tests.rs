//! What is behind a published port as literals, and the words that must follow.

use super::*;
use crate::model::{
    ClientAttempt, Gap, Hides, Icmp, Need, Neighbour, Onward, Opened, Outcome, Passage, Published,
    Reached, TakenBy, TargetPort, Through, Transport, Way,
};
use crate::reconcile::why::tests::{case, facts, owned_by, port, told};
use crate::reconcile::why::{Case, judge};
use std::time::Duration;

fn container(name: &str) -> Container {
    let id = Seen::Known("0123456789abcdef".to_owned());
    Container { id, name: Seen::Known(name.to_owned()), runtime: Runtime::Podman }
}

fn at(number: u16, socket: Socket) -> Socket {
    Socket { port: port(number), ..socket }
}

fn inside(servers: Vec<Socket>) -> Inside {
    Inside {
        netns: Some("blue".into()),
        addresses: vec!["10.88.0.2".parse().unwrap()],
        containers: vec![container("web")],
        servers,
        ..Inside::default()
    }
}

fn onward(inside: Seen<Inside>, neighbour: Option<Neighbour>) -> Onward {
    let hop: IpAddr = "10.88.0.2".parse().unwrap();
    let neighbour = neighbour.map(|known| (hop, known));
    Onward { to: Some(SocketAddr::new(hop, 80)), inside, neighbour }
}

/// A client of port 80 whose packets a rule has sent on to `10.88.0.2:80`.
fn handed_on(outcome: Outcome, onward: Onward) -> Case {
    let reached = Some(Reached::Through("10.88.0.2:80".parse().unwrap()));
    Case { reached, onward: Some(onward), ..case("192.0.2.1:80", outcome, None) }
}

fn text(facts: &Facts) -> String {
    judge(facts).diagnosis.map(|diagnosis| diagnosis.text).unwrap_or_default()
}

#[test]
fn what_listens_behind_a_rule_is_said() {
    let with = |outcome, servers| {
        let facts =
            facts(vec![handed_on(outcome, onward(Seen::Known(inside(servers)), None))], vec![]);
        (told(&facts), text(&facts), judge(&facts).diagnosis.unwrap().next)
    };
    let shy = || owned_by("127.0.0.1", 7, "node");
    let open = || owned_by("0.0.0.0", 7, "node");
    let leads =
        "a rule forwards port 80 to 10.88.0.2:80 in the container web (podman 0123456789ab), ";
    for (outcome, servers, sure, end, next) in [
        (
            Outcome::Refused,
            vec![shy()],
            "proved",
            "where node 7 listens on 127.0.0.1:80 only",
            "let it listen on 0.0.0.0:80 inside the container",
        ),
        (Outcome::Refused, vec![], "proved", "where nothing listens", "podman logs web"),
        (
            Outcome::Refused,
            vec![at(90, open())],
            "proved",
            "where nothing listens on 80, and node 7 on 0.0.0.0:90",
            "start it again with -p 80:90 (podman run)",
        ),
        // One that others reach is told before one that they do not.
        (
            Outcome::Refused,
            vec![at(70, shy()), at(90, open())],
            "proved",
            "where nothing listens on 80, and node 7 on 0.0.0.0:90",
            "start it again with -p 80:90 (podman run)",
        ),
        (
            Outcome::Refused,
            vec![open()],
            "proved",
            "which refuses, although node 7 listens there",
            "sudo portsight ls --netns blue",
        ),
        (
            Outcome::TimedOut,
            vec![open()],
            "likely",
            "which does not answer, although node 7 listens there",
            "sudo portsight ls --netns blue",
        ),
    ] {
        let (told, text, all) = with(outcome, servers);
        assert_eq!(told, format!("R19 {sure}"), "{text}");
        assert_eq!(text, format!("{leads}{end}"));
        assert_eq!(all.first().map(String::as_str), Some(next), "{text}");
    }
    // What could not be looked into is not said to be empty.
    let blind =
        facts(vec![handed_on(Outcome::Refused, onward(Seen::Denied(Need::Root), None))], vec![]);
    assert_eq!(text(&blind), "a rule forwards port 80 to 10.88.0.2:80, which refuses");
    let absent = facts(vec![handed_on(Outcome::TimedOut, onward(Seen::Absent, None))], vec![]);
    assert!(
        text(&absent)
            .ends_with("which does not answer; no network namespace of this host has that address")
    );
}

#[test]
fn a_container_that_starts_is_told_only_where_nothing_is_at_the_port_yet() {
    let with = |servers| {
        let starting = Inside { is_starting: true, ..inside(servers) };
        told(&facts(vec![handed_on(Outcome::Refused, onward(Seen::Known(starting), None))], vec![]))
    };
    assert_eq!(with(vec![]), "R12 likely");
    assert_eq!(with(vec![at(90, owned_by("0.0.0.0", 7, "node"))]), "R12 likely");
    assert_eq!(with(vec![owned_by("127.0.0.1", 7, "node")]), "R19 proved");
}

#[test]
fn what_is_gone_is_told_by_the_link() {
    let after = |time, outcome, icmp, neighbour, inside| {
        let mut case = handed_on(outcome, onward(inside, neighbour));
        case.attempt.icmp = icmp;
        case.attempt.elapsed = Duration::from_millis(time);
        told(&facts(vec![case], vec![]))
    };
    let with = |outcome, icmp, neighbour, inside| after(3_000, outcome, icmp, neighbour, inside);
    let unreachable = || Some(Icmp { kind: 3, code: 1, from: None });
    let silent = Some(Neighbour::Silent);
    // What comes at once is a rule's, whatever was asked in vain before.
    let at_once = after(0, Outcome::Unreachable, unreachable(), silent, Seen::Absent);
    assert_eq!(at_once, "R19 proved");
    assert_eq!(with(Outcome::TimedOut, None, silent, Seen::Absent), "H04 likely");
    assert_eq!(with(Outcome::Unreachable, unreachable(), silent, Seen::Absent), "H04 proved");
    let not_asked = Some(Neighbour::NotAsked);
    assert_eq!(with(Outcome::Unreachable, unreachable(), not_asked, Seen::Absent), "H04 likely");
    assert_eq!(with(Outcome::TimedOut, None, Some(Neighbour::Answers), Seen::Absent), "R19 likely");
    assert_eq!(with(Outcome::TimedOut, None, None, Seen::Absent), "R19 likely");
    assert_eq!(with(Outcome::Refused, None, silent, Seen::Absent), "R19 proved", "it answers");
    let rejected = Some(Icmp { kind: 3, code: 13, from: None });
    assert_eq!(with(Outcome::Unreachable, rejected, silent, Seen::Absent), "R19 proved");
}

#[test]
fn without_the_rules_the_counters_tell_who_refused() {
    let with = |delivered, tracks, outcome, sockets: Vec<Socket>| {
        let mut case = case("127.0.0.1:80", outcome, None);
        let sent = delivered;
        case.passage = Some(Passage { sent, arrived: sent, delivered, unsigned: 0, overflowed: 0 });
        let unread = Seen::Denied(Need::Root);
        told(&Facts { tracks_connections: tracks, published: unread, ..facts(vec![case], sockets) })
    };
    let server = || vec![owned_by("0.0.0.0", 7, "node")];
    assert_eq!(with(1, true, Outcome::Refused, server()), "R19 likely");
    assert_eq!(with(1, true, Outcome::Refused, vec![]), "R19 likely", "without a listener too");
    // Near misses: this host's own answer, and a kernel that can hand nothing on.
    assert_eq!(with(2, true, Outcome::Refused, vec![]), "R01 likely");
    assert_eq!(with(1, false, Outcome::Refused, server()), "R20 likely");
}

#[test]
fn an_error_that_comes_late_is_of_no_rule() {
    let with = |milliseconds| {
        let mut case = case("127.0.0.1:80", Outcome::Unreachable, Some("EHOSTUNREACH"));
        case.attempt.icmp = Some(Icmp { kind: 3, code: 1, from: None });
        case.attempt.elapsed = Duration::from_millis(milliseconds);
        told(&facts(vec![case], vec![]))
    };
    assert_eq!(with(0), "H01 likely");
    assert_eq!(with(300), "H04 possible");
    assert_eq!(with(3_000), "H04 likely");
}

#[test]
fn an_error_about_another_host_is_of_the_link_only_where_it_comes_late() {
    let with = |milliseconds, from: &str, neighbour| {
        let mut case = case("10.9.0.9:80", Outcome::Unreachable, Some("EHOSTUNREACH"));
        case.attempt.icmp = Some(Icmp { kind: 3, code: 1, from: Some(from.parse().unwrap()) });
        case.attempt.elapsed = Duration::from_millis(milliseconds);
        case.way = Way::Out { device: 2, gateway: Some("10.9.0.1".parse().unwrap()) };
        case.neighbour = neighbour;
        let facts = facts(vec![case], vec![]);
        (told(&facts), text(&facts))
    };
    assert_eq!(with(3_000, "192.0.2.1", Neighbour::Silent).0, "H04 proved");
    // A rule that rejects comes at once, whoever was asked for in vain a minute ago.
    assert_eq!(with(0, "192.0.2.1", Neighbour::Silent).0, "H01 likely");
    // A router that answers is there, and has asked in vain itself.
    let (told, said) = with(3_000, "10.9.0.1", Neighbour::Answers);
    assert_eq!(told, "H04 likely");
    assert!(said.starts_with("10.9.0.1 finds nobody for 10.9.0.9"), "{said}");
}

/// A connection that was open.
fn opened(ended: bool, waits: Option<Duration>) -> ClientAttempt {
    let opened = Some(Opened { taken: TakenBy::Probed, ended, waits });
    ClientAttempt { opened, ..case("127.0.0.1:80", Outcome::Connected, None).attempt }
}

#[test]
fn a_proxy_is_judged_by_what_is_inside() {
    let with = |to, inside| {
        let onward = Some(Onward { to, inside, neighbour: None });
        let case = Case {
            attempt: opened(true, None),
            onward,
            ..case("127.0.0.1:80", Outcome::Connected, None)
        };
        let facts = facts(vec![case], vec![owned_by("127.0.0.1", 42, "rootlessport")]);
        (told(&facts), text(&facts))
    };
    let known = |servers| Seen::Known(inside(servers));
    let to = Some("10.88.0.2:80".parse().unwrap());
    let shy = || owned_by("127.0.0.1", 7, "node");
    let open = || owned_by("0.0.0.0", 7, "node");
    for (to, inside, expected, words) in [
        (to, known(vec![shy()]), "C04 proved", "and there node 7 listens on 127.0.0.1:80 only"),
        (to, known(vec![]), "C04 proved", "and there nothing listens"),
        (to, known(vec![open()]), "C04 possible", "and closes it, although node 7 listens there"),
        (to, Seen::Denied(Need::Root), "C04 likely", "nothing behind it answers"),
        // Where it is not known which port is meant, only one that nobody reaches is dead.
        (
            None,
            known(vec![shy(), at(81, shy())]),
            "C04 proved",
            "node 7 listens on 127.0.0.1:80 only",
        ),
        (
            None,
            known(vec![at(81, open())]),
            "C04 possible",
            "closes it itself, or it leads to another port",
        ),
        (None, known(vec![]), "C04 proved", "nothing listens"),
    ] {
        let (told, text) = with(to, inside);
        assert_eq!(told, expected, "{text}");
        assert!(text.contains(words), "{words:?} in {text}");
    }
}

#[test]
fn a_proxy_is_not_blamed_for_what_it_did_not_take() {
    let with = |taken| {
        let mut attempt = opened(true, None);
        attempt.opened.as_mut().unwrap().taken = taken;
        let onward =
            Some(Onward { to: None, inside: Seen::Known(inside(vec![])), neighbour: None });
        let case = Case { attempt, onward, ..case("127.0.0.1:80", Outcome::Connected, None) };
        let facts = facts(vec![case], vec![owned_by("127.0.0.1", 42, "docker-proxy")]);
        (told(&facts), text(&facts))
    };
    assert_eq!(with(TakenBy::Probed).0, "C04 proved");
    let (told, said) = with(TakenBy::Other("127.0.0.1:9090".parse().unwrap()));
    assert_eq!(told, "C02 likely");
    assert!(said.starts_with("the socket at 127.0.0.1:9090 accepts"), "{said}");
    let (told, said) = with(TakenBy::Nobody);
    assert_eq!(told, "C02 likely");
    assert!(said.starts_with("what a rule hands it on to accepts"), "{said}");
}

#[test]
fn of_pasta_it_is_not_known_that_it_does_not_lead_to_the_loopback() {
    let with = |servers| {
        let onward =
            Some(Onward { to: None, inside: Seen::Known(inside(servers)), neighbour: None });
        let attempt = opened(true, None);
        let case = Case { attempt, onward, ..case("127.0.0.1:80", Outcome::Connected, None) };
        told(&facts(vec![case], vec![owned_by("127.0.0.1", 42, "pasta.avx2")]))
    };
    assert_eq!(with(vec![owned_by("127.0.0.1", 7, "node")]), "C04 possible");
    assert_eq!(with(vec![]), "C04 likely");
}

#[test]
fn a_port_that_is_only_kept_is_told_from_a_server_that_does_not_accept() {
    let with = |name: &str, published, gaps: Vec<Gap>| {
        let attempt = opened(false, Some(Duration::from_millis(500)));
        let case = Case { attempt, ..case("127.0.0.1:80", Outcome::Connected, None) };
        let facts = facts(vec![case], vec![owned_by("127.0.0.1", 42, name)]);
        told(&Facts { published, gaps, ..facts })
    };
    let none = || Seen::Known(Vec::new());
    assert_eq!(with("conmon", none(), vec![]), "C04 proved");
    assert_eq!(with("conmon", Seen::Denied(Need::Root), vec![]), "C04 likely");
    let gap = Gap { what: "x".into(), reason: "x".into(), need: None, hides: Hides::Published };
    assert_eq!(with("conmon", none(), vec![gap]), "C04 likely");
    assert_eq!(with("node", none(), vec![]), "C01 likely");
}

#[test]
fn a_port_of_another_namespace_is_told_by_what_is_there() {
    let with = |places: Vec<Inside>, published: Vec<Published>| {
        let case = case("127.0.0.1:80", Outcome::Refused, Some("ECONNREFUSED"));
        let facts = facts(vec![case], vec![]);
        let facts =
            Facts { elsewhere: Seen::Known(places), published: Seen::Known(published), ..facts };
        (told(&facts), text(&facts), judge(&facts).diagnosis.unwrap().next)
    };
    let open = || vec![owned_by("0.0.0.0", 7, "node")];
    let of_container = || inside(open());
    let plain = || Inside { containers: Vec::new(), ..inside(open()) };
    let (code, text, next) = with(vec![plain(), of_container()], vec![]);
    assert_eq!(code, "R15 likely", "a container goes before another namespace");
    assert_eq!(
        text,
        "node 7 listens on 80 in the container web (podman 0123456789ab), and no port of this host leads there"
    );
    assert_eq!(next.get(1).map(String::as_str), Some("use 10.88.0.2:80"));
    let (code, text, next) = with(vec![inside(vec![owned_by("127.0.0.1", 7, "node")])], vec![]);
    assert_eq!(code, "R15 likely");
    assert!(text.contains("on its loopback only (127.0.0.1:80)"), "{text}");
    assert!(next.iter().all(|it| !it.starts_with("use ")), "{next:?}");
    let (code, text, _) = with(vec![plain()], vec![]);
    assert_eq!(code, "R17 likely");
    assert_eq!(text, "node 7 listens on 80 in the network namespace blue, not here");
    // Published all the same, at another port: by a rule, and by a proxy.
    let rule = |target: &str, target_port| Published {
        transport: Transport::Tcp,
        family: None,
        address: None,
        ports: port(8081)..=port(8081),
        through: Through::Any,
        narrowed: false,
        target: Some(target.parse().unwrap()),
        target_port: TargetPort::One(port(target_port)),
    };
    let (code, text, next) = with(vec![of_container()], vec![rule("10.88.0.2", 80)]);
    assert_eq!(code, "R02 likely");
    assert!(text.ends_with("which is published at 8081"), "{text}");
    assert_eq!(next.first().map(String::as_str), Some("portsight why localhost:8081"));
    assert_eq!(with(vec![of_container()], vec![rule("10.88.0.2", 90)]).0, "R15 likely");
    assert_eq!(with(vec![of_container()], vec![rule("10.88.0.3", 80)]).0, "R15 likely");
    let by_proxy = Inside { proxied: vec![port(8083)], ..of_container() };
    assert!(with(vec![by_proxy], vec![]).1.ends_with("which is published at 8083"));
    // Of several that which can be reached is told, wherever it comes among them.
    let shy = || inside(vec![owned_by("127.0.0.1", 8, "node")]);
    let unpublished = || Inside { addresses: Vec::new(), ..of_container() };
    let rules = || vec![rule("10.88.0.2", 80)];
    let both = || inside([shy().servers, open()].concat());
    for places in [
        vec![shy(), unpublished(), of_container()],
        vec![of_container(), unpublished(), shy()],
        vec![both()],
    ] {
        assert_eq!(with(places, rules()).0, "R02 likely");
    }
    let behind_proxy = || Inside { proxied: vec![port(8083)], ..shy() };
    let (code, text, _) = with(vec![behind_proxy(), unpublished()], vec![]);
    assert!(code == "R15 likely" && text.starts_with("node 7 listens"), "{code} {text}");
}

#[test]
fn a_namespace_without_a_name_is_one_word_of_a_shell() {
    let named = |netns: &str| {
        let inside = Inside { netns: Some(netns.into()), ..Inside::default() };
        list(&inside).unwrap()
    };
    assert_eq!(named("blue"), "sudo portsight ls --netns blue");
    assert_eq!(named("net:[4026532281]"), "sudo portsight ls --netns 'net:[4026532281]'");
    assert_eq!(named("it's"), r"sudo portsight ls --netns 'it'\''s'");
}

#[test]
fn a_container_has_words_for_people_and_for_the_command_line() {
    let with = |id: Option<&str>, name: Option<&str>, runtime| {
        let seen = |text: Option<&str>| match text {
            Some(text) => Seen::Known(text.to_owned()),
            None => Seen::Skipped("x"),
        };
        let container = Container { id: seen(id), name: seen(name), runtime };
        let publish = publish(&container, port(8080), port(80)).unwrap_or_default();
        (named(&container), handle(&container).unwrap_or("-").to_owned(), publish)
    };
    let again = |program: &str| format!("start it again with -p 8080:80 ({program} run)");
    let told = |words: [&str; 3]| (words[0].to_owned(), words[1].to_owned(), words[2].to_owned());
    assert_eq!(
        with(Some("0123456789abcdef"), Some("web"), Runtime::Docker),
        told(["web (docker 0123456789ab)", "web", &again("docker")])
    );
    assert_eq!(
        with(Some("0123456789abcdef"), None, Runtime::Containerd),
        told(["0123456789ab (containerd)", "0123456789abcdef", &again("nerdctl")])
    );
    assert_eq!(with(None, None, Runtime::Nspawn), told(["of systemd-nspawn", "-", ""]));
    // A name that a shell would read is no word for it.
    assert_eq!(with(Some("aa"), Some("$(id)"), Runtime::Podman).1, "aa");
    let device =
        "lxc config device add box port8080 proxy listen=tcp:0.0.0.0:8080 connect=tcp:127.0.0.1:80";
    assert_eq!(with(Some("box"), Some("box"), Runtime::Lxc), told(["box (lxc)", "box", device]));
}
