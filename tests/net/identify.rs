//! `check --identify`: what serves each open port, as servers tell it that are real or speak the real bytes.

use crate::run::{Run, before_exec};
use crate::sockets::{Spec, tcp};
use crate::truth::{LAN, items, name};
use crate::world::{World, alone, connects, feed};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that says this first, and then answers each thing that it hears by the table: the answer to what begins
/// with the key. To what is not in the table it says the last answer, if its key is empty; else it hangs up.
fn talks(
    first: &'static [u8],
    table: &'static [(&'static [u8], &'static [u8])],
) -> impl Fn(TcpStream) + Clone + Send + 'static {
    move |mut stream| {
        let mut buffer = [0; 2048];
        if stream.write_all(first).is_err() {
            return;
        }
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            let answer = table.iter().find(|(key, _)| buffer[..length].starts_with(key));
            let Some((_, answer)) = answer else { return };
            if stream.write_all(answer).is_err() {
                return;
            }
        }
    }
}

/// A server that says nothing, whatever it hears.
fn silent(mut stream: TcpStream) {
    while let Ok(1..) = stream.read(&mut [0; 2048]) {}
}

fn local(port: u16) -> Spec {
    tcp(&format!("127.0.0.1:{port}"))
}

fn item<'a>(report: &'a Value, port: &str) -> &'a Value {
    items(report)
        .iter()
        .find(|item| name(item) == port)
        .unwrap_or_else(|| panic!("{port}: {report:#}"))
}

fn identity<'a>(report: &'a Value, port: &str) -> &'a Value {
    &item(report, port)["identity"]
}

/// Protocol, product, version, access, STARTTLS and danger, `-` for none.
fn told(report: &Value, port: &str) -> String {
    let identity = identity(report, port);
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.replace(' ', "_"),
        other => other.to_string(),
    };
    let fields = ["protocol", "product", "version", "access", "starttls"];
    let mut words: Vec<String> = fields.iter().map(|field| text(&identity[field])).collect();
    words.push(text(&identity["risk"]["code"]));
    words.join(" ")
}

/// Why a field of a port is not known.
fn unknown(report: &Value, port: &str, field: &str) -> String {
    let unknown = item(report, port)["unknown"].as_array().unwrap();
    let entry = unknown.iter().find(|entry| entry["field"] == field);
    entry.map_or_else(String::new, |entry| entry["reason"].as_str().unwrap().to_owned())
}

const REDIS_INFO: &[u8] = b"$40\r\n# Server\r\nredis_version:7.0.15\r\nos:Linux\r\n\r\n";
const DOCKER: &[u8] =
    b"HTTP/1.0 404 Not Found\r\nApi-Version: 1.43\r\nServer: Docker/24.0.7 (linux)\r\n\r\n\
    {\"message\":\"page not found\"}\n";
const DOCKER_VERSION: &[u8] =
    b"HTTP/1.0 200 OK\r\nApi-Version: 1.43\r\n\r\n{\"Version\":\"24.0.7\",\"ApiVersion\":\"1.43\"}\n";
const MYSQL: &[u8] = b"\x5b\0\0\0\x0a5.5.5-10.11.6-MariaDB-0+deb12u1\0\x08\0\0\0ABCDEFGH\0\xfe\xf7\x2d\x02\0\xff\x81\x15\
    \0\0\0\0\0\0\x1d\0\0\0abcdefghijkl\0mysql_native_password\0";

/// An answer of `MongoDB` with these fields.
fn mongo(fields: &[u8]) -> Vec<u8> {
    let length = i32::try_from(fields.len()).unwrap();
    let mut bytes = Vec::new();
    for number in [length + 26, 7, 1, 2013, 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.push(0);
    bytes.extend((length + 5).to_le_bytes());
    bytes.extend(fields);
    bytes.push(0);
    bytes
}

/// A server of databases that lists them for strangers, or does not.
fn mongodb(lists: bool) -> impl Fn(TcpStream) + Clone + Send + 'static {
    move |mut stream| {
        let mut buffer = [0; 2048];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            let has = |word: &[u8]| buffer[..length].windows(word.len()).any(|w| w == word);
            let answer = if has(b"buildInfo\0") {
                mongo(b"\x02version\0\x07\0\0\x007.0.11\0\x01ok\0\0\0\0\0\0\0\xf0\x3f")
            } else if has(b"listDatabases\0") && lists {
                mongo(b"\x01ok\0\0\0\0\0\0\0\xf0\x3f")
            } else if has(b"listDatabases\0") {
                mongo(b"\x01ok\0\0\0\0\0\0\0\0\0\x10code\0\x0d\0\0\0")
            } else {
                return;
            };
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    }
}

