use super::*;
use crate::model::{TargetPort, Through};
use crate::wire::netlink::push_attribute;
use proptest::prelude::*;

/// Rules as `nft` and `iptables` of Debian 12 wrote them and Linux 6.18 sent them back, on a machine with the low byte
/// first: the rule, what is read from it, and its bytes.
pub(super) const CAPTURED: &str = include_str!("captured.txt");

fn show(rule: &Rule) -> String {
    match (&rule.translation, &rule.leads_to) {
        (Some(Translation::NotUnderstood), LeadsTo::Nowhere) => "not understood".to_owned(),
        (Some(Translation::Published(published)), LeadsTo::Nowhere) => show_published(published),
        (None, LeadsTo::Nowhere) => "nothing".to_owned(),
        (None, LeadsTo::Chain(chain)) => format!("leads to {chain}"),
        (None, LeadsTo::Mapped) => "leads by a map".to_owned(),
        both => panic!("a rule does one thing: {both:?}"),
    }
}

fn show_published(published: &Published) -> String {
    let family = published.family.map_or("any", Family::name);
    let address = published.address.map_or("*".to_owned(), |it| it.to_string());
    let (first, last) = (published.ports.start(), published.ports.end());
    let ports = if first == last { first.to_string() } else { format!("{first}-{last}") };
    let through = match &published.through {
        Through::Any => String::new(),
        Through::Only(name) => format!(" in {name}"),
        Through::AllBut(name) => format!(" not in {name}"),
    };
    let narrowed = if published.narrowed { " narrowed" } else { "" };
    let target = published.target.map_or("here".to_owned(), |it| it.to_string());
    let onto = match published.target_port {
        TargetPort::Same => "same".to_owned(),
        TargetPort::One(port) => port.to_string(),
        TargetPort::From(port) => format!("from {port}"),
    };
    let transport = published.transport;
    format!("{family} {transport} {address} {ports}{through}{narrowed} -> {target} {onto}")
}

pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "netlink has the byte order of the host")]
fn captured_rules_are_read_as_they_were_written() {
    let rules: Vec<&str> = CAPTURED.split("\n\n").collect();
    assert_eq!(rules.len(), 31);
    for captured in rules {
        let (written, captured) = captured.split_once("\n= ").unwrap();
        let (expected, hex) = captured.split_once('\n').unwrap();
        let rule = rule(&bytes(hex)).expect("a rule");
        assert_eq!(show(&rule), expected, "{written}");
    }
}

/// An entry of an answer, with its attributes.
pub(super) fn entry(family: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    [&[family, 0, 0, 0], nested(attributes).as_slice()].concat()
}

pub(super) fn nested(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, value) in attributes {
        push_attribute(&mut bytes, *kind, value);
    }
    bytes
}

pub(super) fn expression(name: &str, data: &[(u16, &[u8])]) -> Vec<u8> {
    nested(&[(1, name.as_bytes()), (2, &nested(data))])
}

/// What is read from a rule of the family `ip` with these expressions behind the one that asks for TCP.
fn read(expressions: &[Vec<u8>]) -> String {
    let tcp = [
        expression("meta", &[(1, &[0, 0, 0, 1]), (2, &[0, 0, 0, 16])]),
        expression("cmp", &[(1, &[0, 0, 0, 1]), (2, &[0; 4]), (3, &nested(&[(1, &[6])]))]),
    ];
    let all: Vec<(u16, &[u8])> =
        tcp.iter().chain(expressions).map(|expression| (1, expression.as_slice())).collect();
    let payload = entry(2, &[(1, b"nat\0"), (2, b"DOCKER\0"), (4, &nested(&all))]);
    show(&rule(&payload).expect("a rule"))
}

pub(super) fn xt(kind: &str, name: &str, revision: u8, info: &[u8]) -> Vec<u8> {
    expression(kind, &[(1, name.as_bytes()), (2, &[0, 0, 0, revision]), (3, info)])
}

