//! Units as literals, and what follows from their state.

use super::words::in_words;
use super::*;
use crate::model::{Manager, Network, Opened, Restrictions, Seen, TakenBy};
use crate::reconcile::tests::listener;
use crate::reconcile::why::judge;
use crate::reconcile::why::tests::{facts, open, port, refused, silent, told};

/// A unit of the system that has never run.
pub(in crate::reconcile::why) fn unit(name: &str) -> UnitState {
    UnitState {
        name: name.into(),
        manager: Manager::System,
        loaded: "loaded".into(),
        activity: Activity::Inactive,
        sub: "dead".into(),
        result: "success".into(),
        restarts: 0,
        since: Seen::Absent,
        file: "disabled".into(),
        runs_once: false,
        words: Vec::new(),
        configured: Vec::new(),
        environment: Vec::new(),
        opens: Vec::new(),
        starts: Vec::new(),
        started_by: Vec::new(),
        slice: None,
        restrictions: Restrictions::default(),
    }
}

/// A service whose command names the port.
fn web(activity: Activity, sub: &str, seconds: u64) -> UnitState {
    UnitState {
        activity,
        sub: sub.into(),
        since: Seen::Known(Duration::from_secs(seconds)),
        words: ["/bin/web", "--port", "80"].map(str::to_owned).into(),
        ..unit("web.service")
    }
}

fn opens(number: u16) -> Vec<Opening> {
    let address = "127.0.0.1".parse().unwrap();
    vec![Opening { transport: crate::model::Transport::Tcp, address, port: port(number) }]
}

/// A client of `localhost:80` that is refused, and these units.
fn with(units: Vec<UnitState>) -> Facts {
    let service = Some("http".to_owned());
    Facts { units: Seen::Known(units), service, ..facts(vec![refused("127.0.0.1:80")], vec![]) }
}

fn next(facts: &Facts) -> Vec<String> {
    judge(facts).diagnosis.unwrap().next
}

#[test]
fn the_state_of_a_unit_that_names_the_port_is_the_reason() {
    use Activity::{Active, Failed, Inactive, Starting, Stopping};
    let table = [
        (web(Failed, "failed", 5), "R11 likely"),
        (web(Starting, "start", 5), "R12 likely"),
        (web(Starting, "auto-restart", 5), "R12 likely"),
        (web(Active, "running", 2), "R12 likely"),
        // It has had its time, or is not there to run on.
        (web(Active, "running", 60), "R01 proved"),
        (web(Active, "exited", 2), "R01 proved"),
        (web(Inactive, "dead", 60), "R13 likely"),
        (web(Stopping, "stop-sigterm", 1), "R13 likely"),
        (UnitState { words: vec!["/bin/web".into()], ..web(Failed, "failed", 5) }, "R01 proved"),
    ];
    for (unit, expected) in table {
        assert_eq!(told(&with(vec![unit.clone()])), expected, "{unit:#?}");
    }
    let socket = |activity| UnitState { activity, opens: opens(80), ..unit("web.socket") };
    assert_eq!(told(&with(vec![socket(Failed)])), "R11 proved");
    // The table of sockets was not read whole.
    let mut half = with(vec![socket(Failed)]);
    half.after.gaps.push(crate::reconcile::why::tests::gap("x", crate::model::Hides::Sockets));
    assert_eq!(told(&half), "R11 likely");
    let elsewhere = UnitState { opens: opens(81), ..socket(Failed) };
    assert_eq!(told(&with(vec![elsewhere])), "R01 proved");
    assert_eq!(told(&Facts { units: Seen::Failed("x".into()), ..with(vec![]) }), "R01 proved");
}

