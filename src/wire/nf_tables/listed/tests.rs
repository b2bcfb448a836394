use super::super::sets::{self, Sets};
use super::super::tests::{CAPTURED, bytes, entry, expression, nested, xt};
use super::*;
use proptest::prelude::*;

const IP: u8 = 2;
const INET: u8 = 1;

fn no_interface(_index: u32) -> Option<String> {
    None
}

/// A rule of the chain `c` in the table `t`, with these expressions and data of programs.
fn rule(family: u8, expressions: &[Vec<u8>], userdata: &[u8]) -> ListedRule {
    let all: Vec<(u16, &[u8])> = expressions.iter().map(|it| (1, it.as_slice())).collect();
    let attributes: &[(u16, &[u8])] = &[
        (1, b"t\0"),
        (2, b"c\0"),
        (3, &[0, 0, 0, 0, 0, 0, 0, 7]),
        (4, &nested(&all)),
        (7, userdata),
    ];
    listed_rule(&entry(family, attributes)).expect("a rule")
}

fn nft(family: u8, expressions: &[Vec<u8>]) -> Option<String> {
    rule(family, expressions, &[]).as_nft(&Sets::default(), &no_interface)
}

fn long(number: u8) -> [u8; 4] {
    [0, 0, 0, number]
}

fn meta(key: u8) -> Vec<u8> {
    expression("meta", &[(1, &long(1)), (2, &long(key))])
}

fn payload(base: u8, offset: u8, len: u8) -> Vec<u8> {
    let data = [base, offset, len].map(long);
    expression("payload", &[(1, &long(1)), (2, &data[0]), (3, &data[1]), (4, &data[2])])
}

fn cmp(operator: u8, value: &[u8]) -> Vec<u8> {
    expression("cmp", &[(1, &long(1)), (2, &long(operator)), (3, &nested(&[(1, value)]))])
}

fn tcp_port(port: u16) -> Vec<Vec<u8>> {
    vec![meta(16), cmp(0, &[6]), payload(2, 2, 2), cmp(0, &port.to_be_bytes())]
}

fn verdict(code: i32) -> Vec<u8> {
    let verdict = nested(&[(2, &nested(&[(1, &code.to_be_bytes())]))]);
    expression("immediate", &[(1, &long(0)), (2, &verdict)])
}

/// The rules that were captured from a kernel read as they were written, or not at all: sets and maps were not.
#[test]
#[cfg_attr(target_endian = "big", ignore = "netlink has the byte order of the host")]
fn captured_rules_read_as_they_were_written() {
    let mut without_words = Vec::new();
    for captured in CAPTURED.split("\n\n") {
        let (written, captured) = captured.split_once("\n= ").unwrap();
        let rule = listed_rule(&bytes(captured.split_once('\n').unwrap().1)).expect("a rule");
        let (program, written) = written.split_once(": ").unwrap();
        let of_iptables = program.starts_with("ip");
        assert_eq!(rule.is_of_iptables(), of_iptables, "{written}");
        let words = if of_iptables {
            rule.as_iptables()
        } else {
            rule.as_nft(&Sets::default(), &no_interface)
        };
        match words {
            Some(words) => assert_eq!(words, as_listed(written)),
            None => without_words.push(written),
        }
    }
    let expected = [
        "tcp dport { 80, 443 } dnat to 172.17.0.2",
        "dnat to tcp dport map @m",
        "tcp dport vmap @v",
    ];
    assert_eq!(without_words, expected);
}

/// What was written, in the words that it is listed with.
fn as_listed(written: &str) -> String {
    let words = written
        .replace("meta mark 3", "meta mark 0x00000003")
        .replace("-p udp --dport", "-p udp -m udp --dport")
        .replace("-p tcp --dport", "-p tcp -m tcp --dport");
    match words.strip_prefix("-m addrtype --dst-type LOCAL -p udp ") {
        Some(rest) => format!("-p udp -m addrtype --dst-type LOCAL {rest}"),
        None => words,
    }
}