/// `struct xt_tcp`; the first ten bytes are `struct xt_udp` when they end in a zero.
fn xt_tcp(source: [u16; 2], destination: [u16; 2], end: [u8; 4]) -> Vec<u8> {
    let ports = [source, destination].concat();
    ports.into_iter().flat_map(u16::to_ne_bytes).chain(end).collect()
}

const ANY: [u16; 2] = [0, 65_535];

/// `struct nf_nat_range2`.
fn range(flags: u32, addresses: [u8; 2], ports: [u16; 2]) -> Vec<u8> {
    let address = |last: u8| [[10, 88, 0, last].as_slice(), &[0; 12]].concat();
    let addresses = addresses.map(address).concat();
    let ports = ports.into_iter().flat_map(u16::to_be_bytes);
    flags.to_ne_bytes().into_iter().chain(addresses).chain(ports).chain([0; 4]).collect()
}

/// Before iptables 1.8.8 the ports stood in a match of their own, and before Linux 4.18 targets had older forms.
#[test]
fn matches_and_targets_of_older_iptables_are_read() {
    let target = xt("target", "DNAT", 2, &range(3, [2, 2], [80, 80]));
    let after = |name, info: &[u8]| read(&[xt("match", name, 0, info), target.clone()]);
    let published = "ipv4 tcp * 8081 -> 10.88.0.2 80";
    assert_eq!(after("tcp", &xt_tcp(ANY, [8081, 8081], [0; 4])), published);
    assert_eq!(after("udp", &xt_tcp(ANY, [8081, 8081], [0; 4])), published);
    let range_of_ports = xt_tcp(ANY, [8000, 8010], [0; 4]);
    assert_eq!(after("tcp", &range_of_ports), "ipv4 tcp * 8000-8010 -> 10.88.0.2 80");
    for (name, info) in [
        ("tcp", xt_tcp(ANY, [8081, 8081], [0, 0, 0, 2])),
        ("tcp", xt_tcp(ANY, [8081, 8081], [0, 2, 2, 0])),
        ("tcp", xt_tcp([99, 99], [8081, 8081], [0; 4])),
        ("udp", xt_tcp(ANY, [8081, 8081], [2, 0, 0, 0])),
        ("tcp", xt_tcp(ANY, ANY, [0; 4])),
        ("tcp", vec![0; 4]),
        ("multiport", vec![1; 48]),
    ] {
        assert_eq!(after(name, &info), "not understood", "{name} {info:?}");
    }

    let port = xt("match", "tcp", 0, &xt_tcp(ANY, [8081, 8081], [0; 4]));
    let onto =
        |name, revision, info: &[u8]| read(&[port.clone(), xt("target", name, revision, info)]);
    let of_ipv4 = [
        &1u32.to_ne_bytes()[..],
        &3u32.to_ne_bytes(),
        &[10, 88, 0, 2, 10, 88, 0, 2],
        &[0, 80, 0, 80],
    ]
    .concat();
    assert_eq!(onto("DNAT", 0, &of_ipv4), published);
    assert_eq!(onto("DNAT", 1, &range(3, [2, 2], [80, 80])), published);
    assert_eq!(onto("REDIRECT", 0, &of_ipv4), "ipv4 tcp * 8081 -> here 80");
    assert_eq!(onto("SNAT", 0, &of_ipv4), "nothing");
    for (name, info) in [
        ("DNAT", range(3, [2, 3], [80, 80])),
        ("DNAT", range(3, [2, 2], [80, 90])),
        ("DNAT", range(7, [2, 2], [8080, 8090])),
        ("DNAT", range(0x23, [2, 2], [80, 90])),
        ("DNAT", range(0x43, [2, 2], [80, 80])),
        ("DNAT", vec![3; 8]),
        ("NETMAP", of_ipv4.clone()),
    ] {
        assert_eq!(onto(name, 2, &info), "not understood", "{name} {info:?}");
    }
}