/// Asserts what each of these ports told.
#[track_caller]
fn assert_told(report: &Value, expected: &[(&str, &str)]) {
    for (port, expected) in expected {
        assert_eq!(told(report, port), *expected, "{port}: {:#}", item(report, port));
    }
}

/// Each protocol, and beside each dangerous one its near miss.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn services_that_greet_are_known() {
    let world = World::new()
        .speaks(local(22), talks(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", &[]))
        .speaks(local(443), talks(b"SSH-2.0-dropbear_2022.83\r\n", &[]))
        .speaks(
            local(25),
            talks(
                b"220 host ESMTP Postfix (Debian/GNU)\r\n",
                &[(b"EHLO", b"250-host\r\n250 8BITMIME\r\n"), (b"STARTTLS", b"502 5.5.1 no\r\n")],
            ),
        )
        .speaks(
            local(26),
            talks(
                b"220 host ready\r\n",
                &[(b"EHLO", b"250 host\r\n"), (b"STARTTLS", b"502 no\r\n")],
            ),
        )
        .speaks(
            local(21),
            talks(b"220 (vsFTPd 3.0.3)\r\n", &[(b"AUTH TLS", b"530 Please login with USER.\r\n")]),
        )
        .speaks(
            local(2121),
            talks(
                b"220 (vsFTPd 3.0.3)\r\n",
                &[(b"AUTH TLS", b"234 Proceed with negotiation.\r\n")],
            ),
        )
        .speaks(
            local(2122),
            talks(
                b"220-hello\r\n220 x\r\n",
                &[(b"EHLO", b"500 what?\r\n"), (b"AUTH TLS", b"500 no\r\n")],
            ),
        )
        .speaks(
            local(143),
            talks(
                b"* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\n",
                &[(b"a STARTTLS", b"a BAD no\r\n")],
            ),
        )
        .speaks(local(110), talks(b"+OK Dovecot ready.\r\n", &[(b"STLS", b"-ERR no\r\n")]))
        .speaks(local(3306), talks(MYSQL, &[]))
        .speaks(local(5900), talks(b"RFB 003.008\n", &[(b"RFB 003.008\n", b"\x01\x01")]))
        .speaks(local(5901), talks(b"RFB 003.008\n", &[(b"RFB 003.008\n", b"\x01\x02")]))
        .speaks(local(23), talks(b"\xff\xfd\x18\xff\xfb\x01\r\nlogin: ", &[]));
    let report = world.portsight("check --identify --proto tcp -4 -o json").exits(0).document();
    assert_told(
        &report,
        &[
            ("22/tcp", "ssh OpenSSH 9.2p1 - - -"),
            ("443/tcp", "ssh dropbear 2022.83 - - -"),
            ("25/tcp", "smtp Postfix - - false -"),
            ("26/tcp", "smtp - - - false -"),
            ("21/tcp", "ftp vsFTPd 3.0.3 - false ftp-no-tls"),
            ("2121/tcp", "ftp vsFTPd 3.0.3 - true -"),
            ("2122/tcp", "ftp - - - false ftp-no-tls"),
            ("143/tcp", "imap Dovecot - - false -"),
            ("110/tcp", "pop3 Dovecot - - false -"),
            ("3306/tcp", "mysql MariaDB 10.11.6 - - -"),
            ("5900/tcp", "vnc - 3.8 free - vnc-no-auth"),
            ("5901/tcp", "vnc - 3.8 guarded - -"),
            ("23/tcp", "telnet - - - - telnet"),
        ],
    );
    assert_eq!(identity(&report, "22/tcp")["by"], "answer");
    assert_eq!(identity(&report, "22/tcp")["target"], "127.0.0.1");
    assert_eq!(identity(&report, "22/tcp")["banner"], "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn services_that_wait_are_known() {
    let world = World::new()
        .speaks(local(6379), talks(b"", &[(b"PING", b"+PONG\r\n"), (b"INFO", REDIS_INFO)]))
        .speaks(
            local(6380),
            talks(
                b"",
                &[(b"PING", b"-NOAUTH Authentication required.\r\n"), (b"", b"-NOAUTH x\r\n")],
            ),
        )
        .speaks(
            local(11211),
            talks(b"", &[(b"version", b"VERSION 1.6.18\r\n"), (b"", b"ERROR\r\n")]),
        )
        .speaks(
            local(7211),
            talks(b"", &[(b"version", b"VERSION 1.6.18\r\n"), (b"", b"ERROR\r\n")]),
        )
        .speaks(local(7212), talks(b"", &[(b"", b"CLIENT_ERROR unauthenticated\r\n")]))
        .speaks(local(2375), talks(b"", &[(b"GET / ", DOCKER), (b"GET /version", DOCKER_VERSION)]))
        .speaks(
            local(2377),
            talks(b"", &[(b"GET / ", DOCKER), (b"", b"HTTP/1.0 403 Forbidden\r\n\r\n")]),
        )
        .speaks(local(5432), talks(b"", &[(b"\0\0\0\x08\x04\xd2\x16\x2f", b"N")]))
        .speaks(local(27017), mongodb(true))
        .speaks(local(27018), mongodb(false))
        .speaks(local(514), silent)
        .speaks(local(5672), talks(b"", &[(b"", b"AMQP\0\0\x09\x01")]));
    let report = world.portsight("check --identify --proto tcp -4 -o json").exits(0).document();
    assert_told(
        &report,
        &[
            ("6379/tcp", "redis Redis 7.0.15 free - redis-no-auth"),
            ("6380/tcp", "redis - - guarded - -"),
            ("11211/tcp", "memcached memcached 1.6.18 free - memcached-no-auth"),
            ("7211/tcp", "memcached memcached 1.6.18 free - memcached-no-auth"),
            ("7212/tcp", "memcached memcached - guarded - -"),
            ("2375/tcp", "docker Docker 24.0.7 free - docker-no-auth"),
            ("2377/tcp", "docker Docker 24.0.7 guarded - -"),
            ("5432/tcp", "postgresql - - - false -"),
            ("27017/tcp", "mongodb MongoDB 7.0.11 free - mongodb-no-auth"),
            ("27018/tcp", "mongodb MongoDB 7.0.11 guarded - -"),
            ("514/tcp", "rsh - - - - r-services"),
            ("5672/tcp", "amqp - - - - -"),
        ],
    );
    assert_eq!(identity(&report, "514/tcp")["by"], "port");
    assert_eq!(identity(&report, "2375/tcp")["risk"]["severity"], "high");
    assert_eq!(identity(&report, "6379/tcp")["risk"]["severity"], "medium", "loopback only");
}

/// The same service is worse where the network reaches it, and the advice is another one.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_danger_depends_on_the_binding() {
    const REDIS: &[(&[u8], &[u8])] = &[(b"PING", b"+PONG\r\n"), (b"INFO", REDIS_INFO)];
    let world = World::new()
        .veth(&LAN)
        .speaks(tcp("127.0.0.1:6379"), talks(b"", REDIS))
        .speaks(tcp("0.0.0.0:6380"), talks(b"", REDIS))
        .speaks(tcp("10.77.0.2:6381"), talks(b"", REDIS));
    let report = world.json("check --from loopback,self --identify --proto tcp -4");
    let risk = |port: &str| &identity(&report, port)["risk"];
    assert_eq!(risk("6379/tcp")["severity"], "medium");
    for port in ["6380/tcp", "6381/tcp"] {
        assert_eq!(risk(port)["severity"], "high");
        assert_ne!(risk(port)["advice"], risk("6379/tcp")["advice"]);
        assert!(risk(port)["text"].as_str().unwrap().contains("network"));
    }
    assert_eq!(identity(&report, "6380/tcp")["target"], "127.0.0.1", "loopback first");
    assert_eq!(identity(&report, "6381/tcp")["target"], "10.77.0.2");

    let run = world.portsight("check --from loopback,self --identify --proto tcp -4");
    assert!(run.stdout.contains("IDENTITY") && run.stdout.contains("redis 7.0.15"), "{run:#?}");
    assert!(
        run.stdout.contains("risk (high): 6380/tcp redis: ") && run.stdout.contains("  advice: ")
    );
    let csv =
        world.portsight("check --from loopback,self 6379 --identify --proto tcp -4 -o csv").stdout;
    assert!(csv.contains("note,identity,product,version,tls,certificate_until,risk\r\n"), "{csv}");
    assert!(csv.contains(",redis,Redis,7.0.15,,,redis-no-auth\r\n"), "{csv}");
    let plain = world
        .portsight("check --from loopback,self 6379 --identify --proto tcp -4 -o plain")
        .stdout;
    assert!(plain.contains("\tredis\tRedis\t7.0.15\t-\t-\tredis-no-auth\n"), "{plain}");
}

/// Without the option nobody is asked, and nothing is missing.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn nobody_is_asked_without_the_option() {
    let world = World::new().speaks(local(22), talks(b"SSH-2.0-x\r\n", &[]));
    let report = world.json("check --from loopback,self 22-23 --proto tcp -4");
    for port in ["22/tcp", "23/tcp"] {
        assert_eq!(identity(&report, port), &Value::Null);
        assert_eq!(unknown(&report, port, "identity"), "");
    }
    assert!(!world.portsight("check --from loopback,self 22 -4").stdout.contains("IDENTITY"));
    // A closed port has nothing to ask.
    let report = world.json("check --from loopback,self 22-23 --proto tcp -4 --identify");
    assert_eq!(identity(&report, "23/tcp"), &Value::Null);
    assert_eq!(unknown(&report, "23/tcp", "identity"), "");
    let run = world.portsight("check --from loopback,self --identify --proto udp");
    assert_eq!(run.status, 2, "{run:#?}");
    run.says_in_one_line(&["--identify", "--proto udp"]);
}