#[test]
fn a_rule_that_is_not_all_understood_has_no_words() {
    let with = |more: Vec<u8>| nft(IP, &[tcp_port(22), vec![more, verdict(0)]].concat());
    assert_eq!(with(expression("counter", &[])).as_deref(), Some("tcp dport 22 counter drop"));
    assert_eq!(with(expression("of a later kernel", &[])), None);
    assert_eq!(with(meta(99)).as_deref(), Some("tcp dport 22 drop"), "what is not looked at");
    assert_eq!(with(cmp(9, &[0, 22])), None, "no such comparison");
    assert_eq!(with(cmp(0, &[0])), None, "a part of a port");
    assert_eq!(with(verdict(3)), None, "NFQUEUE");
    // An attribute of a later kernel may turn the sense of the others.
    let turned = |last: u16| {
        let value = nested(&[(1, &[0, 22])]);
        with(expression("cmp", &[(1, &long(1)), (2, &long(0)), (3, &value), (last, &long(1))]))
    };
    assert_eq!(turned(4), None);
    let bitwise = |xor: u8| {
        let (mask, xor) = (nested(&[(1, &[0xff, 0])]), nested(&[(1, &[xor, 0])]));
        let data = [1, 1, 2].map(long);
        with(expression(
            "bitwise",
            &[(1, &data[0]), (2, &data[1]), (3, &data[2]), (4, &mask), (5, &xor)],
        ))
    };
    assert_eq!(bitwise(1), None, "bits that are turned round");
}

/// What is said of the packet's family is left out only where something else says it.
#[test]
fn a_family_that_nothing_else_says_stays_said() {
    let ipv4 = [meta(15), cmp(0, &[2])];
    let after = |steps: &[Vec<u8>]| nft(INET, &[&ipv4, steps].concat());
    let address = [payload(1, 12, 4), cmp(0, &[192, 0, 2, 1])];
    assert_eq!(after(&address).as_deref(), Some("ip saddr 192.0.2.1"));
    let counted = [&[expression("counter", &[])], &address[..]].concat();
    assert_eq!(after(&counted).as_deref(), Some("meta nfproto ipv4 counter ip saddr 192.0.2.1"));
    let reset = |kind: u8| expression("reject", &[(1, &long(kind)), (2, &[3])]);
    let refused = |kind| after(&[tcp_port(22), vec![reset(kind)]].concat());
    assert_eq!(refused(0).as_deref(), Some("tcp dport 22 reject with icmp port-unreachable"));
    assert_eq!(refused(1).as_deref(), Some("meta nfproto ipv4 tcp dport 22 reject with tcp reset"));
    let of_icmp =
        |protocol| after(&[meta(16), cmp(0, &[protocol]), payload(2, 0, 1), cmp(0, &[128])]);
    assert_eq!(of_icmp(1).as_deref(), Some("icmp type 128"));
    assert_eq!(of_icmp(58).as_deref(), Some("meta nfproto ipv4 icmpv6 type echo-request"));
    assert_eq!(after(&ipv4), None, "said twice");
    assert_eq!(nft(INET, &address), None, "a header of no family");
}

/// A register that holds something else than it seems gives no words.
#[test]
fn a_register_is_read_as_what_was_written_last() {
    let loaded = |register: u8| {
        let data = [register, 2, 2, 2].map(long);
        expression("payload", &[(1, &data[0]), (2, &data[1]), (3, &data[2]), (4, &data[3])])
    };
    let tcp = [meta(16), cmp(0, &[6])];
    let after = |steps: &[Vec<u8>]| nft(IP, &[&tcp, steps].concat());
    assert_eq!(after(&[loaded(1), cmp(0, &[0, 22])]).as_deref(), Some("tcp dport 22"));
    assert_eq!(after(&[loaded(8), cmp(0, &[0, 22])]).as_deref(), Some("tcp dport 22"), "one place");
    assert_eq!(after(&[loaded(2), cmp(0, &[0, 22])]), None);
    assert_eq!(after(&[loaded(9), cmp(0, &[0, 22, 0, 0, 0])]), None);
    assert_eq!(after(&[loaded(99), cmp(0, &[0, 22])]), None);
}

#[test]
fn what_programs_keep_with_a_rule_may_be_a_comment() {
    let words = |family, userdata: &[u8]| {
        let rule = rule(family, &[verdict(0)], userdata);
        rule.as_nft(&Sets::default(), &no_interface)
    };
    assert_eq!(words(INET, b"\0\x03hi\0").as_deref(), Some("drop comment \"hi\""));
    let hostile = words(INET, b"\0\x07\x1b[2J\xff\"\0").unwrap();
    assert_eq!(hostile, "drop comment \"\u{1b}[2J\u{fffd}\"\"", "to be escaped where it is shown");
    assert_eq!(words(INET, b"\x01\x02x\0").as_deref(), Some("drop"), "something else");
    assert_eq!(words(INET, b"\0\xffhi").as_deref(), Some("drop"), "cut short");
    assert_eq!(rule(IP, &[verdict(0)], b"\0\x03hi\0").as_iptables(), None, "not one of iptables");
}

