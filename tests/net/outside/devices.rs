//! Each kind of device that a network may be at.

use super::told::{assert_neighbour_agrees, assert_told};
use super::wire::{Capture, names_nobody};
use super::{can_inject, ip, unlimited};
use crate::cgroups::did_not_run;
use crate::host::Host;
use crate::sockets::{tcp, udp};
use crate::truth::LAN;
use crate::world::{World, alone, bring_up};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Command;

/// The neighbour's addresses.
const THERE: [&str; 3] = ["10.77.0.9/24", "fd77::9/64", "fe80::9/64"];

/// A world whose `lan0` was made of `under0` by these commands, and its neighbour whose `wire0` was made of `under1`.
/// `None` where the kernel has no such device.
fn with_device(here: &'static str, there: &'static str) -> Option<(World, Host)> {
    let world = World::new();
    ip("link add under0 type veth peer name under1\nlink set under0 addrgenmode none");
    let host = Host::new();
    host.takes("under1", &["10.1.0.9/24"]);
    bring_up("under0", &["10.1.0.2/24"]);
    // Only the device that has an address speaks for it.
    fs::write("/proc/sys/net/ipv4/conf/all/arp_ignore", "1").unwrap();
    if !made(here) {
        return None;
    }
    let made_there = host.does(move || {
        let made = made(there);
        if made {
            bring_up("wire0", &THERE);
        }
        made
    });
    bring_up("lan0", &LAN);
    unlimited();
    made_there.then_some((world, host))
}

/// Whether the kernel makes the device.
fn made(commands: &str) -> bool {
    for line in commands.lines() {
        let mut command = Command::new("ip");
        command.args(line.split_whitespace());
        let output = alone(|| command.output()).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        if errors.contains("Unknown device type") || errors.contains("not supported") {
            // Nothing that a test could install.
            drop(writeln!(io::stderr(), "did not run: this kernel refuses: ip {line}: {errors}"));
            return false;
        }
        assert!(output.status.success(), "{line}: {errors}");
    }
    true
}

/// Rules that know the device by its name, and servers on either side of them.
fn with_rules(world: World) -> World {
    let world =
        (21..=23).fold(world, |world, port| world.listens(tcp(&format!("[::]:{port}")).dual()));
    world.echoes(udp("[::]:53").dual()).nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0; policy drop;
                meta l4proto { icmp, ipv6-icmp } accept
                iifname under0 meta l4proto gre accept
                iifname under0 udp dport 4789 accept
                iifname lan0 tcp dport { 21, 31 } accept comment \"door\"
                iifname lan0 udp dport { 53, 54 } accept comment \"datagrams\"
                iifname under0 tcp dport 22 accept comment \"under\"
                tcp dport 23 reject with tcp reset comment \"reset\"
            }
        }",
    )
}

const CHECK: &str = "check 21-23/tcp,31/tcp,53/udp,54/udp --from lan";
const TOLD: &str = "
    21/tcp  lan  open      syn-ack       reachable  -        door
    22/tcp  lan  filtered  no-response   filtered   dropped  policy:input
    23/tcp  lan  closed    reset         filtered   reset    reset
    31/tcp  lan  closed    reset         closed     -        door
    53/udp  lan  open      udp-response  reachable  -        datagrams
    54/udp  lan  closed    port-unreach  closed     -        datagrams";

#[track_caller]
fn assert_all_is_as_ever(here: &'static str, there: &'static str) {
    if !can_inject() {
        return;
    }
    let Some((world, there)) = with_device(here, there) else { return };
    let world = with_rules(world);
    let wire = Capture::of(&there);
    let report = world.json(CHECK);
    wire.assert_silent();
    assert_told(&report, TOLD);
    assert_neighbour_agrees(&report, &there);
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_bridge() {
    assert_all_is_as_ever(
        "link add lan0 type bridge\nlink set under0 master lan0",
        "link set under1 down\nlink set under1 name wire0",
    );
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_vlan() {
    assert_all_is_as_ever(
        "link add link under0 name lan0 type vlan id 5",
        "link add link under1 name wire0 type vlan id 5",
    );
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_bond() {
    assert_all_is_as_ever(
        "link set under0 down\nlink add lan0 type bond mode active-backup\nlink set under0 master lan0",
        "link set under1 down\nlink set under1 name wire0",
    );
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_macvlan() {
    assert_all_is_as_ever(
        "link add link under0 name lan0 type macvlan mode bridge",
        "link set under1 down\nlink set under1 name wire0",
    );
}

/// A VLAN on a bridge, as hosts of virtual machines have it.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_vlan_of_a_bridge() {
    assert_all_is_as_ever(
        "link add br0 type bridge\nlink set under0 master br0\nlink set br0 up\n\
         link add link br0 name lan0 type vlan id 5",
        "link add link under1 name wire0 type vlan id 5",
    );
}

/// A device whose other end is a program, as those of many VPNs: packets without a header. The program hears nothing.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_tun_device() {
    if !can_inject() {
        return;
    }
    let world = World::new();
    let mut program = match tun() {
        Ok(program) => program,
        Err(error) => return did_not_run(&format!("no tun device: {error}")),
    };
    bring_up("lan0", &LAN);
    unlimited();
    let world = with_rules(world);
    assert_told(&world.json(CHECK), TOLD);
    let client = UdpSocket::bind("10.77.0.2:0").unwrap();
    client.send_to(b"the last one", "10.77.0.9:9").unwrap();
    let mut buffer = [0; 2048];
    let mut heard = Vec::new();
    while let Ok(length) = program.read(&mut buffer) {
        heard.push(buffer[..length].to_vec());
    }
    assert!(heard.last().is_some_and(|packet| packet.ends_with(b"the last one")), "{heard:?}");
    heard.retain(|packet| names_nobody(packet));
    assert_eq!(heard, Vec::<Vec<u8>>::new());
}

/// The program's end of a new device `lan0`, which has no frames.
fn tun() -> io::Result<File> {
    /// `TUNSETIFF`, `IFF_TUN` and `IFF_NO_PI` (`linux/if_tun.h`).
    const SET: libc::Ioctl = 0x4004_54ca;
    const FLAGS: u16 = 0x1001;
    let file = File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")?;
    let mut request = [0_u8; 40];
    request[..4].copy_from_slice(b"lan0");
    request[16..18].copy_from_slice(&FLAGS.to_ne_bytes());
    // SAFETY: the request is a struct ifreq of 40 bytes, with a name and flags, and lives through the call.
    match unsafe { libc::ioctl(file.as_raw_fd(), SET, request.as_mut_ptr()) } {
        0 => Ok(file),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A device without an address of its own and without a header.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_tunnel() {
    assert_all_is_as_ever(
        "link add lan0 type gre local 10.1.0.2 remote 10.1.0.9",
        "link add wire0 type gre local 10.1.0.9 remote 10.1.0.2",
    );
}

/// One with a header.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_tunnel_of_frames() {
    assert_all_is_as_ever(
        "link add lan0 type vxlan id 5 local 10.1.0.2 remote 10.1.0.9 dstport 4789",
        "link add wire0 type vxlan id 5 local 10.1.0.9 remote 10.1.0.2 dstport 4789",
    );
}