/// Servers that want to keep us, fill us up, or trick the terminal.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn bad_servers_cost_little_and_change_nothing() {
    fn endless(mut stream: TcpStream) {
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    }
    fn endless_lines(mut stream: TcpStream) {
        while stream.write_all(b"220-more\r\n").is_ok() {}
    }
    /// One byte at a time, with as long a pause as keeps a listener's hope.
    fn drips(mut stream: TcpStream) {
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        for byte in b"SSH-2.0-drip ".iter().cycle() {
            let ended = matches!(stream.read(&mut [0; 2048]), Ok(0));
            if ended || stream.write_all(&[*byte]).is_err() {
                return;
            }
        }
    }
    const EVIL: &[u8] =
        b"SSH-2.0-evil\x1b[2J\x1b]0;t\x07\xe2\x80\xae\xff\xfe_1\x9b31m x\r\n22/tcp fake\r\n";
    const PAGE: &[u8] =
        b"HTTP/1.0 200 OK\r\nServer: a\x1b[2J\xe2\x80\xaeb\xff\r\n\r\n22/tcp fake\r\n";
    let world = World::new()
        .speaks(local(7001), silent)
        .speaks(local(7002), endless)
        .speaks(local(7003), endless_lines)
        .speaks(local(7004), drips)
        .speaks(local(7005), talks(EVIL, &[]))
        .speaks(local(7006), talks(b"", &[(b"GET", PAGE)]))
        .speaks(local(7007), drop)
        .speaks(local(7008), talks(b"what do you want?\r\n", &[]))
        .speaks(
            local(7009),
            talks(
                b"",
                &[
                    (b"\x16\x03", b"\x15\x03\x01\0\x02\x02\x28"),
                    (b"", b"\x15\x03\x01\0\x02\x02\x46"),
                ],
            ),
        )
        .hangs_up(tcp("127.0.0.1:7010"))
        .listens(tcp("127.0.0.1:7011"));
    let started = Instant::now();
    let run = world.portsight("check 7001-7011 --identify --proto tcp -4 -o json").exits(0);
    assert!(started.elapsed() < Duration::from_secs(20), "all at once: {:?}", started.elapsed());
    let report = run.document();
    let why = |port: &str| unknown(&report, port, "identity");
    for port in ["7001/tcp", "7011/tcp"] {
        assert_eq!(identity(&report, port), &Value::Null);
        assert_eq!(why(port), "it said nothing in the time that it was given");
    }
    for port in ["7007/tcp", "7010/tcp"] {
        assert_eq!(why(port), "it ended each connection without a word", "{port}");
    }
    for port in ["7002/tcp", "7008/tcp"] {
        assert_eq!(told(&report, port), "- - - - - -");
        let why = unknown(&report, port, "identity.protocol");
        assert_eq!(why, "what it said is of no known protocol");
    }
    let banner = |port: &str| identity(&report, port)["banner"].as_str().unwrap().to_owned();
    assert_eq!(banner("7002/tcp"), "x".repeat(1024));
    assert_eq!(banner("7008/tcp"), "what do you want?");
    assert!(banner("7003/tcp").len() <= 1024);
    assert!(told(&report, "7004/tcp").starts_with("ssh "), "{}", told(&report, "7004/tcp"));
    assert!(banner("7005/tcp").contains("\u{1b}[2J") && banner("7005/tcp").contains('\u{fffd}'));
    assert_eq!(identity(&report, "7006/tcp")["http"]["server"], "a\u{1b}[2J\u{202e}b\u{fffd}");
    assert_eq!(told(&report, "7009/tcp"), "tls - - - - -");
    assert!(unknown(&report, "7009/tcp", "identity.tls.version").contains("in common"));

    for output in ["table", "plain", "csv"] {
        let run =
            world.portsight(&format!("check 7001-7011 --identify --proto tcp -4 -o {output}"));
        let hostile = |c: char| c.is_control() && !"\n\t\r".contains(c) || c == '\u{202e}';
        assert!(!run.stdout.contains(hostile), "{run:?}");
        assert!(!run.stdout.lines().any(|line| line.starts_with("22/tcp")), "{run:?}");
    }
}

