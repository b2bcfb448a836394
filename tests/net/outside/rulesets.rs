//! The rules that real tools make, with a sample of ports that is another one each time.

use super::told::{assert_neighbour_agrees, assert_told};
use super::{can_inject, with_container, with_neighbour};
use crate::cgroups::did_not_run;
use crate::host::Host;
use crate::sockets::{tcp, udp};
use crate::world::{World, alone, feed};
use std::collections::BTreeSet;
use std::env;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::process::Command;

/// Repeats the sample of a run before.
const SEED: &str = "PORTSIGHT_TEST_SEED";

/// Servers of both families and transports at some ports that the rules speak of, and some that they do not.
fn with_servers() -> (World, Host) {
    let (world, there) = with_neighbour();
    let world = [22, 23, 24, 26, 80, 2222, 7777, 8080, 8081, 9999, 30_000, 50_000]
        .into_iter()
        .fold(world, |world, port| world.listens(tcp(&format!("[::]:{port}")).dual()));
    let world = world.echoes(udp("[::]:53").dual()).swallows(udp("[::]:5353").dual());
    (world, there)
}

/// Asserts that the neighbour agrees on forty ports of each transport: those named, and others by chance.
#[track_caller]
fn assert_sample(world: &World, there: &Host, named: &[u16]) {
    let seed = env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let mut state: u64 = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    drop(writeln!(io::stderr(), "the sample can be had again with {SEED}={state}"));
    let mut ports: BTreeSet<u16> = named.iter().copied().collect();
    while ports.len() < 40 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let port = u16::try_from(state >> 48).unwrap();
        // Half of them are ports of services.
        ports.insert(if state >> 40 & 1 == 0 { port % 10_000 } else { port }.max(1));
    }
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    let report = world.json(&format!("check {} --from lan --proto all", ports.join(",")));
    assert_neighbour_agrees(&report, there);
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn rules_of_docker_are_told_as_a_neighbour_finds_them() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_servers();
    let _container = with_container();
    feed("iptables-nft-restore", &[], include_str!("../../data/docker.v4"));
    let report = world.json("check 22-27,8080-8083 --from lan --proto tcp -4");
    assert_told(
        &report,
        "22/tcp    lan4  open      syn-ack          reachable  -         filter/INPUT:tcp_dport_22_counter
         23/tcp    lan4  filtered  host-prohibited  filtered   rejected  filter/INPUT:tcp_dport_23_counter
         24/tcp    lan4  closed    reset            filtered   reset     filter/INPUT:reject_with_tcp_reset
         25/tcp    lan4  closed    reset            shielded   reset     filter/INPUT:reject_with_tcp_reset
         26/tcp    lan4  open      syn-ack          reachable  -         filter/INPUT:tcp_dport_26
         27/tcp    lan4  filtered  no-response      shielded   dropped   policy:filter/INPUT
         8080/tcp  lan4  filtered  no-response      filtered   dropped   policy:filter/INPUT
         8081/tcp  lan4  open      syn-ack          forwarded  -         nat/DOCKER:172.17.0.2:80
         8082/tcp  lan4  filtered  no-response      shielded   dropped   policy:FORWARD
         8083/tcp  lan4  filtered  no-response      shielded   dropped   policy:filter/INPUT",
    );
    assert_neighbour_agrees(&report, &there);
    let report = world.json("check 53/udp,8053/udp --from lan --proto udp -4");
    assert_told(
        &report,
        "53/udp    lan4  filtered  no-response   filtered   dropped  policy:filter/INPUT
         8053/udp  lan4  open      udp-response  forwarded  -        nat/DOCKER:172.17.0.2:53",
    );
    assert_sample(&world, &there, &[22, 23, 24, 25, 26, 53, 5353, 8053, 8081, 8082]);
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn zones_of_firewalld_are_told_as_a_neighbour_finds_them() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_servers();
    let world = world.nft(include_str!("../../data/firewalld.nft"));
    let report = world.json("check 22,23,8080,9998,9999 --from lan --proto tcp");
    assert_told(
        &report,
        "22/tcp    lan  open      syn-ack           reachable  -         tcp_dport_22_accept
         8080/tcp  lan  open      syn-ack           reachable  -         tcp_dport_8080_accept
         9999/tcp  lan  filtered  port-unreach      filtered   rejected  tcp_dport_9999_reject
         23/tcp    lan  filtered  admin-prohibited  filtered   rejected  filter_IN_public:reject_with
         9998/tcp  lan  filtered  admin-prohibited  shielded   rejected  filter_IN_public:reject_with",
    );
    assert_neighbour_agrees(&report, &there);
    assert_sample(&world, &there, &[22, 23, 53, 5353, 8080, 9999]);
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn bans_of_fail2ban_are_told_as_the_banned_host_finds_them() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_servers();
    let world = world.nft(include_str!("../../data/fail2ban.nft"));
    let banned = world.json("check 22,23,2222 --from lan=10.77.0.77 --proto tcp");
    assert_told(
        &banned,
        "22/tcp    lan4  filtered  port-unreach  filtered   rejected  ip_saddr_@addr-set-sshd
         2222/tcp  lan4  filtered  port-unreach  filtered   rejected  ip_saddr_@addr-set-sshd
         23/tcp    lan4  open      syn-ack       reachable  -         policy:f2b-chain",
    );
    let banned6 = world.json("check 22 --from lan=fd77::77 --proto tcp");
    assert_told(
        &banned6,
        "22/tcp  lan6  filtered  port-unreach  filtered  rejected  ip6_saddr_@addr6-set-sshd",
    );
    assert_sample(&world, &there, &[22, 23, 53, 2222]);
    there.ip(
        "addr add 10.77.0.77/24 dev wire0\naddr add fd77::77/64 dev wire0 nodad\n\
         route add 10.77.0.2/32 dev wire0 src 10.77.0.77\nroute add fd77::2/128 dev wire0 src fd77::77",
    );
    assert_neighbour_agrees(&banned, &there);
    assert_neighbour_agrees(&banned6, &there);
}

