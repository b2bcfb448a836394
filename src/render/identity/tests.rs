//! What serves each port, as literal reports.

use crate::document::samples::{self, check, finding, tcp, view};
use crate::model::{
    Access, Check, Identity, PortFinding, Protocol, Recognised, Risk, Seen, Severity, Spoken,
    State, Vantage, Verdict,
};
use crate::render::{Appearance, Records, check_records, check_table};
use std::time::Duration;

fn served(port: u16, identity: Seen<Identity>) -> PortFinding {
    let open = view(Vantage::Loopback, State::Open, Verdict::Reachable);
    let listener = tcp("::", port);
    PortFinding { identity, ..finding(port, vec![listener], vec![open]) }
}

fn told(spoken: Spoken) -> Identity {
    Identity { target: [127, 0, 0, 1].into(), by: Recognised::Answer, spoken, risk: None }
}

fn every_story() -> Check {
    let named = |protocol, product: &str, version: &str| Spoken {
        product: Some(product.into()),
        version: Some(version.into()),
        ..Spoken::of(protocol)
    };
    let risk = Risk {
        code: "redis-no-auth",
        severity: Severity::High,
        text: "Redis obeys anyone (bound to the network)".into(),
        advice: "set requirepass".into(),
    };
    let redis = Spoken { access: Some(Access::Free), ..named(Protocol::Redis, "Redis", "7.0.15") };
    let odd = Spoken { banner: Some("hi\x1b[2J\u{202e}\nsecond".into()), ..Spoken::default() };
    let guess = Identity { by: Recognised::Port, ..told(Spoken::of(Protocol::Rsh)) };
    let mut check = check(vec![
        served(22, Seen::Known(told(named(Protocol::Ssh, "OpenSSH", "9.2p1")))),
        served(443, Seen::Known(samples::https())),
        served(514, Seen::Known(guess)),
        served(6379, Seen::Known(Identity { risk: Some(risk), ..told(redis) })),
        served(7000, Seen::Known(told(odd))),
        served(7001, Seen::Failed("it said nothing".into())),
        served(7002, Seen::Skipped("an excluded port takes its connections")),
        served(7003, Seen::Absent),
    ]);
    check.identified = true;
    check
}

fn shown(check: &Check, look: &Appearance) -> String {
    let mut out = Vec::new();
    let shown = check_table(&mut out, check, Duration::from_millis(412), look).unwrap();
    assert_eq!(shown.hidden.len(), look.width.map_or(0, |width| usize::from(width < 70) * 2));
    String::from_utf8(out).unwrap()
}

#[test]
fn the_table_has_a_column_and_lines_for_what_is_dangerous() {
    let check = every_story();
    let look = Appearance { now: samples::NOW, ..Appearance::default() };
    insta::assert_snapshot!(shown(&check, &look), @r#"
    PORT      LISTENING  LOOPBACK  SELF  VERDICT                                  IDENTITY
    22/tcp    ?          open      -     reachable (locally; network not tested)  ssh OpenSSH 9.2p1
    443/tcp   ?          open      -     reachable (locally; network not tested)  https nginx 1.24.0, status 200, TLS 1.3 h2, web.example until 2027-01-02, self-issued
    514/tcp   ?          open      -     reachable (locally; network not tested)  rsh? (a guess by the port)
    6379/tcp  ?          open      -     reachable (locally; network not tested)  redis 7.0.15, risk: redis-no-auth
    7000/tcp  ?          open      -     reachable (locally; network not tested)  ? "hi\x1b[2J\u{202e}"
    7001/tcp  ?          open      -     reachable (locally; network not tested)  ? it said nothing
    7002/tcp  ?          open      -     reachable (locally; network not tested)  ? an excluded port takes its connections
    7003/tcp  ?          open      -     reachable (locally; network not tested)  -
    65,535 TCP (by connect) and 3 UDP ports as seen from loopback and self in 0.4 s: 8 reachable
    risk (high): 6379/tcp redis: Redis obeys anyone (bound to the network)
      advice: set requirepass
    note: self probes are carried over lo: an open there proves nothing about the network.
    "#);
    let late = Appearance { now: 1_800_000_000, ..look };
    assert!(shown(&check, &late).contains("web.example expired 2027-01-02"));
    let narrow = Appearance { width: Some(80), ..look };
    insta::assert_snapshot!(shown(&check, &narrow), @r#"
    PORT      LISTENING  LOOPBACK  SELF  VERDICT               IDENTITY
    22/tcp    ?          open      -     reachable (locally;…  ssh OpenSSH 9.2p1
    443/tcp   ?          open      -     reachable (locally;…  https nginx 1.24.0,…
    514/tcp   ?          open      -     reachable (locally;…  rsh? (a guess by the…
    6379/tcp  ?          open      -     reachable (locally;…  redis 7.0.15, risk:…
    7000/tcp  ?          open      -     reachable (locally;…  ? "hi\x1b[2J\u{202e}"
    7001/tcp  ?          open      -     reachable (locally;…  ? it said nothing
    7002/tcp  ?          open      -     reachable (locally;…  ? an excluded port t…
    7003/tcp  ?          open      -     reachable (locally;…  -
    65,535 TCP (by connect) and 3 UDP ports as seen from loopback and self in 0.4 s: 8 reachable
    risk (high): 6379/tcp redis: Redis obeys anyone (bound to the network)
      advice: set requirepass
    note: self probes are carried over lo: an open there proves nothing about the network.
    "#);
    let asked = |identified| shown(&Check { identified, ..check.clone() }, &look);
    assert!(asked(true).contains("IDENTITY") && !asked(false).contains("IDENTITY"));
}

#[test]
fn records_have_it_behind_everything_else() {
    let check = every_story();
    let mut out = Vec::new();
    check_records(&mut out, &check, Records::Csv).unwrap();
    let text = String::from_utf8(out).unwrap().replace('\r', "");
    insta::assert_snapshot!(text, @"
    port,verdict,certainty,vantage,target,state,reason,listener,note,identity,product,version,tls,certificate_until,risk
    22/tcp,reachable,proved,loopback,127.0.0.1,open,syn-ack,?,,ssh,OpenSSH,9.2p1,,,
    443/tcp,reachable,proved,loopback,127.0.0.1,open,syn-ack,?,,https,nginx,1.24.0,TLS 1.3,2027-01-02T03:04:05Z,
    514/tcp,reachable,proved,loopback,127.0.0.1,open,syn-ack,?,,rsh?,,,,,
    6379/tcp,reachable,proved,loopback,127.0.0.1,open,syn-ack,?,,redis,Redis,7.0.15,,,redis-no-auth
    7000/tcp,reachable,proved,loopback,127.0.0.1,open,syn-ack,?,,?,,,,,
    7001/tcp,reachable,proved,loopback,127.0.0.1,open,syn-ack,?,,?,,,,,
    7002/tcp,reachable,proved,loopback,127.0.0.1,open,syn-ack,?,,?,,,,,
    7003/tcp,reachable,proved,loopback,127.0.0.1,open,syn-ack,?,,,,,,,
    ");
    let mut out = Vec::new();
    check_records(&mut out, &Check { identified: false, ..check }, Records::Csv).unwrap();
    assert!(
        String::from_utf8(out)
            .unwrap()
            .starts_with("port,verdict,certainty,vantage,target,state,reason,listener,note\r\n")
    );
}