#[test]
fn interfaces_have_names_while_they_are_there() {
    let rule = rule(INET, &[meta(4), cmp(0, &7_u32.to_ne_bytes()), verdict(1)], &[]);
    let words =
        |interfaces: &dyn Fn(u32) -> Option<String>| rule.as_nft(&Sets::default(), interfaces);
    assert_eq!(
        words(&|index| (index == 7).then(|| "eth0".to_owned())).as_deref(),
        Some("iif \"eth0\" accept")
    );
    assert_eq!(words(&no_interface).as_deref(), Some("iif 7 accept"));
    assert_eq!(words(&|_| Some("a\"b".to_owned())), None);
}

fn lookup(set: &str, inverted: bool) -> Vec<u8> {
    let name = [set.as_bytes(), &[0]].concat();
    expression("lookup", &[(1, &name), (2, &long(1)), (5, &long(u8::from(inverted)))])
}

/// A set of ports, and what it takes with these elements: a key, and whether a range ends before it.
fn ports(flags: u8, elements: &[([u8; 2], bool)]) -> Option<String> {
    let set = entry(IP, &[(1, b"t\0"), (2, b"__set0\0"), (3, &long(flags)), (5, &long(2))]);
    let elements: Vec<Vec<u8>> = elements
        .iter()
        .map(|(key, is_end)| nested(&[(1, &nested(&[(1, key)])), (3, &long(u8::from(*is_end)))]))
        .collect();
    let list: Vec<(u16, &[u8])> = elements.iter().map(|it| (1, it.as_slice())).collect();
    let elements = sets::some_elements(&entry(IP, &[(3, &nested(&list))]));
    let mut sets = Sets::default();
    sets.insert(sets::set(&set).expect("a set"));
    assert!(sets.lacks_elements("__set0"));
    sets.fill("__set0", elements.into_iter().collect());
    let mut expressions = tcp_port(0);
    expressions.truncate(3);
    expressions.push(lookup("__set0", false));
    rule(IP, &expressions, &[]).as_nft(&sets, &no_interface)
}

#[test]
fn sets_are_listed_in_the_order_of_their_keys() {
    const ANONYMOUS: u8 = 3;
    const INTERVALS: u8 = 7;
    let port = |number: u16| number.to_be_bytes();
    let plain = [(port(443), false), (port(80), false), (port(22), false)];
    assert_eq!(ports(ANONYMOUS, &plain).as_deref(), Some("tcp dport { 22, 80, 443 }"));
    // The end of all before the first range, a range of one, one beside the next, and one without an end.
    let ranges = [
        (port(0), true),
        (port(22), false),
        (port(23), true),
        (port(80), false),
        (port(90), false),
        (port(90), true),
        (port(100), true),
        (port(1024), false),
    ];
    let words = "tcp dport { 22, 80-89, 90-99, 1024-65535 }";
    assert_eq!(ports(INTERVALS, &ranges).as_deref(), Some(words));
    let backwards: Vec<_> = ranges.iter().rev().copied().collect();
    assert_eq!(ports(INTERVALS, &backwards).as_deref(), Some(words));
    assert_eq!(
        ports(INTERVALS, &[(port(0), false), (port(1024), true)]).as_deref(),
        Some("tcp dport { 0-1023 }")
    );
    assert_eq!(ports(INTERVALS, &[(port(5), false), (port(5), false)]), None, "no such range");
    assert_eq!(ports(ANONYMOUS, &[]), None, "an empty set matches nothing");
    assert_eq!(ports(ANONYMOUS, &[(port(5), true)]), None, "an end where there are no ranges");
    // A set with a name of its own is called by it, and one that is not known gives no words.
    assert_eq!(nft(IP, &[tcp_port(1), vec![lookup("gone", false)]].concat()), None);
}

