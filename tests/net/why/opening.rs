//! The rules around the one that decided: sources that are let in, and the command that lets in all.

use super::{Accepts, evidence, text, told};
use crate::cgroups::did_not_run;
use crate::outside::can_inject;
use crate::sockets::tcp;
use crate::truth::LAN;
use crate::world::{World, alone, feed};
use serde_json::Value;
use std::process::{Command, Output};

/// What root is told from here.
#[track_caller]
fn asked(world: &World, arguments: &str) -> (String, Value) {
    let run = world.prepare(&format!("why {arguments} -o json")).run();
    (told(&run), run.document())
}

/// The second next command. Without it, and with it done, asserts what becomes of the target.
#[track_caller]
fn assert_opens(world: &World, arguments: &str, code: &str, command: &str) {
    let (answer, report) = asked(world, arguments);
    assert_eq!(answer, code, "{arguments}: {report:#}");
    let next = report["diagnosis"]["next"].as_array().unwrap();
    let next = next.iter().map(|next| next.as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(next.len(), 2, "{next:?}");
    let generic = next[1].split(" handle ").collect::<Vec<_>>();
    assert!(generic[0].contains(command), "{next:?}");
    let words = next[1].strip_prefix("sudo ").expect("it takes root").split(' ');
    let words: Vec<&str> = words.collect();
    feed(words[0], &words[1..], "");
    assert_eq!(asked(world, arguments).0, "works", "after {:?}", next[1]);
}

/// Asserts that no command is told but the one that shows the rules.
#[track_caller]
fn assert_only_shows(world: &World, arguments: &str, code: &str) -> Value {
    let (answer, report) = asked(world, arguments);
    assert_eq!(answer, code, "{arguments}: {report:#}");
    let next = report["diagnosis"]["next"].as_array().unwrap();
    assert_eq!(next.len(), 1, "{next:?}");
    report
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn the_command_that_is_told_lets_the_port_in() {
    if !can_inject() {
        return;
    }
    let ports = 28_101..=28_109;
    let world = ports.fold(World::new().veth(&LAN), |world, port| {
        world.accepts(tcp(&format!("[::]:{port}")).dual())
    });
    let world = world.nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0;
                tcp dport 28101 drop
                tcp dport { 28102, 28103 } counter reject
                ip saddr 127.0.0.0/8 tcp dport 28104 drop
                tcp dport 28105 limit rate 1/second drop
                tcp dport 28106 jump more
                iifname lo tcp dport 28107 reject with tcp reset
                iifname lo tcp dport { 28109, 28110 } drop
            }
            chain more { drop; }
        }
        table inet strict {
            chain input {
                type filter hook input priority 10; policy drop;
                tcp dport != 28108 accept
                meta l4proto { icmp, ipv6-icmp } accept
                tcp sport 28108 accept
            }
        }",
    );
    assert_opens(&world, "127.0.0.1:28101", "T01 proved", "nft delete rule inet fw input");
    assert_opens(&world, "127.0.0.1:28102", "R21 proved", "nft insert rule inet fw input");
    assert_opens(&world, "10.77.0.2:28106", "T01 proved", "nft insert rule inet fw more");
    assert_opens(&world, "127.0.0.1:28107", "R20 proved", "nft delete rule inet fw input");
    assert_opens(
        &world,
        "127.0.0.1:28108",
        "T01 proved",
        "nft add rule inet strict input tcp dport 28108 accept",
    );
    // Near misses: a rule for some sources, one that asks for more, and one for some interfaces, before which another would
    // let in what comes by all of them, are there for another reason than the port; and the port beside the one that was
    // let in is as it was.
    assert_only_shows(&world, "127.0.0.1:28104", "T01 proved");
    assert_only_shows(&world, "127.0.0.1:28105", "T01 proved");
    assert_only_shows(&world, "127.0.0.1:28109", "T01 proved");
    assert_eq!(asked(&world, "127.0.0.1:28103").0, "R21 proved");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn the_manager_of_the_rules_is_asked_to_change_them() {
    if !can_inject() {
        return;
    }
    let world = World::new().veth(&LAN);
    let world = [28_121, 28_122]
        .into_iter()
        .fold(world, |world, port| world.accepts(tcp(&format!("0.0.0.0:{port}"))));
    let iptables = |words: &str| {
        feed("iptables-nft", &words.split(' ').collect::<Vec<_>>(), "");
    };
    iptables("-A INPUT -p tcp --dport 28121 -j DROP");
    let (answer, report) = asked(&world, "127.0.0.1:28121");
    assert_eq!(answer, "T01 proved");
    let next = report["diagnosis"]["next"][1].as_str().unwrap();
    let words = next.strip_prefix("sudo iptables -D INPUT ").unwrap_or_else(|| panic!("{next}"));
    iptables(&format!("-D INPUT {words}"));
    assert_eq!(asked(&world, "127.0.0.1:28121").0, "works");
    // The chains of ufw and of firewalld, as they make them.
    iptables("-N ufw-user-input");
    iptables("-N ufw-before-input");
    iptables("-A INPUT -j ufw-before-input");
    iptables("-A INPUT -j ufw-user-input");
    iptables("-P INPUT DROP");
    let (_, report) = asked(&world, "127.0.0.1:28122");
    assert_eq!(report["diagnosis"]["next"][1], "sudo ufw allow 28122/tcp", "{report:#}");
    iptables("-A ufw-before-input -p tcp --dport 28122 -j DROP");
    assert_only_shows(&world, "127.0.0.1:28122", "T01 proved");
    iptables("-F");
    iptables("-P INPUT ACCEPT");
    let _world = world.nft(
        "table inet firewalld {
            chain filter_INPUT {
                type filter hook input priority 10;
                ct state { established, related } accept
                jump filter_INPUT_ZONES
                reject with icmpx admin-prohibited
            }
            chain filter_INPUT_ZONES { goto filter_IN_home; }
            chain filter_IN_home {
                jump filter_IN_home_deny
                jump filter_IN_home_allow
            }
            chain filter_IN_home_deny { tcp dport 28121 drop; }
            chain filter_IN_home_allow { tcp dport 22 accept; }
        }",
    );
    let world = World::of_this_thread();
    let (answer, report) = asked(&world, "127.0.0.1:28122");
    assert_eq!(answer, "H01 proved", "{report:#}");
    let command = "sudo firewall-cmd --zone=home --add-port=28122/tcp";
    assert_eq!(report["diagnosis"]["next"][1], command, "{report:#}");
    assert_only_shows(&world, "127.0.0.1:28121", "T01 proved");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_port_that_is_open_for_some_sources_is_said_with_these() {
    if !can_inject() {
        did_not_run("frames are injected by root only");
        return;
    }
    let ports = 28_141..=28_148;
    let world = ports.fold(World::new().veth(&LAN), |world, port| {
        world.accepts(tcp(&format!("[::]:{port}")).dual())
    });
    let world = world.nft(
        "table inet before {
            chain input {
                type filter hook input priority -10;
                ip saddr 10.77.0.66 tcp dport 28148 accept
            }
        }
        table inet fw {
            set admins { type ipv4_addr; elements = { 10.77.0.5 } }
            chain input {
                type filter hook input priority 0; policy drop;
                icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
                ip saddr 10.77.0.66 tcp dport 28141 accept
                ip saddr @admins tcp dport 28142 ct state new accept
                jump more
                tcp dport 28144 drop
                ip saddr 10.77.0.66 tcp dport 28144 accept
                iifname lan1 ip saddr 10.77.0.66 tcp dport 28145 accept
                ip saddr 10.77.0.66 tcp dport 28146 limit rate 1/second accept
                tcp sport 28141-28148 accept
            }
            chain more {
                ip saddr { 10.77.0.66, 10.77.0.68 } tcp dport 28143 accept
            }
        }",
    );
    let scoped = |target: &str, sources: &str| {
        let (answer, report) = asked(&world, &format!("{target} --from 10.77.0.67"));
        assert_eq!(answer, "T09 likely", "{target}: {report:#}");
        assert!(
            text(&report).contains(&format!("in from {sources}, and the client")),
            "{report:#}"
        );
        assert!(evidence(&report, "rule").ends_with("policy drop"), "{report:#}");
        assert!(evidence(&report, "lets in").contains("saddr"), "{report:#}");
        // To open it for all is not what these rules mean.
        assert_eq!(report["diagnosis"]["next"].as_array().unwrap().len(), 1, "{report:#}");
    };
    scoped("10.77.0.2:28141", "10.77.0.66");
    scoped("10.77.0.2:28142", "@admins");
    scoped("10.77.0.2:28143", "10.77.0.66, 10.77.0.68");
    // The one that is meant gets in.
    assert_eq!(asked(&world, "10.77.0.2:28141 --from 10.77.0.66").0, "works");
    assert_eq!(asked(&world, "10.77.0.2:28143 --from 10.77.0.68").0, "works");
    // Near misses: a rule that comes too late, one for another interface, one that asks for more, none, one of another
    // base chain, behind which this one stops its sources too, and another family.
    for port in 28_144..=28_148 {
        let target = format!("10.77.0.2:{port}");
        let (answer, report) = asked(&world, &format!("{target} --from 10.77.0.67"));
        assert_eq!(answer, "T01 proved", "{target}: {report:#}");
    }
    assert_eq!(asked(&world, "10.77.0.2:28148 --from 10.77.0.66").0, "T01 proved");
    let (answer, report) = asked(&world, "[fd77::2]:28141 --from fd77::67");
    assert_eq!(answer, "T01 proved", "{report:#}");
}

