//! Ends without a rule, and the names that must follow.

use super::*;
use crate::model::{Base, ChainKind, Policy, Reply, Table};
use crate::reconcile::tests::listener;

const HOST: Reached = Reached::Host(None);

fn journey(reached: Reached, reason: Option<&str>) -> Journey {
    let dropped = reason.map(|reason| Dropped { reason: reason.into(), location: None });
    Journey { reached, steps: Vec::new(), reply: None, dropped }
}

fn program(id: u32) -> Program {
    Program { id, name: Some("deny".into()) }
}

fn device(change: impl Fn(&mut DeviceFilters)) -> Filters {
    let mut device = DeviceFilters { name: "eth0".into(), ..DeviceFilters::default() };
    change(&mut device);
    Filters { devices: [(2, device)].into(), ..Filters::default() }
}

fn at_cgroup(programs: Vec<Program>) -> Filters {
    let cgroup = CgroupFilters { path: "/a.service".into(), ingress: programs };
    Filters { cgroups: [(7, cgroup)].into(), ..Filters::default() }
}

fn netfilter() -> Filters {
    let of = |family, hook, id| (family, hook, program(id));
    let netfilter = vec![
        of(TableFamily::Ip, Hook::Prerouting, 3),
        of(TableFamily::Ip6, Hook::Input, 4),
        of(TableFamily::Ip, Hook::Output, 5),
    ];
    Filters { netfilter, ..Filters::default() }
}

fn legacy() -> Filters {
    let legacy = vec![(TableFamily::LegacyIp, "filter".to_owned())];
    Filters { legacy, ..Filters::default() }
}

/// Place, hook and text, and `told` where the kernel said it.
fn named(journey: &Journey, filters: &Filters, rulebook: &Rulebook) -> String {
    let mut socket = listener("0.0.0.0");
    socket.held.cgroup = Seen::Known(7);
    let source = Some("10.0.0.9".parse().unwrap());
    let scene =
        Scene { journey, filters, rulebook, device: Some(2), source, socket: Some(&socket) };
    let it = scene.checkpoint();
    let told = if it.is_told() { "told" } else { "-" };
    let hook = it.hook.map_or("-", Hook::name);
    format!("{} {hook} {told}: {}", it.place.name(), it.text)
}

/// How far it came, what the kernel said, what there is, and what it must be called.
type Row<'a> = (Reached, Option<&'a str>, &'a Filters, &'a str);