#[test]
fn who_failed_goes_before_who_is_only_installed() {
    use Activity::{Active, Failed, Inactive};
    let named = |name: &str, activity, file: &str| UnitState {
        activity,
        file: file.into(),
        sub: "running".into(),
        since: Seen::Known(Duration::from_mins(1)),
        ..unit(name)
    };
    let socket = || UnitState { opens: opens(80), ..unit("other.socket") };
    let text = |units| judge(&with(units)).diagnosis.unwrap().text;
    let failed = text(vec![socket(), named("http.service", Failed, "enabled")]);
    assert!(failed.contains("http.service (http) failed 1 min ago"), "{failed}");
    let enabled = text(vec![socket(), named("http.service", Inactive, "enabled")]);
    assert!(enabled.contains("http.service (http) is installed"), "{enabled}");
    // One that runs is the one that should listen.
    let running = with(vec![socket(), named("http.service", Active, "enabled")]);
    assert_eq!(told(&running), "R01 proved");
    let evidence = judge(&running).evidence;
    assert!(evidence.iter().any(|it| it.what == "http.service"), "{evidence:?}");
    // One of several that may serve it is no reason while it is only not started.
    assert_eq!(told(&with(vec![named("nginx.service", Failed, "enabled")])), "R11 likely");
    let idle = with(vec![named("nginx.service", Inactive, "enabled")]);
    assert_eq!(told(&idle), "R01 proved");
    let also = judge(&idle).also_checked.join(", ");
    assert!(
        also.contains("nginx.service does not run, and it may serve http (possible)"),
        "{also}"
    );
}

#[test]
fn a_listener_that_is_nearly_it_stands_between_who_names_the_port_and_who_has_the_name() {
    let near = |units, service: &str| {
        let mut facts = with(units);
        facts.asked.port = port(8080);
        facts.service = Some(service.into());
        let mut socket = listener("127.0.0.1");
        socket.port = port(8081);
        facts.after.sockets.push(socket);
        told(&facts)
    };
    let mut named = web(Activity::Inactive, "dead", 1);
    named.words[2] = "8080".into();
    assert_eq!(near(vec![named], "x"), "R13 likely");
    assert_eq!(near(vec![unit("x.service")], "x"), "R02 likely");
    assert_eq!(near(vec![], "x"), "R02 likely");
}

#[test]
fn a_socket_unit_decides_the_port() {
    let socket = |activity, number| UnitState {
        activity,
        opens: opens(number),
        starts: vec!["web.service".into()],
        ..unit("web.socket")
    };
    let service = || UnitState {
        started_by: vec!["web.socket".into()],
        ..web(Activity::Inactive, "dead", 1)
    };
    let facts = with(vec![service(), socket(Activity::Active, 81)]);
    assert_eq!(told(&facts), "R14 likely");
    assert_eq!(next(&facts), ["sudo systemctl edit web.socket", "portsight why localhost:81"]);
    // The socket unit does not run either: then the service would open its own port.
    assert_eq!(told(&with(vec![service(), socket(Activity::Inactive, 81)])), "R13 likely");

    let gave_up =
        UnitState { result: "service-start-limit-hit".into(), ..socket(Activity::Failed, 80) };
    let failed = UnitState { result: "exit-code".into(), ..web(Activity::Failed, "failed", 1) };
    let facts = with(vec![gave_up, failed.clone()]);
    assert_eq!(told(&facts), "R14 proved");
    let commands = next(&facts);
    assert_eq!(commands[1], "sudo systemctl reset-failed web.socket web.service");
    // At every address of the other family it would not have taken this client either.
    for (address, certainty) in [("0.0.0.0", "likely"), ("::", "proved"), ("::1", "proved")] {
        let mut socket = socket(Activity::Failed, 80);
        socket.opens[0].address = address.parse().unwrap();
        let facts = Facts { cases: vec![refused("[::1]:80")], ..with(vec![socket]) };
        assert_eq!(told(&facts), format!("R11 {certainty}"), "{address}");
    }

    // It connects, since systemd has the socket, and nobody serves it.
    let mut case = open("127.0.0.1:80");
    case.attempt.opened = Some(Opened { taken: TakenBy::Probed, ended: true, waits: None });
    let units = vec![socket(Activity::Active, 80), failed];
    let opened = Facts { cases: vec![case.clone()], ..with(units.clone()) };
    assert_eq!(told(&opened), "R14 likely");
    let mut away = opened.clone();
    away.cases[0].way = crate::model::Way::Out { device: 2, gateway: None };
    assert_eq!(told(&away), "C02 likely");
    let mut of_other = opened.clone();
    of_other.after.sockets.push(crate::reconcile::why::tests::owned_by("127.0.0.1", 42, "node"));
    assert_eq!(told(&of_other), "C02 likely");
    let mut of_systemd = opened;
    of_systemd.after.sockets.push(crate::reconcile::why::tests::owned_by(
        "127.0.0.1",
        1,
        "systemd",
    ));
    assert_eq!(told(&of_systemd), "R14 likely");
}