/// Many ports at a time, and an interrupt ends them all.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn silent_ports_wait_beside_each_other() {
    let ports = 7001..=7064;
    let world = ports.clone().fold(World::new(), |world, port| world.listens(local(port)));
    let started = Instant::now();
    let report = world.json("check --from loopback,self 7001-7064 --identify --proto tcp -4");
    // One after the other would be 128 s.
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
    assert!(items(&report).iter().all(|item| item["identity"].is_null()));

    let world = World::new().speaks(local(7001), |mut stream| {
        // The first words are those of --identify: the sweep says nothing.
        drop(stream.read(&mut [0; 64]));
        fs::write("/proc/thread-self/comm", "asked").unwrap();
        silent(stream);
    });
    let running =
        world.prepare("check --from loopback,self 7001 --identify --proto tcp -4 -o json").start();
    while !threads().any(|name| name == "asked") {
        std::thread::yield_now();
    }
    running.interrupt();
    let report = running.end().exits(130).document();
    assert_eq!(report["partial"], true);
    assert_eq!(unknown(&report, "7001/tcp", "identity"), "interrupted before it answered");
}

/// The names of this process's threads.
fn threads() -> impl Iterator<Item = String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map_while(Result::ok);
    let comm = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    comm.map(|name| name.trim().to_owned())
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_service_of_ipv6_or_of_one_address_is_asked_there() {
    let world = World::new()
        .veth(&LAN)
        .speaks(tcp("[::1]:22"), talks(b"SSH-2.0-six\r\n", &[]))
        .speaks(tcp("[fe80::77%lan0]:23"), talks(b"SSH-2.0-link\r\n", &[]))
        .speaks(tcp("127.0.0.53:24"), talks(b"SSH-2.0-stub\r\n", &[]))
        .speaks(tcp("10.77.0.2:25").on("lan0"), talks(b"SSH-2.0-device\r\n", &[]))
        .speaks(tcp("0.0.0.0:26").deferred(), talks(b"", &[(b"GET", b"HTTP/1.1 204 x\r\n\r\n")]));
    let report = world.json("check --from loopback,self 22-26 --identify --proto tcp");
    for (port, product, target) in [
        ("22/tcp", "six", "::1"),
        ("23/tcp", "link", "fe80::77"),
        ("24/tcp", "stub", "127.0.0.53"),
        ("25/tcp", "device", "10.77.0.2"),
    ] {
        assert_eq!(told(&report, port), format!("ssh {product} - - - -"), "{port}");
        assert_eq!(identity(&report, port)["target"], target);
    }
    assert_eq!(identity(&report, "26/tcp")["http"]["status"], 204);
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_ordinary_user_can_ask_too() {
    let world = World::new().speaks(local(22), talks(b"SSH-2.0-x\r\n", &[]));
    let run = world
        .prepare("check --from loopback,self 22 --identify --proto tcp -4 -o json")
        .by_ordinary_user()
        .run();
    assert_eq!(told(&run.document(), "22/tcp"), "ssh x - - - -");
}

/// What is said goes to sockets of this host only, and to none of an excluded port.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn nothing_is_said_to_others_or_to_an_excluded_port() {
    let world = World::new()
        .veth(&["10.77.0.2/24"])
        .neighbour()
        .speaks(tcp("0.0.0.0:8000"), talks(b"SSH-2.0-x\r\n", &[]))
        .speaks(tcp("0.0.0.0:8001"), talks(b"SSH-2.0-y\r\n", &[]))
        .nft(
            "table ip nat {
                chain output {
                    type nat hook output priority -100; policy accept;
                    tcp dport 8070 redirect to :8000
                    tcp dport 8071 redirect to :8001
                    tcp dport 8072 dnat to 10.77.0.9:9999
                }
                chain postrouting {
                    type nat hook postrouting priority 100; policy accept;
                    oifname lan0 masquerade
                }
            }
            table inet fw {
                counter said {}
                counter excluded {}
                chain post {
                    type filter hook postrouting priority 300;
                    oifname lan0 meta l4proto tcp meta length > 100 counter name said
                }
                chain input {
                    type filter hook input priority 0;
                    tcp dport 8001 tcp flags & (syn | ack) == syn ct original proto-dst 8001 counter name excluded
                }
            }",
        );
    let arguments = "check --from loopback,self 8000-8001,8070-8072 --identify --proto tcp -4 --exclude 8001 -o json";
    let report = world.portsight(arguments).document();
    assert_eq!(told(&report, "8000/tcp"), "ssh x - - - -");
    assert_eq!(told(&report, "8070/tcp"), "ssh x - - - -", "another socket of this host");
    assert_eq!(unknown(&report, "8071/tcp", "identity"), "an excluded port takes its connections");
    assert_eq!(
        unknown(&report, "8072/tcp", "identity"),
        "what answers is outside of this network namespace"
    );
    for port in ["8071/tcp", "8072/tcp", "8001/tcp"] {
        assert_eq!(identity(&report, port), &Value::Null, "{port}");
    }
    assert_eq!(world.counted("said"), 0, "no byte went to the neighbour");
    assert_eq!(world.counted("excluded"), 0);
}

