//! The listing of `ls`, as literal reports.

use super::*;
use crate::document::samples::{NOW, With, inventory, owner, packet, tcp, udp, unix};
use crate::model::{OwnersUnknownReason, Role, Runtime, Seen, SocketState};
use crate::render::sanitize::width;

fn look() -> Appearance {
    Appearance { now: NOW, ..Appearance::default() }
}

fn shown(sockets: &[Socket], look: &Appearance) -> (String, Vec<&'static str>) {
    let mut out = Vec::new();
    let shown = sockets_table(&mut out, &inventory(sockets), Extent::Everything, look).unwrap();
    (String::from_utf8(out).unwrap(), shown.hidden)
}

fn plain(sockets: &[Socket]) -> String {
    let mut out = Vec::new();
    sockets_records(&mut out, &inventory(sockets), Records::Plain).unwrap();
    String::from_utf8(out).unwrap()
}

fn host() -> Vec<Socket> {
    let idle = tcp("127.0.0.1", 7000).owned_by(61, "holder");
    let mut java = tcp("::", 8080).service("http-alt");
    java.held.user = Seen::Known("tomcat".into());
    vec![
        tcp("::", 22).service("ssh").owned_by(812, "sshd"),
        udp("127.0.0.53", 53).service("domain").owned_by(400, "systemd-resolve"),
        tcp("127.0.0.1", 5432)
            .service("postgresql")
            .owned_by(1203, "postgres")
            .owned_by(1210, "postgres"),
        tcp("::1", 5432)
            .service("postgresql")
            .owned_by(1203, "postgres")
            .owned_by(1210, "postgres"),
        Socket { state: SocketState::Bound, queue: Seen::Absent, ..idle },
        java.unowned(OwnersUnknownReason::Permission, "its holder could not be read"),
        tcp("fe80::1", 9000).on("eth0").unowned(OwnersUnknownReason::Kernel, "no process holds it"),
    ]
}