/// Two facts that were put into one register are not taken for each other.
#[test]
fn a_register_holds_what_was_written_last() {
    let port = |register: u8| {
        let two = [0, 0, 0, 2];
        expression("payload", &[(1, &[0, 0, 0, register]), (2, &two), (3, &two), (4, &two)])
    };
    let mark = |register: u8| expression("meta", &[(1, &[0, 0, 0, register]), (2, &[0, 0, 0, 3])]);
    let is_8081 = |register: u8| {
        let value = nested(&[(1, &[0x1f, 0x91])]);
        expression("cmp", &[(1, &[0, 0, 0, register]), (2, &[0; 4]), (3, &value)])
    };
    let redirect = expression("redir", &[]);
    let after = |steps: &[Vec<u8>]| read(&[steps, std::slice::from_ref(&redirect)].concat());
    assert_eq!(after(&[port(1), is_8081(1)]), "ipv4 tcp * 8081 -> here same");
    assert_eq!(after(&[port(1), is_8081(8)]), "ipv4 tcp * 8081 -> here same", "one place");
    assert_eq!(after(&[port(9), mark(10), is_8081(9)]), "ipv4 tcp * 8081 -> here same");
    assert_eq!(after(&[port(1), is_8081(2)]), "not understood");
    assert_eq!(after(&[port(1), mark(1), is_8081(1)]), "not understood");
    let unknown = expression("of a later kernel", &[]);
    assert_eq!(after(&[port(1), unknown.clone(), is_8081(1)]), "not understood");
    assert_eq!(after(&[port(1), is_8081(1), unknown]), "ipv4 tcp * 8081 narrowed -> here same");
    let from_register =
        expression("redir", &[(1, &[0, 0, 0, 1]), (2, &[0, 0, 0, 1]), (3, &[0, 0, 0, 2])]);
    assert_eq!(read(&[port(1), is_8081(1), from_register]), "not understood");
}

#[test]
fn destination_nat_begins_in_chains_of_packets_that_come_in_and_of_our_own() {
    let chain = |family: u8, kind: &[u8], hook: u8| {
        let hook = nested(&[(1, &[0, 0, 0, hook]), (2, &[0, 0, 0, 0])]);
        nat_chain(&entry(family, &[(1, b"t\0"), (3, b"c\0"), (4, &hook), (7, kind)]))
    };
    let table = Table { family: TableFamily::Inet, name: "t".to_owned() };
    let found = Some(Chain { table, name: "c".to_owned() });
    assert_eq!(chain(1, b"nat\0", 0), found);
    assert_eq!(chain(1, b"nat\0", 3), found);
    assert_eq!(chain(1, b"nat\0", 4), None, "source NAT");
    assert_eq!(chain(1, b"filter\0", 0), None);
    assert_eq!(chain(7, b"nat\0", 0), None, "a bridge");
    assert_eq!(nat_chain(&entry(2, &[(1, b"t\0"), (3, b"c\0")])), None, "a chain to jump to");
}

#[test]
fn only_a_dormant_table_is_dormant() {
    let table = |flags: u8| dormant(&entry(10, &[(1, b"t\0"), (2, &[0, 0, 0, flags])]));
    assert_eq!(table(1), Some(Table { family: TableFamily::Ip6, name: "t".to_owned() }));
    assert_eq!(table(2), None, "owned");
    assert_eq!(dormant(&[10, 0]), None);
}

proptest! {
    #[test]
    fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _any = (rule(&bytes), nat_chain(&bytes), dormant(&bytes));
    }

    /// A rule with a byte changed is still a rule, or none: it may end in any way but a panic.
    #[test]
    fn a_rule_with_changed_bytes_ends_without_a_panic(
        which in 0usize..31,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let captured = CAPTURED.split("\n\n").nth(which).unwrap();
        let mut payload = bytes(captured.splitn(3, '\n').nth(2).unwrap());
        for (place, value) in changes {
            let place = place.index(payload.len());
            payload[place] = value;
        }
        let _any = rule(&payload);
    }

    #[test]
    fn any_match_and_any_target_end_without_a_panic(
        name in "tcp|udp|addrtype|comment|DNAT|REDIRECT",
        revision in 0u8..3,
        info in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let _any = read(&[xt("match", &name, revision, &info), xt("target", &name, revision, &info)]);
    }
}