/// The real program, with a directory of its own instead of the machine's.
struct Ufw(String);

impl Ufw {
    /// `None` where it is not there.
    fn enabled(commands: &str) -> Option<Self> {
        let copy = format!("/var/tmp/portsight-test-ufw-{}", std::process::id());
        let ufw = Self(copy);
        feed("cp", &["-a", "/etc/ufw", &ufw.0], "");
        let output = ufw.does(&format!("ufw --force reset; ufw --force enable; {commands}"));
        if !output.status.success() {
            did_not_run(&format!("no ufw: {output:?}"));
            return None;
        }
        Some(ufw)
    }

    fn does(&self, commands: &str) -> Output {
        let script = format!(
            "set -e; mount --make-rprivate /; mount --bind {} /etc/ufw; {commands}; umount /etc/ufw",
            self.0
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]);
        alone(|| command.output()).unwrap()
    }
}

impl Drop for Ufw {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_real_ufw_opens_the_port_by_the_command_that_is_told() {
    if !can_inject() {
        return;
    }
    let ports = 28_161..=28_163;
    let world = ports.fold(World::new().veth(&LAN), |world, port| {
        world.accepts(tcp(&format!("[::]:{port}")).dual())
    });
    let Some(ufw) =
        Ufw::enabled("ufw deny 28162/tcp; ufw allow from 10.77.0.66 to any port 28163 proto tcp")
    else {
        return;
    };
    let from = "--from 10.77.0.67";
    let (answer, report) = asked(&world, &format!("10.77.0.2:28161 {from}"));
    assert_eq!(answer, "T01 proved", "{report:#}");
    assert_eq!(report["diagnosis"]["next"][1], "sudo ufw allow 28161/tcp", "{report:#}");
    let output = ufw.does("ufw allow 28161/tcp");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(asked(&world, &format!("10.77.0.2:28161 {from}")).0, "works");
    assert_eq!(asked(&world, "[fd77::2]:28161 --from fd77::67").0, "works");
    // What somebody denied on purpose is not opened by one more rule behind it.
    assert_only_shows(&world, &format!("10.77.0.2:28162 {from}"), "T01 proved");
    let (answer, report) = asked(&world, &format!("10.77.0.2:28163 {from}"));
    assert_eq!(answer, "T09 likely", "{report:#}");
    assert!(text(&report).contains("from 10.77.0.66"), "{report:#}");
    assert_eq!(asked(&world, "10.77.0.2:28163 --from 10.77.0.66").0, "works");
}
