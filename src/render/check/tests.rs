//! The report of `check`, as literal reports.

use super::*;
use crate::document::samples::{With, check, finding, tcp, view};
use crate::model::{Certainty, How, Icmp, OwnersUnknownReason, Socket, SocketState};
use crate::render::sanitize::width;

const DURATION: Duration = Duration::from_millis(412);

fn shown(check: &Check, look: &Appearance) -> (String, Vec<&'static str>) {
    let mut out = Vec::new();
    let shown = check_table(&mut out, check, DURATION, look).unwrap();
    (String::from_utf8(out).unwrap(), shown.hidden)
}

fn plain(check: &Check) -> String {
    let mut out = Vec::new();
    check_records(&mut out, check, Records::Plain).unwrap();
    String::from_utf8(out).unwrap()
}

fn noted(view: View, note: &str) -> View {
    View { note: Some(note.into()), ..view }
}

/// The two views of a port.
fn views(loopback: (State, Verdict), own: (State, Verdict)) -> Vec<View> {
    vec![view(Vantage::Loopback, loopback.0, loopback.1), view(Vantage::Own, own.0, own.1)]
}

fn both(state: State, verdict: Verdict) -> Vec<View> {
    views((state, verdict), (state, verdict))
}

/// One port for each verdict, and more for those with several stories.
fn every_verdict() -> Check {
    let stopped = |how, verdict| View {
        how: Some(how),
        certainty: Certainty::Likely,
        ..view(Vantage::Own, State::Filtered, verdict)
    };
    let open = (State::Open, Verdict::Reachable);
    let reachable = || view(Vantage::Loopback, State::Open, Verdict::Reachable);
    let rejected = View {
        icmp: Some(Icmp { kind: 3, code: 13, from: Some([10, 0, 0, 5].into()) }),
        ..stopped(How::Rejected, Verdict::Shielded)
    };
    let idle = tcp("127.0.0.1", 7000).owned_by(61, "holder");
    let idle = Socket { state: SocketState::Bound, ..idle };
    let note = "nobody listens, yet a connection was opened.";
    check(vec![
        finding(22, vec![tcp("::", 22).owned_by(812, "sshd")], both(open.0, open.1)),
        finding(
            25,
            vec![tcp("10.0.0.5", 25).owned_by(9, "smtpd")],
            vec![noted(
                view(Vantage::Loopback, State::Closed, Verdict::LocalOnly),
                "bound to 10.0.0.5",
            )],
        ),
        finding(
            80,
            vec![tcp("::", 80).owned_by(5, "slow").queue(3, 1, 0)],
            both(State::Filtered, Verdict::Overloaded)
                .into_iter()
                .map(|view| noted(view, "accept queue 3/1"))
                .collect(),
        ),
        finding(
            81,
            Vec::new(),
            vec![noted(view(Vantage::Own, State::Open, Verdict::Unexpected), note)],
        ),
        finding(3306, Vec::new(), vec![rejected]),
        finding(
            5432,
            vec![tcp("127.0.0.1", 5432).owned_by(1203, "postgres")],
            views(open, (State::Closed, Verdict::LocalOnly)),
        ),
        finding(7000, vec![idle], both(State::Closed, Verdict::Closed)),
        finding(
            8080,
            vec![tcp("::", 8080).unowned(OwnersUnknownReason::Permission, "")],
            vec![reachable(), stopped(How::Dropped, Verdict::Filtered)],
        ),
        finding(
            9000,
            vec![tcp("0.0.0.0", 9000).owned_by(6, "docker-proxy")],
            vec![noted(
                view(Vantage::Own, State::Open, Verdict::Forwarded),
                "handed on to 172.17.0.3:9000",
            )],
        ),
        finding(
            9001,
            vec![tcp("::", 9001).owned_by(7, "a"), tcp("0.0.0.0", 9001).owned_by(8, "b")],
            vec![
                reachable(),
                noted(
                    view(Vantage::Own, State::Unknown, Verdict::Inconclusive),
                    "no source port was free",
                ),
            ],
        ),
        finding(9999, Vec::new(), both(State::Closed, Verdict::Closed)),
    ])
}