/// An address that goes away while its service is asked takes no word with it, and what was said there counts for
/// nothing.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn no_word_follows_an_address_that_goes_away() {
    for (address, prefix, family) in [("10.77.0.1", "32", "-4"), ("fd77::1", "128", "-6")] {
        let world =
            World::new().veth(&["10.77.0.2/24", "fd77::2/64", &format!("{address}/{prefix}")]).nft(
                "table inet fw {
                    counter wire {}
                    chain wire {
                        type filter hook prerouting priority -300;
                        iifname wire0 meta l4proto tcp counter name wire
                    }
                }",
            );
        let server: SocketAddr = (address.parse::<IpAddr>().unwrap(), 7001).into();
        let world = world.speaks(tcp(&server.to_string()), move |mut stream| {
            // The sweep says nothing; who asks does.
            if let Ok(1..) = stream.read(&mut [0; 64]) {
                fs::write("/proc/thread-self/comm", address).unwrap();
                silent(stream);
            }
        });
        let neighbour = format!(
            "link set wire0 address 02:00:00:00:00:09\n\
            neigh add {address} lladdr 02:00:00:00:00:09 dev lan0 nud permanent\n"
        );
        feed("ip", &["-batch", "-"], &neighbour);
        let arguments =
            format!("check --from loopback,self 7001 --identify --proto tcp {family} -o json");
        let running = world.prepare(&arguments).start();
        while !threads().any(|name| name == address) {
            std::thread::yield_now();
        }
        let gone = format!("addr del {address}/{prefix} dev lan0\n");
        running.held(|| drop(feed("ip", &["-batch", "-"], &gone)));
        let report = running.end().document();
        assert_eq!(world.counted("wire"), 0, "packets left for {address}");
        assert_eq!(identity(&report, "7001/tcp"), &Value::Null);
        assert_ne!(unknown(&report, "7001/tcp", "identity"), "");
        // The counter does count: now the address is somebody else's.
        assert!(connects(server).is_err());
        assert_ne!(world.counted("wire"), 0, "{address}");
    }
}