#[test]
fn systemd_is_asked_only_where_it_can_matter() {
    let sockets = [listener("127.0.0.1")];
    let held: Vec<&Socket> = sockets.iter().collect();
    assert!(wants_units(&[refused("127.0.0.1:80")], &[]));
    assert!(!wants_units(&[refused("127.0.0.1:80")], &held), "somebody has the port");
    assert!(!wants_units(&[open("127.0.0.1:80")], &held));
    let mut ended = open("127.0.0.1:80");
    ended.attempt.opened = Some(Opened { taken: TakenBy::Probed, ended: true, waits: None });
    let bound = Socket { state: crate::model::SocketState::Bound, ..listener("127.0.0.1") };
    assert!(!wants_units(std::slice::from_ref(&ended), &held));
    assert!(wants_units(std::slice::from_ref(&ended), &[]));
    assert!(wants_units(&[ended], &[&bound]), "systemd is closing it");
    assert!(!wants_units(&[refused("127.0.0.1:80")], &[&bound]), "it is held");
    assert!(!wants_units(&[silent("127.0.0.1:80")], &[]));
    let mut away = refused("10.0.0.9:80");
    away.way = crate::model::Way::Out { device: 2, gateway: None };
    assert!(!wants_units(&[away], &[]));
    assert!(silent_unit(&[open("127.0.0.1:80")], &held).is_none());
}

#[test]
fn the_filter_of_a_unit_is_blamed_only_where_it_denies_the_client() {
    let facts = |networks: &[&str], drops| {
        let mut facts = facts(vec![silent("127.0.0.1:80")], vec![listener("127.0.0.1")]);
        let network = |text: &&str| {
            let (address, prefix) = text.split_once('/').unwrap();
            Network { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
        };
        let denied = networks.iter().map(network).collect();
        let units = vec!["web.service".into()];
        facts.restrictions = Some(Restrictions { units, denied, ..Restrictions::default() });
        for (table, drops) in [(&mut facts.before, 0), (&mut facts.after, drops)] {
            let queue = crate::model::Queue { length: 0, limit: 128, drops };
            table.sockets[0].queue = Seen::Known(queue);
        }
        facts
    };
    assert_eq!(told(&facts(&["0.0.0.0/0"], 2)), "T06 likely");
    assert_eq!(told(&facts(&["::/0", "10.0.0.0/8"], 2)), "T04 likely");
    assert_eq!(told(&facts(&["0.0.0.0/0"], 0)), "T01 likely");

    // A name is one word for a shell, and who asks for a user's unit is that user.
    let mut escaped = facts(&["0.0.0.0/0"], 2);
    let user = Manager::User(1000);
    let name = r"a\x2db.service";
    let unit = Unit { name: name.into(), manager: user, serves: None };
    escaped.after.sockets[0].held.unit = Seen::Known(unit);
    escaped.restrictions.as_mut().unwrap().units = vec![name.into(), "user-1000.slice".into()];
    assert_eq!(
        next(&escaped),
        [
            r"systemctl --user show -p IPAddressDeny,IPAddressAllow 'a\x2db.service'",
            "systemctl show -p IPAddressDeny,IPAddressAllow user-1000.slice",
            r"systemctl --user edit 'a\x2db.service'",
        ]
    );

    // From elsewhere it is the address of the client there that counts.
    let from = |source: &str| {
        let mut facts = facts(&["10.0.0.0/8"], 2);
        facts.remote = Some(crate::reconcile::why::Remote {
            word: "lan".into(),
            places: std::collections::BTreeSet::new(),
            sources: vec![source.parse().unwrap()],
            every_address: false,
            there: None,
        });
        told(&facts)
    };
    assert_eq!(from("10.0.0.9"), "T06 likely");
    assert_eq!(from("192.0.2.9"), "T04 likely");
}

#[test]
fn commands_are_those_of_whose_unit_it_is() {
    let mut user = web(Activity::Failed, "failed", 1);
    user.manager = Manager::User(1000);
    user.name = r"a\x2db.service".into();
    let commands = next(&with(vec![user]));
    assert_eq!(commands[0], r"systemctl --user status 'a\x2db.service'");
    assert_eq!(commands[2], r"systemctl --user start 'a\x2db.service'");
    for (seconds, words) in [(59, "59 s"), (60, "1 min"), (7200, "2 h"), (172_800, "2 days")] {
        assert_eq!(in_words(Duration::from_secs(seconds)), words);
    }
}
