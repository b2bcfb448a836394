//! A bind that a unit forbids, and one that a security module does.

use super::*;
use crate::model::{BindRule, Errno, Security, Seen, Transport};
use crate::reconcile::why::bind;
use crate::reconcile::why::tests::port;
use crate::reconcile::why::units::tests::unit;

/// A bind of 127.0.0.1:8080 that ends so.
fn facts(error: Option<&str>) -> BindFacts {
    let result = || match error {
        Some(name) => Err(Errno { name: name.into(), text: name.to_lowercase() }),
        None => Ok(()),
    };
    let at = "127.0.0.1:8080".parse().unwrap();
    BindFacts {
        target: "8080".into(),
        port: port(8080),
        transport: Transport::Tcp,
        bound: vec![Bound { at, plain: result(), reuse: result(), v6_only: result() }],
        inventory: Inventory::default(),
        local: Vec::new(),
        tentative: Vec::new(),
        unprivileged_from: Some(1024),
        may_bind_low: false,
        ephemeral: None,
        service: None,
        units: Seen::Absent,
        own: None,
        security: None,
        gaps: Vec::new(),
    }
}

fn denying(ports: Option<(u16, u16)>) -> Restrictions {
    let rule = BindRule { ipv4: None, transport: None, ports };
    let units = vec!["web.service".into()];
    Restrictions { units, may_not_bind: vec![rule], ..Restrictions::default() }
}

fn told(facts: &BindFacts) -> String {
    let why = bind(facts);
    let reason =
        why.diagnosis.map_or("-".into(), |it| format!("{} {}", it.code, it.certainty.name()));
    format!("{} {reason}", if why.works { "works" } else { "fails" })
}

#[test]
fn a_unit_that_forbids_the_port_is_possible() {
    let own = |ports| BindFacts { own: Some(denying(ports)), ..facts(Some("EPERM")) };
    assert_eq!(told(&own(None)), "fails B09 possible");
    assert_eq!(told(&own(Some((8080, 8090)))), "fails B09 possible");
    assert_eq!(told(&own(Some((80, 80)))), "fails B08 possible");
    assert_eq!(told(&facts(Some("EPERM"))), "fails B08 possible");

    let named = |ports| {
        let mut named = unit("web.service");
        named.words = ["/bin/web", "--port", "8080"].map(str::to_owned).into();
        named.restrictions = denying(ports);
        BindFacts { units: Seen::Known(vec![named]), ..facts(None) }
    };
    assert_eq!(told(&named(None)), "works B09 possible");
    assert_eq!(told(&named(Some((80, 80)))), "works -");
    let evidence = bind(&named(Some((80, 80)))).evidence;
    assert!(evidence.iter().any(|it| it.what == "web.service"), "{evidence:?}");
}

#[test]
fn what_is_known_of_security_modules_is_told_where_they_may_have_denied() {
    let denial = "avc:  denied  { name_bind } for comm=\"web\" src=8080";
    let security = Security {
        modules: Seen::Known(vec!["capability".into(), "selinux".into()]),
        label: Some("unconfined_t".into()),
        denials: vec![denial.into()],
    };
    let denied = BindFacts { security: Some(security), ..facts(Some("EACCES")) };
    assert_eq!(told(&denied), "fails B08 possible");
    let evidence: Vec<_> = bind(&denied).evidence.iter().map(|it| it.text.clone()).collect();
    for text in ["capability, selinux", "unconfined_t", denial] {
        assert!(evidence.iter().any(|it| it == text), "{text}: {evidence:?}");
    }
}

#[test]
fn systemd_is_asked_only_where_nobody_or_itself_has_the_port() {
    let wants = |error, owner: Option<&str>| {
        let mut inventory = Inventory::default();
        let owned = |name| crate::reconcile::why::tests::owned_by("127.0.0.1", 42, name);
        inventory.sockets.extend(owner.map(owned));
        bind_wants_units(&facts(error).bound, &inventory)
    };
    assert!(wants(None, None));
    assert!(wants(Some("EADDRINUSE"), Some("systemd")));
    assert!(!wants(Some("EADDRINUSE"), Some("node")));
    assert!(!wants(Some("EACCES"), None));
}