/// A program that serves. Dropping it kills it.
struct Program(Child);

impl Program {
    /// Starts it, and waits until it says this on its standard output.
    fn start(words: &[&str], ready: &str) -> Self {
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        before_exec(&mut command, || {
            // SAFETY: prctl(2) with this option takes a number. The program ends with the thread that started it.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            Ok(())
        });
        let mut child = alone(|| command.spawn())
            .unwrap_or_else(|error| panic!("did not run: {}: {error}", words[0]));
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(said.any(|line| line.contains(ready)), "{words:?} does not say {ready:?}");
        // What it says later is read by nobody, and must not end it.
        std::thread::spawn(move || said.for_each(drop));
        Self(child)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A directory of this test, removed with it.
struct Keys(PathBuf);

impl Keys {
    /// With a key and a certificate that signed itself: from 2026 to a moment (`YYMMDDHHMMSSZ`), for these names.
    fn new(test: &str, until: &str, names: &str) -> Self {
        let path = std::env::temp_dir().join(format!("portsight-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let keys = Self(path);
        let settings = format!(
            "[ca]\ndefault_ca=own\n[own]\ndatabase={0}/index\nserial={0}/serial\nnew_certs_dir={0}\n\
            default_md=sha256\npolicy=any\nx509_extensions=more\nunique_subject=no\n[any]\ncommonName=optional\n\
            [more]\nsubjectAltName={names}\n[req]\ndistinguished_name=none\n[none]\n",
            keys.0.display()
        );
        for (name, text) in [("settings", settings.as_str()), ("index", ""), ("serial", "01\n")] {
            fs::write(keys.0.join(name), text).unwrap();
        }
        let [settings, key, request, certificate] =
            ["settings", "key", "request", "certificate"].map(|name| keys.path(name));
        feed(
            "openssl",
            &[
                "req",
                "-new",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-keyout",
                &key,
                "-out",
                &request,
                "-subj",
                "/CN=web.example",
                "-config",
                &settings,
            ],
            "",
        );
        feed(
            "openssl",
            &[
                "ca",
                "-batch",
                "-selfsign",
                "-config",
                &settings,
                "-keyfile",
                &key,
                "-in",
                &request,
                "-out",
                &certificate,
                "-notext",
                "-startdate",
                "20260101000000Z",
                "-enddate",
                until,
            ],
            "",
        );
        keys
    }

    fn path(&self, name: &str) -> String {
        Path::join(&self.0, name).to_str().unwrap().to_owned()
    }

    /// An `openssl s_server` at this address.
    fn serve(&self, address: &str, more: &[&str]) -> Program {
        let (key, certificate) = (self.path("key"), self.path("certificate"));
        let words =
            ["openssl", "s_server", "-accept", address, "-key", &key, "-cert", &certificate];
        Program::start(&[&words[..], more].concat(), "ACCEPT")
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn certificate(run: &Run, port: &str) -> Value {
    identity(&run.document(), port)["tls"]["certificate"].clone()
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn tls_shows_its_version_and_its_certificate() {
    let names = "DNS:web.example,DNS:*.web.example,IP:10.0.0.5,IP:fd77::2,email:a@b.example";
    let keys = Keys::new("tls", "20990102030405Z", names);
    let world = World::new();
    let _servers = [
        keys.serve("127.0.0.1:443", &["-www", "-alpn", "h2,http/1.1"]),
        keys.serve("127.0.0.1:8443", &["-www", "-alpn", "http/1.1", "-tls1_2"]),
        keys.serve("127.0.0.1:9443", &["-www", "-alpn", "imap"]),
        keys.serve("127.0.0.1:7000", &[]),
        keys.serve("127.0.0.1:7001", &["-www", "-Verify", "1", "-verify_return_error"]),
        keys.serve("127.0.0.1:7002", &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"]),
    ];
    let run = world.portsight("check --identify --proto tcp -4 -o json").exits(0);
    let report = run.document();
    assert_eq!(
        certificate(&run, "443/tcp"),
        json!({
            "subject": "CN=web.example", "issuer": "CN=web.example", "self_issued": true,
            "names": ["web.example", "*.web.example", "10.0.0.5", "fd77::2"],
            "not_before": "2026-01-01T00:00:00Z", "not_after": "2099-01-02T03:04:05Z",
            "expired": false, "not_yet_valid": false,
        })
    );
    let tls = |port: &str| {
        let tls = &identity(&report, port)["tls"];
        (tls["version"].clone(), tls["alpn"].clone(), tls["certificate"]["subject"].clone())
    };
    let subject = json!("CN=web.example");
    assert_eq!(tls("443/tcp"), (json!("TLS 1.3"), json!("h2"), subject.clone()));
    assert_eq!(tls("8443/tcp"), (json!("TLS 1.2"), json!("http/1.1"), subject.clone()));
    // Whoever offers none of the protocols is asked without them.
    assert_eq!(tls("9443/tcp"), (json!("TLS 1.3"), Value::Null, subject.clone()));
    assert_eq!(tls("7000/tcp"), (json!("TLS 1.3"), Value::Null, subject.clone()));
    for port in ["443/tcp", "8443/tcp", "9443/tcp"] {
        assert_eq!(identity(&report, port)["http"]["status"], 200, "{port}: {report:#}");
        assert_eq!(told(&report, port), "http - - - - -", "{port}");
    }
    assert_eq!(told(&report, "7000/tcp"), "tls - - - - -");
    // A client without a certificate of its own still sees that of the server.
    assert_eq!(tls("7001/tcp").2, subject);
    // A handshake that fails is TLS all the same.
    assert_eq!(told(&report, "7002/tcp"), "tls - - - - -");
    let why = unknown(&report, "7002/tcp", "identity.tls.version");
    assert!(why.contains("no way of encryption in common"), "{why}");
    let table = world.portsight("check 443 --identify --proto tcp -4").stdout;
    let cell = "https, status 200, TLS 1.3 h2, web.example until 2099-01-02, self-issued";
    assert!(table.contains(cell), "{table}");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_expired_certificate_stops_nothing() {
    let keys = Keys::new("expired", "20260102000000Z", "DNS:old.example");
    let world = World::new();
    let _server = keys.serve("127.0.0.1:8443", &["-www"]);
    let run = world.portsight("check 8443 --identify --proto tcp -4 -o json").exits(0);
    assert_eq!(certificate(&run, "8443/tcp")["expired"], true);
    assert_eq!(told(&run.document(), "8443/tcp"), "http - - - - -");
    let table = world.portsight("check 8443 --identify --proto tcp -4").stdout;
    assert!(table.contains("old.example expired 2026-01-02, self-issued"), "{table}");
}

/// A real web server, which answers and goes first; and no connection is left behind.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_real_web_server_is_known_and_nothing_is_left() {
    let world = World::new();
    let empty = Keys(std::env::temp_dir().join(format!("portsight-web-{}", std::process::id())));
    fs::create_dir_all(&empty.0).unwrap();
    let words =
        ["python3", "-u", "-m", "http.server", "8000", "--bind", "127.0.0.1", "--directory"];
    let _server = Program::start(&[&words[..], &[empty.0.to_str().unwrap()]].concat(), "Serving");
    let report = world.json("check --from loopback,self 8000 --identify --proto tcp -4");
    let identity = identity(&report, "8000/tcp");
    assert_eq!(identity["protocol"], "http");
    assert_eq!(identity["product"], "SimpleHTTP");
    assert_eq!(identity["http"]["status"], 200);
    assert!(identity["http"]["server"].as_str().unwrap().contains("Python/3"), "{identity:#}");
    let table = fs::read_to_string("/proc/thread-self/net/tcp").unwrap();
    let states = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(3));
    assert!(states.clone().all(|state| state == "0A"), "only the listener: {table}");
}