fn assert_named(table: &[Row<'_>]) {
    for (reached, reason, filters, expected) in table {
        let told = named(&journey(*reached, *reason), filters, &Rulebook::default());
        assert_eq!(told, *expected, "{reached:?} {reason:?}");
    }
}

#[test]
fn what_ends_at_the_device_has_its_name() {
    let none = Filters::default();
    let xdp = device(|it| it.generic_xdp = Some(program(3)));
    let native = device(|it| it.native_xdp = Some(program(4)));
    let tc = device(|it| it.tc = vec!["filter bpf pref 1".into()]);
    let both = device(|it| {
        it.generic_xdp = Some(program(3));
        it.tc = vec!["tcx: deny, program 9".into()];
    });
    assert_named(&[
        (
            Reached::Nothing,
            Some("XDP"),
            &xdp,
            "xdp ingress told: an XDP program on eth0 (deny, program 3)",
        ),
        (
            Reached::Nothing,
            Some("XDP_DROP"),
            &native,
            "xdp ingress told: an XDP program in the driver of eth0 (deny, program 4)",
        ),
        (
            Reached::Nothing,
            Some("XDP_ABORTED"),
            &native,
            "xdp ingress told: an XDP program in the driver of eth0 (deny, program 4), which failed",
        ),
        (Reached::Nothing, None, &xdp, "xdp ingress -: an XDP program on eth0 (deny, program 3)"),
        (
            Reached::Nothing,
            Some("TC_INGRESS"),
            &both,
            "tc ingress told: a filter of traffic control on eth0 (tcx: deny, program 9)",
        ),
        (
            Reached::Nothing,
            None,
            &tc,
            "tc ingress -: a filter of traffic control on eth0 (filter bpf pref 1)",
        ),
        (
            Reached::Nothing,
            None,
            &both,
            "device ingress -: an XDP program on eth0 (deny, program 3), or a filter of traffic control on eth0 (tcx: deny, program 9)",
        ),
        (
            Reached::Nothing,
            None,
            &none,
            "device ingress -: something at the device, before every rule",
        ),
        (
            Reached::Nothing,
            Some("NOT_SPECIFIED"),
            &none,
            "device ingress -: something at the device, before every rule (the kernel says NOT_SPECIFIED)",
        ),
    ]);
}

#[test]
fn what_ends_behind_the_first_rule_has_its_name() {
    let none = Filters::default();
    let strict = device(|it| it.rp_filter = Some(1));
    let away =
        Filters { no_way_to: ["10.0.0.9".parse().unwrap()].into(), ..at_cgroup(vec![program(3)]) };
    assert_named(&[
        (
            Reached::Rules,
            Some("IP_RPFILTER"),
            &strict,
            "rp_filter prerouting told: the reverse path filter (rp_filter=1 on eth0), before any rule of input",
        ),
        (
            Reached::Rules,
            Some("IP_LOCAL_SOURCE"),
            &none,
            "address prerouting told: the kernel's check of addresses: its source is an address of this host (a martian)",
        ),
        (
            Reached::Rules,
            None,
            &none,
            "route prerouting -: the kernel's check of its source (rp_filter), or its routing, before any rule of input",
        ),
        (
            Reached::Rules,
            Some("NETFILTER_DROP"),
            &netfilter(),
            "netfilter-bpf prerouting told: a BPF program at the hook prerouting of netfilter (deny, program 3)",
        ),
        (
            Reached::Rules,
            Some("NETFILTER_DROP"),
            &legacy(),
            "iptables-legacy input told: a rule of iptables-legacy, whose trace could not be heard",
        ),
        (
            Reached::Rules,
            Some("NETFILTER_DROP"),
            &none,
            "unknown input told: a hook of netfilter that is no rule of nf_tables (the kernel says NETFILTER_DROP)",
        ),
        (
            Reached::Rules,
            Some("PKT_TOO_SMALL"),
            &netfilter(),
            "unknown prerouting told: the kernel, between the first rule and the sockets (the kernel says PKT_TOO_SMALL)",
        ),
        (
            HOST,
            Some("SOCKET_FILTER"),
            &at_cgroup(vec![program(3)]),
            "cgroup input told: a program of the cgroup /a.service (deny, program 3), or a filter of the socket",
        ),
        (
            HOST,
            Some("SOCKET_FILTER"),
            &at_cgroup(vec![]),
            "socket-filter input told: a filter of the socket (SO_ATTACH_FILTER)",
        ),
        (
            HOST,
            Some("TCP_AONOTFOUND"),
            &none,
            "tcp-signature input told: the listener's demand for TCP signatures (MD5 or AO), which the probe lacks",
        ),
        (
            HOST,
            None,
            &away,
            "route output -: the routing of the answer: there is no route to 10.0.0.9",
        ),
        (
            HOST,
            None,
            &none,
            "socket input -: something behind the last rule: a filter of the socket or its cgroup, or for want of room",
        ),
    ]);
}

#[test]
fn a_chain_at_a_device_is_named_where_netfilter_did_it() {
    let table = Table { family: TableFamily::Netdev, name: "door".into() };
    let chain = Chain { table, name: "entrance".into() };
    let (hook, kind, policy) = (Hook::Ingress, ChainKind::Filter, Policy::Accept);
    let base = Base { hook, kind, priority: 0, policy };
    let rulebook = Rulebook { chains: [(chain, Some(base))].into(), rules: [].into() };
    let xdp = device(|it| it.generic_xdp = Some(program(3)));
    let of =
        |reason, filters: &Filters| named(&journey(Reached::Nothing, reason), filters, &rulebook);
    let told = of(Some("NETFILTER_DROP"), &xdp);
    assert!(
        told.starts_with("ingress-chain ingress told: a rule of netdev door entrance:"),
        "{told}"
    );
    assert!(of(None, &Filters::default()).starts_with("ingress-chain ingress -: "));
    assert!(of(None, &xdp).starts_with("device ingress -: an XDP program on eth0 (deny, "));
}

#[test]
fn a_rule_that_was_not_traced_is_a_rule() {
    let mut dropped = journey(Reached::Rules, Some("NETFILTER_DROP"));
    dropped.dropped.as_mut().unwrap().location = Some("nft_do_chain".into());
    for filters in [Filters::default(), netfilter(), legacy()] {
        let told = named(&dropped, &filters, &Rulebook::default());
        let words =
            "unknown - told: a rule of nf_tables that was not traced: another turns that off";
        assert!(told.starts_with(words), "{told}");
    }
}

#[test]
fn a_reply_that_was_lost_was_lost_on_its_way() {
    let lost = Some(Reply { left: false, steps: Vec::new() });
    let journey = Journey { reply: lost, ..journey(HOST, Some("NETFILTER_DROP")) };
    let of = |filters: &Filters| named(&journey, filters, &Rulebook::default());
    let program = "netfilter-bpf output told: a BPF program at the hook output of netfilter (deny, program 5)";
    assert_eq!(of(&netfilter()), program);
    assert!(of(&legacy()).starts_with("iptables-legacy output told: "));
    assert!(of(&Filters::default()).starts_with("reply output told: something that is no rule"));
}

/// What there is and could have done it is no name for what the kernel gives another reason for, and only likely where it
/// gives none.
#[test]
fn what_is_there_did_not_do_what_the_kernel_has_other_words_for() {
    let mut all = device(|it| {
        it.generic_xdp = Some(program(3));
        it.tc = vec!["filter bpf pref 1".into()];
    });
    all.cgroups = at_cgroup(vec![program(4)]).cgroups;
    all.no_way_to.insert("10.0.0.9".parse().unwrap());
    let told = |reached, reason: &str, filters| {
        named(&journey(reached, Some(reason)), filters, &Rulebook::default())
    };
    let at_device = told(Reached::Nothing, "PKT_TOO_SMALL", &all);
    assert!(at_device.starts_with("device ingress told: something at eth0, "), "{at_device}");
    let at_socket = told(HOST, "TCP_MINTTL", &all);
    assert!(
        at_socket.starts_with("socket input told: something behind the last rule, "),
        "{at_socket}"
    );
    assert!(at_socket.ends_with(" (the kernel says TCP_MINTTL)"), "{at_socket}");
    let lost = Some(Reply { left: false, steps: Vec::new() });
    let lost = Journey { reply: lost, ..journey(HOST, Some("NEIGH_FAILED")) };
    let back = named(&lost, &netfilter(), &Rulebook::default());
    assert!(back.starts_with("reply output told: ") && back.contains("NEIGH_FAILED"), "{back}");

    let xdp = device(|it| it.generic_xdp = Some(program(3)));
    let silent = told(Reached::Nothing, Dropped::NO_REASON, &xdp);
    assert!(silent.starts_with("xdp ingress -: an XDP program on eth0 "), "{silent}");
    let mut at_xdp = journey(Reached::Nothing, Some(Dropped::NO_REASON));
    at_xdp.dropped.as_mut().unwrap().location = Some("do_xdp_generic".into());
    let told = named(&at_xdp, &xdp, &Rulebook::default());
    assert!(told.starts_with("xdp ingress told: an XDP program on eth0 "), "{told}");
}

#[test]
fn a_datagram_that_had_no_room_or_was_thrown_away_was_not_filtered() {
    use Transport::{Tcp, Udp};
    for (reason, expected) in [
        ("SOCKET_FILTER", [true, true]),
        ("SOCKET_RCVBUFF", [false, false]),
        ("NO_SOCKET", [false, false]),
        // What a VXLAN cannot read.
        ("PKT_TOO_SMALL", [true, false]),
        (Dropped::NO_REASON, [true, false]),
    ] {
        let it = journey(HOST, Some(reason));
        assert_eq!([is_filtered(&it, Tcp), is_filtered(&it, Udp)], expected, "{reason}");
    }
    assert!(!is_filtered(&journey(HOST, None), Tcp));
}