#[test]
fn a_host_at_every_width() {
    let (text, hidden) = shown(&host(), &look());
    insta::assert_snapshot!(text, @"
    PORT      SERVICE     BIND                       PROCESS              USER    UP
    22/tcp    ssh         * (v4+v6)                  sshd 812             root    2h
    53/udp    domain      127.0.0.53                 systemd-resolve 400  root    2h
    5432/tcp  postgresql  127.0.0.1 ::1              postgres 1203 +1     root    2h
    7000/tcp  -           127.0.0.1 (not listening)  holder 61            root    2h
    8080/tcp  http-alt    * (v4+v6)                  root?                tomcat  -
    9000/tcp  -           fe80::1%eth0               kernel?              root    -
    6 ports, 3 open to the network by binding.
    ");
    assert!(hidden.is_empty());
    assert_eq!(shown(&host(), &Appearance { width: Some(140), ..look() }), (text, hidden));

    let (text, hidden) = shown(&host(), &Appearance { width: Some(80), ..look() });
    insta::assert_snapshot!(text, @"
    PORT      SERVICE     BIND                       PROCESS              USER    UP
    22/tcp    ssh         * (v4+v6)                  sshd 812             root    2h
    53/udp    domain      127.0.0.53                 systemd-resolve 400  root    2h
    5432/tcp  postgresql  127.0.0.1 ::1              postgres 1203 +1     root    2h
    7000/tcp  -           127.0.0.1 (not listening)  holder 61            root    2h
    8080/tcp  http-alt    * (v4+v6)                  root?                tomcat  -
    9000/tcp  -           fe80::1%eth0               kernel?              root    -
    6 ports, 3 open to the network by binding.
    ");
    assert!(hidden.is_empty());

    let (text, hidden) = shown(&host(), &Appearance { width: Some(60), ..look() });
    insta::assert_snapshot!(text, @"
    PORT      BIND                       PROCESS
    22/tcp    * (v4+v6)                  sshd 812
    53/udp    127.0.0.53                 systemd-resolve 400
    5432/tcp  127.0.0.1 ::1              postgres 1203 +1
    7000/tcp  127.0.0.1 (not listening)  holder 61
    8080/tcp  * (v4+v6)                  root?
    9000/tcp  fe80::1%eth0               kernel?
    6 ports, 3 open to the network by binding.
    ");
    assert_eq!(hidden, ["SERVICE", "USER", "UP"]);
}

#[test]
fn a_narrow_terminal_never_wraps() {
    for limit in 36..140 {
        let (text, _) = shown(&host(), &Appearance { width: Some(limit), ..look() });
        let table: Vec<_> = text.lines().take(7).collect();
        assert!(table.iter().all(|line| width(line) <= limit.into()), "{limit}: {text}");
        assert!(table[1].starts_with("22/tcp") && table[1].contains("sshd 812"), "{limit}: {text}");
    }
}

#[test]
fn colour_adds_escapes_and_changes_no_word() {
    let (plain, _) = shown(&host(), &look());
    let (colored, _) = shown(&host(), &Appearance { color: true, ..look() });
    assert!(colored.contains("\n\x1b[1m22/tcp\x1b[0m    ssh"), "{colored}");
    assert_eq!(colored.replace("\x1b[1m", "").replace("\x1b[0m", ""), plain);
}

#[test]
fn sockets_of_one_port_with_other_owners_have_their_own_rows() {
    let sockets = [
        tcp("0.0.0.0", 80).owned_by(10, "nginx").owned_by(11, "nginx"),
        tcp("::", 80).v6_only().owned_by(10, "nginx").owned_by(11, "nginx"),
        tcp("0.0.0.0", 80).owned_by(20, "caddy"),
        tcp("0.0.0.0", 80).owned_by(20, "caddy"),
    ];
    insta::assert_snapshot!(shown(&sockets, &look()).0, @"
    PORT    SERVICE  BIND            PROCESS      USER  UP
    80/tcp  -        * (v4+v6)       nginx 10 +1  root  2h
    80/tcp  -        * (v4 only) x2  caddy 20     root  2h
    1 port, 1 open to the network by binding.
    ");
}

#[test]
fn a_full_queue_and_drops_have_a_column() {
    let sockets = [
        tcp("::", 80).owned_by(10, "nginx").queue(129, 128, 7),
        tcp("::", 81).owned_by(11, "idle").queue(128, 128, 0),
        udp("::", 53).owned_by(12, "named").queue(900, 800, 12),
    ];
    insta::assert_snapshot!(shown(&sockets, &look()).0, @"
    PORT    SERVICE  BIND       PROCESS   USER  QUEUE                   UP
    53/udp  -        * (v4+v6)  named 12  root  12 drops                2h
    80/tcp  -        * (v4+v6)  nginx 10  root  queue 129/128, 7 drops  2h
    81/tcp  -        * (v4+v6)  idle 11   root  -                       2h
    3 ports, 3 open to the network by binding.
    ");
}

#[test]
fn hostile_names_are_visible_and_keep_the_table_straight() {
    let mut sockets = [
        tcp("::", 1).service("a\tb").owned_by(1, "\x1b[2J\u{202e}evil"),
        tcp("::", 2).owned_by(2, "two\nlines"),
        tcp("::", 3).owned_by(3, "サーバー"),
    ];
    sockets[1].held.owners[0].process.user = Seen::Known("ro\u{200b}ot".into());
    insta::assert_snapshot!(shown(&sockets, &look()).0, @r"
    PORT   SERVICE  BIND       PROCESS                USER          UP
    1/tcp  a\tb     * (v4+v6)  \x1b[2J\u{202e}evil 1  root          2h
    2/tcp  -        * (v4+v6)  two\nlines 2           ro\u{200b}ot  2h
    3/tcp  -        * (v4+v6)  サーバー 3             root          2h
    3 ports, 3 open to the network by binding.
    ");
    insta::assert_snapshot!(plain(&sockets).replace('\t', "|"), @r"
    1/tcp|listen|::|\x1b[2J\u{202e}evil|1|root|a\tb|any|31001|-|-
    2/tcp|listen|::|two\nlines|2|ro\u{200b}ot|-|any|31002|-|-
    3/tcp|listen|::|サーバー|3|root|-|any|31003|-|-
    ");
}

#[test]
fn nothing_is_a_sentence_in_the_table_and_silence_in_plain() {
    let nothing = |extent| {
        let mut out = Vec::new();
        let shown = sockets_table(&mut out, &inventory([]), extent, &look()).unwrap();
        assert_eq!(shown, Shown::default());
        String::from_utf8(out).unwrap()
    };
    assert_eq!(nothing(Extent::Everything), "Nothing is listening.\n");
    assert_eq!(nothing(Extent::Selection), "Nothing that matches is listening.\n");
    assert_eq!(
        nothing(Extent::Incomplete),
        "Nothing was found listening, and not everything could be seen.\n"
    );
    assert_eq!(plain(&[]), "");
}

#[test]
fn plain_has_a_line_for_each_socket_and_owner() {
    insta::assert_snapshot!(plain(&host()).replace('\t', "|"), @"
    22/tcp|listen|::|sshd|812|root|ssh|any|31022|-|-
    53/udp|unconnected|127.0.0.53|systemd-resolve|400|root|domain|loopback|31053|-|-
    5432/tcp|listen|127.0.0.1|postgres|1203|root|postgresql|loopback|36432|-|-
    5432/tcp|listen|127.0.0.1|postgres|1210|root|postgresql|loopback|36432|-|-
    5432/tcp|listen|::1|postgres|1203|root|postgresql|loopback|36432|-|-
    5432/tcp|listen|::1|postgres|1210|root|postgresql|loopback|36432|-|-
    7000/tcp|bound|127.0.0.1|holder|61|root|-|loopback|38000|-|-
    8080/tcp|listen|::|root?|-|tomcat|http-alt|any|39080|-|-
    9000/tcp|listen|fe80::1%eth0|kernel?|-|root|-|link-local|40000|-|-
    ");
}

#[test]
fn units_and_containers_have_a_column_that_gives_way_early() {
    let mut lost = tcp("127.0.0.1", 4000).owned_by(901, "lost");
    lost.held.unit = Seen::Failed("its cgroup was removed".to_owned());
    let sockets = [
        tcp("::", 22).owned_by(812, "sshd").of_unit("ssh.service"),
        tcp("127.0.0.1", 3000).owned_by(900, "node"),
        lost,
        tcp("0.0.0.0", 9000).owned_by(950, "conmon").in_container(Runtime::Podman, "3fa2", "minio"),
    ];
    insta::assert_snapshot!(shown(&sockets, &look()).0, @"
    PORT      SERVICE  BIND         PROCESS     USER  UNIT / CONTAINER  UP
    22/tcp    -        * (v4+v6)    sshd 812    root  ssh.service       2h
    3000/tcp  -        127.0.0.1    node 900    root  -                 2h
    4000/tcp  -        127.0.0.1    lost 901    root  ?                 2h
    9000/tcp  -        * (v4 only)  conmon 950  root  container minio   2h
    4 ports, 2 open to the network by binding.
    ");
    let narrow = Appearance { width: Some(60), ..look() };
    assert_eq!(shown(&sockets, &narrow).1, ["UNIT / CONTAINER", "UP"]);
}

#[test]
fn sockets_of_unknown_owners_in_other_units_have_their_own_rows() {
    let lost = |unit| {
        let socket = tcp("127.0.0.1", 80).unowned(OwnersUnknownReason::Permission, "");
        socket.of_unit(unit)
    };
    insta::assert_snapshot!(shown(&[lost("a.service"), lost("b.service")], &look()).0, @"
    PORT    SERVICE  BIND       PROCESS  USER  UNIT / CONTAINER  UP
    80/tcp  -        127.0.0.1  root?    root  a.service         -
    80/tcp  -        127.0.0.1  root?    root  b.service         -
    1 port, 0 open to the network by binding.
    ");
}

#[test]
fn what_was_asked_for_beside_the_ports_has_its_rows() {
    let web = tcp("127.0.0.1", 80).owned_by(812, "nginx");
    let client = web.clone().connected("10.0.0.7:51234", SocketState::Established);
    let mut mptcp = tcp("::", 443).owned_by(812, "nginx");
    mptcp.mptcp = true;
    let mut inventory = inventory([web.clone().in_netns("blue"), mptcp, web, client]);
    inventory.portless = vec![unix("/run/x\x1b.sock"), unix("@x"), packet()];
    inventory.portless[0].held.owners.push(owner(7, "dockerd", Role::Listener));
    let mut out = Vec::new();
    drop(sockets_table(&mut out, &inventory, Extent::Everything, &look()).unwrap());
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
    PORT     SERVICE  BIND                                       PROCESS    USER  NETNS  UP
    80/tcp   -        127.0.0.1                                  nginx 812  root  -      2h
    80/tcp   -        127.0.0.1 to 10.0.0.7:51234 (established)  nginx 812  root  -      2h
    443/tcp  -        * (v4+v6) (mptcp)                          nginx 812  root  -      2h
    80/tcp   -        127.0.0.1                                  nginx 812  root  blue   2h
    unix     -        /run/x\x1b.sock                            dockerd 7  root  -      2h
    unix     -        @x                                         ?          root  -      -
    packet   -        all%eth0                                   ?          root  -      -
    3 ports, 1 connection, 3 sockets without a port, 1 open to the network by binding.
    ");
    let mut out = Vec::new();
    sockets_records(&mut out, &inventory, Records::Csv).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap().replace('\r', ""), @"
    port,state,address,process,pid,user,service,scope,inode,peer,netns
    80/tcp,listen,127.0.0.1,nginx,812,root,,loopback,31080,,blue
    443/tcp,listen,::,nginx,812,root,,any,31443,,
    80/tcp,listen,127.0.0.1,nginx,812,root,,loopback,31080,,
    80/tcp,established,127.0.0.1,nginx,812,root,,loopback,31080,10.0.0.7:51234,
    unix,listen,/run/x\\x1b.sock,dockerd,7,root,,,41000,,
    unix,listen,@x,?,,root,,,41000,,
    packet,unconnected,all%eth0,?,,root,,,42000,,
    ");
}

#[test]
fn a_long_path_leaves_the_columns_on_the_screen() {
    let mut inventory = inventory([tcp("127.0.0.1", 80).owned_by(7, "a")]);
    inventory.portless = vec![unix(&"x".repeat(100))];
    let mut out = Vec::new();
    let narrow = Appearance { width: Some(80), ..look() };
    let shown = sockets_table(&mut out, &inventory, Extent::Everything, &narrow).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(!shown.hidden.contains(&"BIND") && text.contains("127.0.0.1"), "{text}");
    assert!(text.contains(&format!(" {}… ", "x".repeat(39))), "{text}");
    let mut records = Vec::new();
    sockets_records(&mut records, &inventory, Records::Plain).unwrap();
    assert!(String::from_utf8(records).unwrap().contains(&"x".repeat(100)), "records are whole");
}