#[test]
fn every_verdict_at_every_width() {
    let check = every_verdict();
    let (text, hidden) = shown(&check, &Appearance::default());
    insta::assert_snapshot!(text, @"
    PORT      LISTENING     LOOPBACK  SELF      VERDICT
    22/tcp    sshd          open      open      reachable (locally; network not tested)
    25/tcp    smtpd         closed    -         local-only: bound to 10.0.0.5
    80/tcp    slow          filtered  filtered  overloaded: accept queue 3/1
    81/tcp    -             -         open      unexpected: nobody listens, yet a connection was opened
    3306/tcp  -             -         filtered  shielded: rejected, icmp 3/13 from 10.0.0.5 (likely); the rule was not traced
    5432/tcp  postgres      open      closed    reachable (locally; network not tested): bound to 127.0.0.1
    7000/tcp  -             closed    closed    closed: held by holder 61, not listening
    8080/tcp  root?         open      filtered  filtered at 10.0.0.5: dropped (likely); the rule was not traced
    9000/tcp  docker-proxy  -         open      forwarded: handed on to 172.17.0.3:9000
    9001/tcp  a +1          open      unknown   inconclusive at 10.0.0.5: no source port was free
    9999/tcp  -             closed    closed    closed
    65,535 TCP (by connect) and 3 UDP ports as seen from loopback and self in 0.4 s: 1 unexpected, 2 reachable, 1 filtered, 1 local-only, 1 forwarded, 1 overloaded, 1 inconclusive, 1 shielded, 2 closed
    note: self probes are carried over lo: an open there proves nothing about the network.
    ");
    assert!(hidden.is_empty());
    assert_eq!(
        shown(&check, &Appearance { width: Some(140), ..Appearance::default() }),
        (text, hidden)
    );

    let (text, hidden) = shown(&check, &Appearance { width: Some(80), ..Appearance::default() });
    insta::assert_snapshot!(text, @"
    PORT      LISTENING     LOOPBACK  SELF      VERDICT
    22/tcp    sshd          open      open      reachable (locally; network not tes…
    25/tcp    smtpd         closed    -         local-only: bound to 10.0.0.5
    80/tcp    slow          filtered  filtered  overloaded: accept queue 3/1
    81/tcp    -             -         open      unexpected: nobody listens, yet a c…
    3306/tcp  -             -         filtered  shielded: rejected, icmp 3/13 from…
    5432/tcp  postgres      open      closed    reachable (locally; network not tes…
    7000/tcp  -             closed    closed    closed: held by holder 61, not list…
    8080/tcp  root?         open      filtered  filtered at 10.0.0.5: dropped (like…
    9000/tcp  docker-proxy  -         open      forwarded: handed on to 172.17.0.3:…
    9001/tcp  a +1          open      unknown   inconclusive at 10.0.0.5: no source…
    9999/tcp  -             closed    closed    closed
    65,535 TCP (by connect) and 3 UDP ports as seen from loopback and self in 0.4 s: 1 unexpected, 2 reachable, 1 filtered, 1 local-only, 1 forwarded, 1 overloaded, 1 inconclusive, 1 shielded, 2 closed
    note: self probes are carried over lo: an open there proves nothing about the network.
    ");
    assert!(hidden.is_empty());

    let (text, hidden) = shown(&check, &Appearance { width: Some(60), ..Appearance::default() });
    insta::assert_snapshot!(text, @"
    PORT      LISTENING     SELF      VERDICT
    22/tcp    sshd          open      reachable (locally; netwo…
    25/tcp    smtpd         -         local-only: bound to 10.0…
    80/tcp    slow          filtered  overloaded: accept queue…
    81/tcp    -             open      unexpected: nobody listen…
    3306/tcp  -             filtered  shielded: rejected, icmp…
    5432/tcp  postgres      closed    reachable (locally; netwo…
    7000/tcp  -             closed    closed: held by holder 61…
    8080/tcp  root?         filtered  filtered at 10.0.0.5: dro…
    9000/tcp  docker-proxy  open      forwarded: handed on to 1…
    9001/tcp  a +1          unknown   inconclusive at 10.0.0.5:…
    9999/tcp  -             closed    closed
    65,535 TCP (by connect) and 3 UDP ports as seen from loopback and self in 0.4 s: 1 unexpected, 2 reachable, 1 filtered, 1 local-only, 1 forwarded, 1 overloaded, 1 inconclusive, 1 shielded, 2 closed
    note: self probes are carried over lo: an open there proves nothing about the network.
    ");
    assert_eq!(hidden, ["LOOPBACK"]);
}

#[test]
fn a_narrow_terminal_never_wraps() {
    let check = every_verdict();
    for limit in 36..140 {
        let (text, _) = shown(&check, &Appearance { width: Some(limit), ..Appearance::default() });
        let table: Vec<_> = text.lines().take(1 + check.items.len()).collect();
        assert!(table.iter().all(|line| width(line) <= limit.into()), "{limit}: {text}");
        for (line, finding) in table[1..].iter().zip(&check.items) {
            assert!(line.contains(finding.verdict.unwrap().name()), "{limit}: {text}");
        }
    }
}

#[test]
fn colour_adds_escapes_and_changes_no_word() {
    let check = every_verdict();
    let (plain, _) = shown(&check, &Appearance::default());
    let (colored, _) = shown(&check, &Appearance { color: true, ..Appearance::default() });
    for painted in [
        "\x1b[1m22/tcp\x1b[0m ",
        "\x1b[32mreachable\x1b[0m (locally",
        "\x1b[1m\x1b[31munexpected\x1b[0m: nobody",
        "\x1b[33mfiltered\x1b[0m at",
        "\x1b[35minconclusive\x1b[0m",
        "\x1b[31moverloaded\x1b[0m",
        "  closed: held",
    ] {
        assert!(colored.contains(painted), "{painted:?} is not in {colored:?}");
    }
    let mut words = colored;
    for escape in ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[35m", "\x1b[36m"]
    {
        words = words.replace(escape, "");
    }
    assert_eq!(words, plain);
}

#[test]
fn views_that_differ_within_a_vantage_show_each_state() {
    let closed = view(Vantage::Loopback, State::Closed, Verdict::LocalOnly);
    let open = view(Vantage::Loopback, State::Open, Verdict::Reachable);
    let dropped = view(Vantage::Loopback, State::Filtered, Verdict::Filtered);
    let states = |views: &[&View]| {
        let views = views.iter().map(|view| (*view).clone()).collect();
        states(&finding(80, Vec::new(), views), Vantage::Loopback)
    };
    assert_eq!(states(&[&open, &dropped, &open]), "open/filtered");
    assert_eq!(states(&[&closed, &open]), "open", "not bound to the other address");
    assert_eq!(states(&[&closed]), "closed");
    let listener = tcp("127.0.0.1", 80).owned_by(1, "a");
    let check = check(vec![finding(80, vec![listener], vec![open.clone(), closed, open])]);
    insta::assert_snapshot!(shown(&check, &Appearance::default()).0, @"
    PORT    LISTENING  LOOPBACK  SELF  VERDICT
    80/tcp  a          open      -     reachable (locally; network not tested): bound to 127.0.0.1
    65,535 TCP (by connect) and 3 UDP ports as seen from loopback and self in 0.4 s: 1 reachable
    note: self probes are carried over lo: an open there proves nothing about the network.
    ");
}

#[test]
fn the_line_that_sums_it_up_says_how_tcp_was_probed() {
    let mut check = check(Vec::new());
    check.vantages[0].methods = [Method::Syn, Method::Udp].into();
    let line = |check: &Check| summary(check, Duration::ZERO);
    assert!(line(&check).starts_with("65,535 TCP (by SYN and connect) and 3 UDP ports as"));
    check.vantages.truncate(1);
    check.vantages[0].transports.remove(&Transport::Udp);
    assert!(line(&check).starts_with("65,535 TCP ports (by SYN) as seen from loopback in"));
}

#[test]
fn a_likely_verdict_says_so() {
    let likely = |note: Option<&str>| {
        let view = View {
            certainty: Certainty::Likely,
            note: note.map(Into::into),
            ..view(Vantage::Own, State::Open, Verdict::Reachable)
        };
        reason(&finding(53, vec![tcp("::", 53)], vec![view]))
    };
    assert_eq!(likely(None), " (likely; network not tested)");
    assert_eq!(
        likely(Some("InDatagrams rose twice.")),
        " (likely; network not tested): InDatagrams rose twice"
    );
}

#[test]
fn an_interrupted_check_says_what_it_did_not_do() {
    let mut check = check(Vec::new());
    check.partial = true;
    check.vantages.truncate(1);
    check.vantages[0].lost = 1;
    let tally = check.vantages[0].transports.get_mut(&Transport::Tcp).unwrap();
    tally.probed -= 1_200;
    tally.not_probed = 1_200;
    insta::assert_snapshot!(shown(&check, &Appearance::default()).0, @"
    65,535 TCP (by connect) and 3 UDP ports as seen from loopback in 0.4 s: nothing was found, 1,200 not probed (of 65,538, ports times addresses), 1 probe failed on our side; PARTIAL: interrupted
    ");
    check.partial = false;
    check.vantages.clear();
    insta::assert_snapshot!(shown(&check, &Appearance::default()).0, @"
    No port was probed in 0.4 s: nothing was found
    ");
}

#[test]
fn a_port_of_many_addresses_is_counted_once() {
    let mut check = check(Vec::new());
    check.vantages[0].targets.push("::1".parse().unwrap());
    let tally = check.vantages[0].transports.get_mut(&Transport::Tcp).unwrap();
    tally.probed = 2 * 65_535 + 1;
    assert!(
        shown(&check, &Appearance::default())
            .0
            .starts_with("65,535 TCP (by connect) and 3 UDP ports as seen")
    );
}

#[test]
fn hostile_text_is_visible_everywhere() {
    let evil = "\x1b[2J\n\u{202e}日本";
    let mut seen = noted(view(Vantage::Own, State::Open, Verdict::Unexpected), evil);
    seen.interface.name = evil.into();
    seen.target = "fe80::1".parse().unwrap();
    let check = check(vec![finding(1, vec![tcp("::", 1).owned_by(1, evil)], vec![seen])]);
    insta::assert_snapshot!(shown(&check, &Appearance::default()).0, @r"
    PORT   LISTENING              LOOPBACK  SELF  VERDICT
    1/tcp  \x1b[2J\n\u{202e}日本  -         open  unexpected: \x1b[2J\n\u{202e}日本
    65,535 TCP (by connect) and 3 UDP ports as seen from loopback and self in 0.4 s: 1 unexpected
    note: self probes are carried over lo: an open there proves nothing about the network.
    ");
    insta::assert_snapshot!(plain(&check).replace('\t', "|"), @r"
    1/tcp|unexpected|proved|self|fe80::1%\x1b[2J\n\u{202e}日本|open|syn-ack|\x1b[2J\n\u{202e}日本|\x1b[2J\n\u{202e}日本
    ");
}

#[test]
fn plain_has_a_line_for_each_view_and_for_a_port_without() {
    let mut check = every_verdict();
    check.items[0].views.clear();
    insta::assert_snapshot!(plain(&check).replace('\t', "|"), @"
    22/tcp|not-probed|-|-|-|-|-|sshd|-
    25/tcp|local-only|proved|loopback|127.0.0.1|closed|conn-refused|smtpd|bound to 10.0.0.5
    80/tcp|overloaded|proved|loopback|127.0.0.1|filtered|no-response|slow|accept queue 3/1
    80/tcp|overloaded|proved|self|10.0.0.5|filtered|no-response|slow|accept queue 3/1
    81/tcp|unexpected|proved|self|10.0.0.5|open|syn-ack|-|nobody listens, yet a connection was opened.
    3306/tcp|shielded|likely|self|10.0.0.5|filtered|no-response|-|-
    5432/tcp|reachable|proved|loopback|127.0.0.1|open|syn-ack|postgres|-
    5432/tcp|local-only|proved|self|10.0.0.5|closed|conn-refused|postgres|-
    7000/tcp|closed|proved|loopback|127.0.0.1|closed|conn-refused|-|-
    7000/tcp|closed|proved|self|10.0.0.5|closed|conn-refused|-|-
    8080/tcp|reachable|proved|loopback|127.0.0.1|open|syn-ack|root?|-
    8080/tcp|filtered|likely|self|10.0.0.5|filtered|no-response|root?|-
    9000/tcp|forwarded|proved|self|10.0.0.5|open|syn-ack|docker-proxy|handed on to 172.17.0.3:9000
    9001/tcp|reachable|proved|loopback|127.0.0.1|open|syn-ack|a +1|-
    9001/tcp|inconclusive|proved|self|10.0.0.5|unknown|local-error|a +1|no source port was free
    9999/tcp|closed|proved|loopback|127.0.0.1|closed|conn-refused|-|-
    9999/tcp|closed|proved|self|10.0.0.5|closed|conn-refused|-|-
    ");
}