/// The real program, with a directory of its own instead of the machine's.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn rules_of_ufw_are_told_as_a_neighbour_finds_them() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_servers();
    let script = "set -e; mount --make-rprivate /; copy=$(mktemp -d); trap 'rm -rf \"$copy\"' EXIT
        cp -a /etc/ufw \"$copy\"; mount --bind \"$copy/ufw\" /etc/ufw
        ufw --force reset; ufw --force enable
        ufw allow 22/tcp; ufw deny 8080/tcp; ufw reject 9999/tcp; ufw limit 2222/tcp; ufw allow 53/udp
        ufw allow from 10.77.0.0/24 to any port 7777 proto tcp; umount /etc/ufw";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script]);
    let output = alone(|| command.output()).unwrap();
    if !output.status.success() {
        return did_not_run(&format!("no ufw: {output:?}"));
    }
    let report = world.json("check 22,23,7777,8080,9999 --from lan --proto tcp -4");
    assert_told(
        &report,
        "22/tcp    lan4  open      syn-ack       reachable  -         ufw-user-input:tcp_dport_22_
         23/tcp    lan4  filtered  no-response   filtered   dropped   policy:filter/INPUT
         7777/tcp  lan4  open      syn-ack       reachable  -         ufw-user-input:tcp_dport_7777_
         8080/tcp  lan4  filtered  no-response   filtered   dropped   ufw-user-input:tcp_dport_8080_
         9999/tcp  lan4  closed    reset         filtered   reset     ufw-user-input:tcp_dport_9999_",
    );
    assert_neighbour_agrees(&report, &there);
    assert_sample(&world, &there, &[22, 23, 53, 80, 5353, 7777, 8080, 9999]);
}