#[test]
fn a_set_of_several_fields_is_asked_with_all_of_them() {
    let set = |key_len: u8| {
        let mut sets = Sets::default();
        let set = entry(IP, &[(1, b"t\0"), (2, b"pair\0"), (3, &long(0)), (5, &long(key_len))]);
        sets.insert(sets::set(&set).expect("a set"));
        sets
    };
    let to = |register: u8, base: u8, offset: u8, len: u8| {
        let data = [register, base, offset, len].map(long);
        expression("payload", &[(1, &data[0]), (2, &data[1]), (3, &data[2]), (4, &data[3])])
    };
    let steps = [meta(16), cmp(0, &[6]), to(1, 1, 12, 4), to(9, 2, 2, 2), lookup("pair", true)];
    let words = |key_len| rule(IP, &steps, &[]).as_nft(&set(key_len), &no_interface);
    assert_eq!(words(8).as_deref(), Some("ip saddr . tcp dport != @pair"));
    assert_eq!(words(4).as_deref(), Some("meta l4proto tcp ip saddr != @pair"), "only the address");
    assert_eq!(words(12), None, "something that was never looked at");
    assert_eq!(words(0), None);
}

#[test]
fn unknown_matches_of_iptables_have_no_words() {
    let with = |name: &str, revision, info: &[u8]| {
        rule(IP, &[xt("match", name, revision, info), verdict(0)], &[]).as_iptables()
    };
    assert_eq!(
        with("comment", 0, b"it's\0").as_deref(),
        Some("-m comment --comment \"it\\'s\" -j DROP")
    );
    assert_eq!(
        with("comment", 0, b"plain_-1\0").as_deref(),
        Some("-m comment --comment plain_-1 -j DROP")
    );
    assert_eq!(with("comment", 0, b"\0").as_deref(), Some("-m comment --comment \"\" -j DROP"));
    assert_eq!(with("comment", 1, b"x\0"), None, "a later revision");
    assert_eq!(with("socket", 0, &[0; 4]), None);
    assert_eq!(with("icmp", 0, &[8, 0, 255, 0]).as_deref(), Some("-m icmp --icmp-type 8 -j DROP"));
    assert_eq!(
        with("icmp", 0, &[3, 1, 1, 1]).as_deref(),
        Some("-m icmp ! --icmp-type 3/1 -j DROP")
    );
    assert_eq!(with("icmp", 0, &[3, 1, 2, 0]), None);
    assert_eq!(with("icmp", 0, &[3]), None);
    // A rule ends with its target.
    let two = [verdict(0), verdict(1)];
    assert_eq!(rule(IP, &two, &[]).as_iptables(), None);
}

proptest! {
    #[test]
    fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _any = (sets::set(&bytes), sets::some_elements(&bytes), super::super::placed_chain(&bytes));
        if let Some(rule) = listed_rule(&bytes) {
            let _any = (rule.as_nft(&Sets::default(), &no_interface), rule.as_iptables(), rule.sets());
        }
    }

    #[test]
    fn any_expressions_end_without_a_panic(
        family in prop::sample::select(&[1_u8, 2, 3, 5, 7, 10][..]),
        expressions in prop::collection::vec(
            (
                "payload|meta|ct|fib|cmp|range|lookup|bitwise|immediate|limit|log|nat|masq|redir|tproxy|reject|match|target",
                prop::collection::vec((1_u16..8, prop::collection::vec(any::<u8>(), 0..24)), 0..6),
            ),
            0..6,
        ),
    ) {
        let expressions: Vec<Vec<u8>> = expressions
            .iter()
            .map(|(name, data)| {
                let data: Vec<_> = data.iter().map(|(kind, value)| (*kind, value.as_slice())).collect();
                expression(name, &data)
            })
            .collect();
        let rule = rule(family, &expressions, &[]);
        let _any = (rule.as_nft(&Sets::default(), &no_interface), rule.as_iptables());
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
        if let Some(rule) = listed_rule(&payload) {
            let _any = (rule.as_nft(&Sets::default(), &no_interface), rule.as_iptables());
        }
    }

    #[test]
    fn any_match_and_any_target_end_without_a_panic(
        kind in "match|target",
        name in "comment|conntrack|multiport|addrtype|icmp|icmp6|recent|tcp|udp|REJECT|MARK|LOG|DNAT|SNAT|REDIRECT|MASQUERADE",
        revision in 0u8..4,
        info in prop::collection::vec(any::<u8>(), 0..240),
    ) {
        let _any = rule(IP, &[xt(&kind, &name, revision, &info)], &[]).as_iptables();
    }
}
