//! What is known of each reason. The documentation `doc/findings.md` is made of this.

use super::{Code, Entry};
use crate::model::Certainty::{Likely, Possible, Proved};

/// One entry for each code, in the order of the codes.
pub(super) const ENTRIES: [Entry; 58] = [
    Entry {
        code: Code::R01,
        slug: "nothing-listens",
        title: "Nothing listens on the port",
        text: "The host answers and says that nobody listens there. That is what `connection refused` means.",
        evidence: "A reset, and no listening or bound socket at the port in either family. From another host only \
               the reset can be seen, and the certainty is `likely`.",
        fix: "Start the server, or look at its log if it should run.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::R02,
        slug: "near-miss-port",
        title: "A server listens on a port that looks like it",
        text: "Nothing listens on this port, but something does on one that differs in a single digit, by two swapped \
               digits, or that is the usual one of the same service. Or a container listens on it, and is published \
               at another port of this host.",
        evidence: "As R01, and a listener at such a port; or one in a container to which a rule of NAT or a proxy \
               leads from another port (root).",
        fix: "Use that port, or start the server that was meant.",
        most: Likely,
        tested: true,
    },
    Entry {
        code: Code::R03,
        slug: "loopback-only",
        title: "The server listens on the loopback address only",
        text: "The socket is bound to 127.0.0.1 or ::1, so only clients on this host that use that address reach it.",
        evidence: "A reset from an address of this host that is not a loopback address, and a listener at the same \
               port that is bound to a loopback address.",
        fix: "Bind it to 0.0.0.0, to [::], or to the address that clients use; or connect to the loopback address.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::R04,
        slug: "name-means-127-0-1-1",
        title: "The host's name means 127.0.1.1",
        text: "Debian and its kin map the host's own name to 127.0.1.1 in /etc/hosts. A server at 127.0.0.1 is not \
               reached by that name.",
        evidence: "The address that was tried is 127.0.1.1, and a listener is bound to 127.0.0.1.",
        fix: "Connect to localhost, change the line in /etc/hosts, or bind the server to that address too.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::R05,
        slug: "ipv6-only-listener",
        title: "The server listens on IPv6 only, and the client used IPv4",
        text: "The socket is bound to an IPv6 address such as ::1, as some development servers do. Clients that use \
               127.0.0.1 are refused.",
        evidence: "A reset from an IPv4 address, and the listener at the port is bound to an IPv6 address of the \
               same reach.",
        fix: "Start the server with --host 127.0.0.1 (or the like), or use [::1].",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::R06,
        slug: "ipv4-only-listener",
        title: "The server listens on IPv4 only, and the client used IPv6",
        text: "Many clients try ::1 first for localhost, and not all of them then try 127.0.0.1 (Node.js since 17 \
               takes the resolver's order).",
        evidence: "A reset from an IPv6 address, and the listener at the port is bound to an IPv4 address of the \
               same reach.",
        fix: "Use 127.0.0.1, or bind the server to [::] or ::1 too.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::R07,
        slug: "v6only-wildcard",
        title: "The server listens on [::] without IPv4",
        text: "The socket is bound to every IPv6 address, and IPV6_V6ONLY keeps IPv4 out (net.ipv6.bindv6only, or \
               the program's choice).",
        evidence: "A reset from an IPv4 address, and the listener at [::] has IPV6_V6ONLY.",
        fix: "Clear IPV6_V6ONLY in the program, set net.ipv6.bindv6only=0, or listen on 0.0.0.0 as well.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::R08,
        slug: "other-address",
        title: "The server listens on another address",
        text: "The socket is bound to one address of this host, and the client used another.",
        evidence: "A reset from a local address, and the listeners at the port are bound to other addresses only.",
        fix: "Use the address that it is bound to, or bind it to more.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::R09,
        slug: "bound-to-device",
        title: "The server takes packets of one network device only",
        text: "The socket is bound to a device (SO_BINDTODEVICE), and this packet arrives on another.",
        evidence: "A reset, and the listener at the port has a device that is not the one that packets to this \
               address arrive on.",
        fix: "Connect by an address of that device, or do not bind the server to a device.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::R10,
        slug: "bound-not-listening",
        title: "A program holds the port and does not listen",
        text: "The socket is bound, but listen() was never called: the program hangs in its start, or failed \
               half-way.",
        evidence: "A reset, and a socket in the state bound (Linux 6.8 and later show it), and no listener.",
        fix: "Look at the log of the program that holds the port, and start it again.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::R11,
        slug: "unit-failed",
        title: "The service that should listen has failed",
        text: "A unit of systemd that opens the port, names it, or has the name of the service is in the state failed.",
        evidence: "As R01, and the state of a unit: `proved` for a socket unit that opens the port; `likely` for a \
               service with the port in its command (--port 8080, 0.0.0.0:8080) or its variables (PORT=8080), or of \
               the program that the port is registered for. A service that runs once or by a timer does not count, nor \
               one that starts a client.",
        fix: "systemctl status UNIT; journalctl -u UNIT -n 20; systemctl reset-failed UNIT, and start it.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::R12,
        slug: "still-starting",
        title: "The service is still starting",
        text: "The unit, or the container that the port leads to, is being started, or is started again and again, or runs \
               for a few seconds and does not listen yet.",
        evidence: "As R01, and a unit as for R11 that is activating, or has been running for less than ten seconds. Or \
               nothing is at the port inside the container, and its runtime (Docker, Podman) says that its health check \
               is `starting` (root). `possible` where a socket listens and the host itself refuses, or has come since.",
        fix: "Wait: portsight why TARGET --wait 30s; where it is started again and again, journalctl -u UNIT.",
        most: Likely,
        tested: true,
    },
    Entry {
        code: Code::R13,
        slug: "unit-inactive",
        title: "The service is installed and not running",
        text: "A unit that is about the port is there and is not active: it was stopped, was never started, or is \
               masked.",
        evidence: "As R01, and a unit as for R11 that is inactive, while none that is about the port runs.",
        fix: "systemctl enable --now UNIT; systemctl unmask UNIT first, where it is masked.",
        most: Likely,
        tested: true,
    },
    Entry {
        code: Code::R14,
        slug: "socket-unit",
        title: "A socket unit of systemd decides the port",
        text: "systemd opens the socket, so the port in the program's own configuration is ignored.",
        evidence: "As R01, and a socket unit that runs and opens another port for the service whose command names \
               this one; or one that opens this port and gave up, since the service that it starts fails (`proved`). \
               Or a connection to a socket of systemd that nobody serves, and the state of the service. Of \
               configuration files that of sshd is read.",
        fix: "systemctl edit NAME.socket; or mend the service, then reset-failed and start NAME.socket.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::R15,
        slug: "container-not-published",
        title: "The port is open inside a container and not published",
        text: "The program listens in the network namespace of a container, and no port of the host leads there. \
               EXPOSE publishes nothing.",
        evidence: "A reset, no listener here, one at the port in the network namespace of a container, and neither a \
               rule of NAT nor a proxy of containers that leads there (root). What other programs hand on is not \
               known.",
        fix: "Publish it, as with -p 8080:80, or connect to the container's own address.",
        most: Likely,
        tested: true,
    },
    Entry {
        code: Code::R17,
        slug: "other-namespace",
        title: "It listens in another network namespace",
        text: "A socket listens on the port in another network namespace of this host, which has other addresses.",
        evidence: "A reset, no listener here, and one at the port in another network namespace, in which no process \
               of a container is (root).",
        fix: "Run the client there (ip netns exec, nsenter), or forward the port.",
        most: Likely,
        tested: true,
    },
    Entry {
        code: Code::R18,
        slug: "wsl-boundary",
        title: "The port is on the other side of WSL",
        text: "Windows and its Linux guest have different sockets: what listens on one side may not be reached from \
               the other.",
        evidence: "A kernel of WSL. Not tested against a real one.",
        fix: "Use the address of the other side, or mirrored networking.",
        most: Possible,
        tested: false,
    },
    Entry {
        code: Code::R19,
        slug: "forwarded-to-closed",
        title: "A rule forwards the port to where nothing answers",
        text: "Destination NAT sends the connection to another address or port, and that one refuses or is silent.",
        evidence: "A refusal or silence, and a rule of destination NAT that takes the port (root), which a trace \
               shows at work; what is behind it is read in its network namespace. Without root, where connections are \
               tracked: a refusal that is no packet of this host, or one of this host's stack although a socket \
               listens.",
        fix: "Let the program inside listen on 0.0.0.0 and on the port that the rule leads to, or mend the rule.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::R20,
        slug: "reset-by-rule",
        title: "A firewall rule resets the connection",
        text: "A socket listens and would take the connection, but a rule answers with a reset, which looks like a \
               closed port.",
        evidence: "A reset although a socket listens for this address; the counters of the host show that the packet \
               was not delivered. The rule itself takes a trace.",
        fix: "Find the rule (nft list ruleset, iptables-save) and let the port through.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::R21,
        slug: "rejected-port-unreachable",
        title: "A firewall rule rejects: it looks like a closed port",
        text: "An ICMP port-unreachable came back. The network stack answers TCP with a reset, so this is the \
               default `reject` of a firewall.",
        evidence: "ICMP 3/3 (ICMPv6 1/4) in the error queue of the client's socket. The rule itself takes a trace.",
        fix: "Find the rule and let the port through.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::R22,
        slug: "name-means-another-host",
        title: "The name means another host",
        text: "The name resolves to an address that is not of this host, while a server listens here on the port.",
        evidence: "The address is not local, /etc/hosts has the name, and a socket of this host listens on the port.",
        fix: "Correct /etc/hosts or DNS, or use localhost.",
        most: Likely,
        tested: true,
    },
    Entry {
        code: Code::R23,
        slug: "proxy-refuses",
        title: "The proxy refuses, not the server",
        text: "The environment names a proxy for this URL, so clients that heed it connect to the proxy, and that \
               fails.",
        evidence: "A proxy variable for the scheme, no entry of no_proxy for the host, and a failed connection to \
               the proxy.",
        fix: "Unset the variable, add the host to no_proxy, or start the proxy.",
        most: Likely,
        tested: true,
    },
    Entry {
        code: Code::R24,
        slug: "inside-container",
        title: "localhost is the container, not the host",
        text: "Inside a container, 127.0.0.1 is the container itself. A server of the host is not there.",
        evidence: "We run in a container, the target is a loopback address, and nothing listens there. What the host \
               has cannot be seen from inside, so this is a hint beside R01 and never the reason.",
        fix: "Use host.docker.internal, the gateway's address, or the name of the service.",
        most: Possible,
        tested: true,
    },
    Entry {
        code: Code::H01,
        slug: "rejected-host-unreachable",
        title: "`No route to host` is a firewall's reject",
        text: "An ICMP error (host unreachable, host prohibited, administratively prohibited) came back at once. \
               Routing is in order: this is how firewalld and many rules reject.",
        evidence: "EHOSTUNREACH at once, with ICMP 3/13, 3/10 or 3/1 (ICMPv6 1/3) in the error queue. The rule \
               itself takes a trace.",
        fix: "Let the port through: with firewalld, firewall-cmd --add-port=PORT/tcp in the zone of the interface, \
               also --permanent.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::H02,
        slug: "rejected-ipv6-prohibited",
        title: "`Permission denied` is an IPv6 firewall's reject",
        text: "An ICMPv6 error (administratively prohibited) came back, which the kernel tells clients as EACCES.",
        evidence: "EACCES with ICMPv6 1/1, 1/5 or 1/6 in the error queue. The rule itself takes a trace.",
        fix: "Let the port through for IPv6 as well.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::H03,
        slug: "rejected-net-unreachable",
        title: "`Network is unreachable` is a firewall's reject",
        text: "An ICMP error (network unreachable or prohibited, in IPv6 no route) came back. A rule or a router \
               sent it.",
        evidence: "ENETUNREACH with ICMP 3/0 or 3/9 (ICMPv6 1/0) in the error queue. The rule itself takes a trace.",
        fix: "Find the rule, or the router that the error came from.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::H04,
        slug: "no-neighbour",
        title: "Nobody on the link answers for the address",
        text: "The address, or the one that a rule of NAT forwards the port to, should be on a network of this host, \
               but nobody answers ARP (or neighbour discovery) for it: the machine or the container is gone.",
        evidence: "After some 3 s ICMP 3/1 (ICMPv6 1/3) from this host itself, and an incomplete neighbour entry. \
               Within 1 s only the entry, and the certainty is `likely`, as it is where a router says so after a \
               second. What comes at once is a rule's. Where the port is forwarded to takes root; without it an ICMP \
               error that comes later than a rule would send it is `possible`, and after a second `likely`.",
        fix: "Look whether the machine or the container is up and has that address.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::H05,
        slug: "no-route",
        title: "There is no route to the address",
        text: "The kernel has no route that leads there, as without a default route, or with IPv6 switched off.",
        evidence: "ENETUNREACH (EADDRNOTAVAIL, EAFNOSUPPORT for IPv6) at once, an empty error queue, and the \
               kernel's own lookup finds no route.",
        fix: "ip route get ADDRESS; then add the route, or bring up the interface.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::H06,
        slug: "route-forbids",
        title: "A route or a routing rule forbids it",
        text: "A route of the type unreachable, prohibit or blackhole, or such a rule, covers the address: often the \
               kill switch of a VPN.",
        evidence: "EHOSTUNREACH, EACCES or EINVAL at once with an empty error queue, and the kernel's own lookup \
               gives the same error.",
        fix: "ip rule; ip route show table all type prohibit (blackhole, unreachable); then remove it, or start the \
               VPN.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::T01,
        slug: "dropped-on-the-way-in",
        title: "A firewall drops what comes in",
        text: "Nothing comes back, although a socket listens: a rule or a policy in the input path drops the packet.",
        evidence: "Silence, a socket that listens for the address with room in its queue, and counters that show \
               that the packet arrived and was not delivered. The rule itself takes a trace.",
        fix: "Find the rule or the policy (nft list ruleset, iptables-save) and let the port through.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::T02,
        slug: "dropped-on-the-way-out",
        title: "This host's own output rules drop it",
        text: "Nothing comes back: the packet, or the answer of the server, is stopped in the output path of this \
               host.",
        evidence: "Silence, and counters that show that a packet was sent and never came in; for UDP the error EPERM. \
               The rule itself takes a trace. Without root, where connections are tracked, it may have been forwarded \
               instead, and the certainty is `possible`.",
        fix: "Find the rule in the output chain and let the port through.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::T03,
        slug: "accept-queue-full",
        title: "The server does not accept its connections",
        text: "The queue of connections that wait to be accepted is full, so the kernel drops new ones. This is not \
               a firewall.",
        evidence: "Silence, and the queue of the listener is longer than its limit.",
        fix: "Look at the program (overloaded, stopped, deadlocked); then at its backlog and net.core.somaxconn.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::T04,
        slug: "dropped-at-the-socket",
        title: "A filter at the socket drops it",
        text: "The packet reaches the listening socket and is dropped there, as by a BPF filter that the program \
               attached.",
        evidence: "Silence, a listener with room in its queue, and the drops of that very socket rise with each \
               attempt.",
        fix: "Look at what attaches a filter to the program's socket (SO_ATTACH_FILTER, seccomp tools, tracing \
               tools).",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::T05,
        slug: "signature-wanted",
        title: "The server wants signed TCP",
        text: "The listener has keys of TCP signatures (MD5 or AO, as BGP uses them) for this client, and drops what \
               is not signed.",
        evidence: "Silence, a listener with room in its queue, and the host's count of segments without a signature \
               rises with each attempt; root sees the keys too.",
        fix: "Give the client the key, or take the client out of the server's list of peers.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::T06,
        slug: "unit-ip-filter",
        title: "systemd's filter of the unit drops it",
        text: "IPAddressDeny= of the unit, or of a slice above it, drops packets by BPF, which the firewall's rules do \
               not show.",
        evidence: "Silence, a listener with room in its queue whose drops rise with each attempt (or a trace that \
               every rule lets pass), and settings of its unit that deny the address of the client and do not allow \
               it; or the kernel's own word, SOCKET_FILTER, and a program at the cgroup of the unit.",
        fix: "systemctl show -p IPAddressDeny,IPAddressAllow UNIT, then systemctl edit UNIT.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::T07,
        slug: "conntrack-full",
        title: "The table of tracked connections is full",
        text: "The kernel drops new connections since the conntrack table has no room.",
        evidence: "Silence, and the count has reached the maximum. Not tested against a full table.",
        fix: "Raise net.netfilter.nf_conntrack_max, or do not track this traffic.",
        most: Possible,
        tested: false,
    },
    Entry {
        code: Code::T08,
        slug: "loopback-down",
        title: "The loopback interface is down",
        text: "Packets of this host to itself take lo, which is not up.",
        evidence: "Silence or an error for an address of this host, and lo is not up.",
        fix: "ip link set lo up.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::T09,
        slug: "source-not-allowed",
        title: "Only some sources are let through",
        text: "A rule lets the port through for some source addresses, and the client is not one of them: a later rule \
               or the policy stops it.",
        evidence: "As T01, R20, R21 or H01 to H03 by a traced rule of the input path (root), and a rule that was asked \
                   before it on the way from the same base chain lets the port in for some sources, and asks for \
                   nothing else.",
        fix: "Add the client's address to the rule, or connect from an allowed one.",
        most: Likely,
        tested: true,
    },
    Entry {
        code: Code::T10,
        slug: "stopped-between",
        title: "Something between the two machines stops it",
        text: "Another machine gets nowhere, and this host is not the cause: a router, a firewall or a provider's \
               filter between them, or the other machine's own rules, drop or refuse the connection.",
        evidence: "The other machine was asked over ssh and failed, while this host answers a traced packet from \
                   its address otherwise (root), or the ICMP error came from elsewhere. Without a trace, where NAT \
                   is between, and where XDP in a driver sees what no trace does, only `possible`.",
        fix: "Look at what is between: the rules of the cloud or the provider, routers, the firewall of the other \
              machine; behind NAT, let the device that has the address pass the port on.",
        most: Likely,
        tested: true,
    },
    Entry {
        code: Code::C01,
        slug: "does-not-accept",
        title: "It connects, but the program does not accept",
        text: "The kernel completes the connection for the program, which never takes it: it is stopped, hung, or \
               busy.",
        evidence: "The connection is up, and half a second later its other end still waits in the accept queue; \
               `proved` where the process is seen to be stopped.",
        fix: "kill -CONT PID for a stopped process; else look what it waits for.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::C02,
        slug: "closed-at-once",
        title: "It is accepted, and closed at once",
        text: "The server takes the connection and closes it before a word is said, as TCP wrappers, fail2ban, or a \
               limit of connections do.",
        evidence: "The connection was up, and its end came within moments, without data.",
        fix: "Look at the server's log, at /etc/hosts.deny, and at its limits.",
        most: Likely,
        tested: true,
    },
    Entry {
        code: Code::C03,
        slug: "two-programs-share",
        title: "Two programs share the port",
        text: "Several sockets listen at the same address (SO_REUSEPORT) and belong to different programs, so each \
               gets a part of the connections.",
        evidence: "Two listeners with the same address and device, held by different programs. That this is the \
               cause of a failure is not seen.",
        fix: "Stop the one that is not meant: portsight who PORT names both.",
        most: Possible,
        tested: true,
    },
    Entry {
        code: Code::C04,
        slug: "proxy-without-backend",
        title: "The port is published, and nothing behind it answers",
        text: "A proxy of a container runtime (docker-proxy, rootlessport, pasta) takes the connection and closes it, \
               since the program inside does not listen, listens on another port, or on its own loopback address \
               only. Or a program (conmon) keeps the port for a container, and the rule of NAT that should hand the \
               connection on is gone, as after a reload of the firewall.",
        evidence: "The connection was up, its end came within half a second, without data, and the listener is a \
               proxy of containers; `proved` where root sees that nothing inside takes it (for pasta, which is untested, \
               `likely` at most). For conmon: the connection is up, nobody accepts it, and no rule publishes the port. From a place on the network no connection is \
               opened, and a proxy is `possible` there.",
        fix: "Let the program inside listen on 0.0.0.0, and look whether it is up; for conmon podman network reload.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::B01,
        slug: "held",
        title: "Another socket holds the port",
        text: "A socket at the same address and port is there already. Two programs cannot have it, unless both ask \
               to share it.",
        evidence: "The kernel refuses to bind with EADDRINUSE, and a socket at the port conflicts.",
        fix: "Stop the holder, or use another port.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::B02,
        slug: "time-wait",
        title: "Closed connections still keep the port",
        text: "No program has it, but connections of the old server are kept by the kernel for up to a minute after \
               they were closed.",
        evidence: "EADDRINUSE, no socket that is open at the port, and connections in TIME_WAIT there.",
        fix: "Wait a minute. Let the server set SO_REUSEADDR on every start: also the old one must have had it.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::B03,
        slug: "ephemeral-clash",
        title: "A client uses the port as its source port",
        text: "An outgoing connection was given this very port. It lies in the range of ports that the kernel gives \
               to clients.",
        evidence: "EADDRINUSE, and a connection of this host whose own port it is, without a listener.",
        fix: "Use a port below the range (net.ipv4.ip_local_port_range), or reserve it with \
               net.ipv4.ip_local_reserved_ports.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::B04,
        slug: "privileged-port",
        title: "The port takes a privilege",
        text: "Ports below net.ipv4.ip_unprivileged_port_start (1024, when not changed) may be bound with \
               CAP_NET_BIND_SERVICE only.",
        evidence: "EACCES, a port below that limit, and no such capability.",
        fix: "setcap cap_net_bind_service+ep PROGRAM, AmbientCapabilities= of the unit, or a port from the limit on.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::B05,
        slug: "held-by-no-process",
        title: "The kernel, or what is no process here, holds the port",
        text: "A socket holds the port and no process has it: the kernel itself (NFS, vxlan, WireGuard), or a \
               process of another pid namespace.",
        evidence: "EADDRINUSE, and every process was looked at.",
        fix: "Look at tunnels and mounts: ip -d link, /proc/fs/nfsd; or at the container that it belongs to.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::B06,
        slug: "no-such-address",
        title: "The address is not of this host",
        text: "A socket can be bound only to an address that an interface of this host has (and that is ready to be \
               used).",
        evidence: "EADDRNOTAVAIL, and no interface has the address; or one has it and it is still tentative.",
        fix: "Bind to 0.0.0.0 or [::], start after network-online.target, or set net.ipv4.ip_nonlocal_bind.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::B07,
        slug: "other-family-holder",
        title: "A socket of the other family holds the port",
        text: "[::] takes IPv4 too, unless IPV6_V6ONLY is set, so it conflicts with a socket at 0.0.0.0 or at an \
               IPv4 address, and the other way round.",
        evidence: "EADDRINUSE for [::], success with IPV6_V6ONLY, and a socket that takes IPv4 at the port; or the \
               other way round.",
        fix: "Set IPV6_V6ONLY on the IPv6 socket, or stop the holder.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::B08,
        slug: "security-module",
        title: "A security module forbids it",
        text: "SELinux (name_bind), AppArmor or Landlock denies the program the port. A filter of system calls \
               (seccomp) or a program of BPF at the control group looks the same.",
        evidence: "EACCES or EPERM where no privilege is missing; the active modules, the label of the process, and \
               for root the denials that the kernel's log has of this port. Where auditd runs, they are in its log \
               instead, which is not read. Tested with Landlock, not with SELinux or AppArmor.",
        fix: "semanage port -a -t TYPE -p tcp PORT, or the profile of AppArmor; see ausearch -m avc.",
        most: Possible,
        tested: true,
    },
    Entry {
        code: Code::B09,
        slug: "unit-may-not-bind",
        title: "The unit does not let its programs bind the port",
        text: "SocketBindDeny= of a unit of systemd, or of a slice above it, keeps its programs from the port. Others \
               may bind it.",
        evidence: "EPERM, and the settings of the unit that the command runs in; or success here, and the settings \
               of the unit that names the port. That the kernel applies them is not seen. Not tested against a \
               systemd that can apply them.",
        fix: "systemctl show -p SocketBindDeny,SocketBindAllow UNIT, then systemctl edit UNIT.",
        most: Possible,
        tested: false,
    },
    Entry {
        code: Code::U01,
        slug: "udp-silent",
        title: "Datagrams arrive, and the server does not answer",
        text: "UDP knows no connection: a server that does not understand a datagram is silent. That is no fault of \
               the network.",
        evidence: "No answer, and the queue of the socket, or the host's count of received datagrams, rose with each \
               datagram.",
        fix: "Ask it in its own protocol (dig, snmpget, and so on).",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::N01,
        slug: "no-such-name",
        title: "The name does not exist",
        text: "The resolver says that there is no such name, or none with an address.",
        evidence: "getaddrinfo says EAI_NONAME or EAI_NODATA.",
        fix: "Look for a slip of the pen; then at /etc/hosts, and at the search list in /etc/resolv.conf.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::N02,
        slug: "resolver-unreachable",
        title: "The resolver cannot be asked",
        text: "The name could not be looked up, since no name server answers. Whether the name exists is not known.",
        evidence: "getaddrinfo says EAI_AGAIN or another error of its own.",
        fix: "Look at /etc/resolv.conf, and whether its name servers can be reached.",
        most: Possible,
        tested: true,
    },
    Entry {
        code: Code::P01,
        slug: "no-such-path",
        title: "There is no socket at the path",
        text: "No file has this path, or it is a file of another kind.",
        evidence: "ENOENT or ENOTDIR, or a file that is no socket.",
        fix: "Start the server, or correct the path.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::P02,
        slug: "stale-socket-file",
        title: "The file is there, and nobody listens behind it",
        text: "The socket file of a server that has ended was left behind.",
        evidence: "ECONNREFUSED from a socket file, and no listening Unix socket with the path.",
        fix: "Start the server again, which replaces the file.",
        most: Proved,
        tested: true,
    },
    Entry {
        code: Code::P03,
        slug: "path-forbidden",
        title: "The path may not be used by this user",
        text: "Connecting takes permission to write to the socket's file and to pass the directories above it.",
        evidence: "EACCES or EPERM from connecting to the path.",
        fix: "Join the group of the socket's file, or ask for its mode to be changed.",
        most: Proved,
        tested: true,
    },
];
