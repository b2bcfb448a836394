"""Full scans of this host beside other scanners, each held against what was made to be found."""

import collections
import contextlib
import ctypes
import json
import os
import random
import re
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import xml.etree.ElementTree

from bench_tools import LIMIT, PORTSIGHT, RUNS, listen, peak_memory, run, take_turns

PEER_RUNS = int(os.environ.get("PEER_RUNS", "2"))  # of the others: some need seconds
ALL = range(1, 65536)
FIRST = 1000  # ports of the short scan
ADDRESSES = ("192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.13")

# What each port is: a state, or why it has none.
OPEN, ECHO, SILENT = "open", "open, answers", "open, does not answer"
DROPPED, UNREACHABLE, PROHIBITED = "dropped", "port-unreach", "admin-prohibited"
CLOSED = "closed"


def truth():
    """What each port is behind the firewall and without it, and what listens; by transport."""
    shuffled = random.Random(7)
    tcp, udp = list(ALL), list(ALL)
    shuffled.shuffle(tcp)
    shuffled.shuffle(udp)
    listeners = {"tcp": tcp[:60], "udp": udp[:25]}
    plain = {
        "tcp": dict.fromkeys(listeners["tcp"], OPEN),
        "udp": dict.fromkeys(udp[:5], ECHO) | dict.fromkeys(udp[5:25], SILENT),
    }
    behind = {
        # The last ten listeners, and the last five UDP sockets, are behind a drop.
        "tcp": plain["tcp"]
        | dict.fromkeys(tcp[50:1050], DROPPED)
        | dict.fromkeys(tcp[1050:1150], UNREACHABLE)
        | dict.fromkeys(tcp[1150:1250], PROHIBITED),
        "udp": plain["udp"]
        | dict.fromkeys(udp[20:1020], DROPPED)
        | dict.fromkeys(udp[1020:1120], PROHIBITED),
    }
    return listeners, plain, behind, tcp[1250:1350]


def rules(behind, reset):
    """The firewall, for nft."""

    def of(transport, kind):
        return ", ".join(str(port) for port, it in behind[transport].items() if it == kind)

    syn = "tcp flags & (syn | ack | rst) == syn tcp"
    return f"""table inet bench {{
        chain input {{
            type filter hook input priority 0
            {syn} dport {{ {of("tcp", DROPPED)} }} drop
            {syn} dport {{ {of("tcp", UNREACHABLE)} }} reject with icmpx port-unreachable
            {syn} dport {{ {of("tcp", PROHIBITED)} }} reject with icmpx admin-prohibited
            {syn} dport {{ {", ".join(map(str, reset))} }} reject with tcp reset
            udp dport {{ {of("udp", DROPPED)} }} drop
            udp dport {{ {of("udp", PROHIBITED)} }} reject with icmpx admin-prohibited
        }}
    }}
"""


@contextlib.contextmanager
def firewall(text):
    subprocess.run(["nft", "-f", "-"], input=text.encode(), check=True, timeout=LIMIT)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", "bench"], check=True, timeout=LIMIT)


@contextlib.contextmanager
def child(work):
    """A process that does this until the block ends, or this process."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            if os.getppid() == parent:
                work()
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def datagrams(port, family):
    bound = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    bound.bind(("", port))
    return bound


@contextlib.contextmanager
def serving(listeners, plain):
    """A process that takes every connection, reads every datagram, and answers those that it is to."""
    families = (socket.AF_INET, socket.AF_INET6)
    tcp = [listen("", port, family) for port in listeners["tcp"] for family in families]
    udp = [datagrams(port, family) for port in listeners["udp"] for family in families]

    def serve():
        waiting = selectors.DefaultSelector()
        for kept in tcp + udp:
            kept.setblocking(False)
            waiting.register(kept, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                with contextlib.suppress(OSError):
                    if key.fileobj.type == socket.SOCK_STREAM:
                        key.fileobj.accept()[0].close()
                        continue
                    text, sender = key.fileobj.recvfrom(2048)
                    if plain["udp"][key.fileobj.getsockname()[1]] == ECHO:
                        key.fileobj.sendto(b"here: " + text, sender)

    with child(serve):
        for kept in tcp + udp:
            kept.close()
        yield


def spin():
    os.nice(5)
    while True:
        pass


@contextlib.contextmanager
def busy():
    """Every core has something else to do."""
    with contextlib.ExitStack() as stack:
        for _ in range(os.cpu_count()):
            stack.enter_context(child(spin))
        yield


# What a tool may say of a port of each kind. Of a socket that does not answer, who looks at the socket can say that
# the probe arrived; who does not, cannot tell it from a drop.
MAY_BE = {
    OPEN: {"open"},
    ECHO: {"open"},
    SILENT: {"open", "open|filtered"},
    DROPPED: {"filtered", "open|filtered"},
    UNREACHABLE: {"filtered"},
    PROHIBITED: {"filtered"},
    CLOSED: {"closed"},
}


def wrong_in_portsight(output, transport, is_what):
    """How many ports are wrong, and of how many it says itself that they are not known. A document names the ports that
    are open or have a socket, and counts the others."""
    document = json.loads(output)
    vantages = document["vantages"]
    targets = sum(len(vantage["targets"]) for vantage in vantages)
    named = {item["port"]: item["views"] for item in document["items"]}
    wrong = 0
    for port, views in named.items():
        may_be = MAY_BE[is_what.get(port, CLOSED)]
        wrong += sum(view["state"] not in may_be for view in views)
    unnamed = collections.Counter(is_what.get(port, CLOSED) for port in ALL if port not in named)
    missed = sum(unnamed.pop(it, 0) for it in (OPEN, ECHO, SILENT))
    expected = {"closed": unnamed.pop(CLOSED), "shielded": unnamed.total()}
    told = {it: sum(vantage["transports"][transport][it] for vantage in vantages) for it in expected}
    # What is missed or wrong in one count is too much in another.
    wrong += max(missed * targets, *(told[it] - targets * expected[it] for it in expected))
    lacking = targets * (missed + sum(expected.values())) - sum(told.values())
    # A port that is in no count must be among what the document says to be incomplete.
    return (wrong, max(lacking, 0)) if document["incomplete"] else (wrong + abs(lacking), 0)


def states_in_nmap(output):
    """The state of each port."""
    states = {}
    root = xml.etree.ElementTree.fromstring(output)
    for ports in root.iter("extraports"):
        for reasons in ports.iter("extrareasons"):
            for part in reasons.get("ports").split(","):
                first, _, last = part.partition("-")
                states |= dict.fromkeys(range(int(first), int(last or first) + 1), ports.get("state"))
    for port in root.iter("port"):
        states[int(port.get("portid"))] = port.find("state").get("state")
    return states


def wrong_in_nmap(output, transport, is_what, by_connecting=False):
    """How many ports are wrong, and how many connecting cannot tell: an ICMP message from a reset."""
    states = states_in_nmap(output)
    wrong = not_told = 0
    for port in ALL:
        it, state = is_what.get(port, CLOSED), states.get(port)
        if state not in MAY_BE[it]:
            known = by_connecting and (it, state) == (UNREACHABLE, "closed")
            not_told += known
            wrong += not known
    return wrong, not_told


def wrong_in_rustscan(output, transport, is_what):
    """How many ports are wrongly open or not: it tells of no other state."""
    found = {int(port) for ports in re.findall(r"\[([\d,]+)\]", output) for port in ports.split(",")}
    it_finds = {OPEN, ECHO}
    return len(found ^ {port for port, it in is_what.items() if it in it_finds}), 0


def portsight(transport, *more, vantage="loopback", family="-4"):
    every = ["--all-udp"] if transport == "udp" else []
    return [PORTSIGHT, "check", "--from", vantage, family, "--proto", transport, *every, *more, "-q", "-o", "json"]


def methods():
    """The methods to choose from; one that is not named where there is no choice yet."""
    has_choice = "--method" in run([PORTSIGHT, "check", "--help"])[2]
    return [["--method", "syn"], ["--method", "connect"]] if has_choice else [[]]


def own_tools(transport, *more, **where):
    """portsight by each of its methods: its command, and who judges what it says."""
    return {
        " ".join(["portsight", *method[1:]]): (
            portsight(transport, *method, *more, **where),
            wrong_in_portsight,
        )
        for method in methods()
    }


def peers(transport):
    def nmap(scan):
        return ["nmap", scan, "-p-", "-n", "-Pn", "-oX", "-", "127.0.0.1"]

    if transport == "tcp":
        found = {
            "nmap -sS": (nmap("-sS"), wrong_in_nmap),
            "nmap -sT": (nmap("-sT"), lambda *said: wrong_in_nmap(*said, by_connecting=True)),
        }
    else:
        found = {"nmap -sU": (nmap("-sU"), wrong_in_nmap)}
    if shutil.which("rustscan"):
        udp = ["--udp"] if transport == "udp" else []
        command = ["rustscan", "--no-config", "-a", "127.0.0.1", "-r", "1-65535", "-b", "4500", "-g", *udp]
        found["rustscan"] = (command, wrong_in_rustscan)
    return found


def compare(heading, transport, is_what, tools, addresses=1):
    """Runs the tools in turn and prints a row for each. Gives how many ports portsight had wrong in all runs."""
    wrong = collections.Counter()
    not_told_most = collections.Counter()

    def check(name, output):
        found, not_told = tools[name][1](output, transport, is_what)
        wrong[name] += found
        not_told_most[name] = max(not_told_most[name], not_told)

    def runs(name):
        return RUNS if name.startswith("portsight") else min(RUNS, PEER_RUNS)

    commands = {name: command for name, (command, _) in tools.items()}
    wall, cpu = take_turns(commands, check, runs)
    print(f"\n{heading}")
    print(f"{'':24}{'wall ms':>18}{'CPU ms':>18}{'CPU us':>10}{'peak':>8}{'wrong in':>10}")
    print(f"{'':24}{'min':>9}{'median':>9}{'min':>9}{'median':>9}{'a port':>10}{'MiB':>8}{'all runs':>10}")
    for name, command in commands.items():
        times = [1000 * of(values[name]) for values in (wall, cpu) for of in (min, statistics.median)]
        each = 1e6 * min(cpu[name]) / len(ALL) / addresses
        memory = peak_memory(command)
        memory = "-" if memory is None else f"{memory:.1f}"
        note = f"  and {not_told_most[name]} not told, at most" if not_told_most[name] else ""
        print(
            f"{name:24}" + "".join(f"{time:9.1f}" for time in times) + f"{each:10.2f}{memory:>8}"
            f"{wrong[name]:>6}/{runs(name):<3}{note}"
        )
    own = [name for name in tools if name.startswith("portsight")]
    for peer in tools:
        if peer not in own:
            ratios = (f"{min(wall[peer]) / min(wall[name]):.2f} times {name}" for name in own)
            print(f"{peer} takes " + ", ".join(ratios))
    return sum(wrong[name] for name in own)


def without(*words):
    """A command that takes something away from what it runs; none where that cannot be done."""
    command = ["setpriv", *words]
    tried = subprocess.run([*command, PORTSIGHT, "--version"], capture_output=True, timeout=LIMIT, check=False)
    return command if tried.returncode == 0 else None


def limited(transport):
    """portsight with less than all privileges."""
    found = {}
    # Without it, receive buffers are as large as the system says.
    if less := without("--bounding-set=-net_admin"):
        for name, (command, judge) in own_tools(transport).items():
            found[f"{name}, small buffer"] = ([*less, *command], judge)
    if less := without("--reuid=65534", "--regid=65534", "--clear-groups"):
        connect = methods()[-1]
        found["portsight, as nobody"] = ([*less, *portsight(transport, *connect)], wrong_in_portsight)
    return found


def fastest(command):
    """The least wall and CPU time of all runs."""
    times = [run(command)[:2] for _ in range(RUNS)]
    return min(wall for wall, _ in times), min(cpu for _, cpu in times)


def scaling(is_what):
    """What a port costs in short scans and in long ones, at one address and at several."""
    wrong = 0
    print("\nwhat a port costs, in us of CPU (and of time), without what it costs to probe one port")
    print(f"{'':24}{'addresses':>10}{f'{FIRST} ports':>18}{f'{len(ALL)} ports':>18}")
    given = set()
    for count in (1, 2, 4):
        for address in ADDRESSES[:count]:
            if address not in given and address != ADDRESSES[0]:
                line = f"addr add {address}/24 dev eth0"
                subprocess.run(["ip", *line.split()], check=True, timeout=LIMIT)
            given.add(address)
        for method in methods():
            # Ports that are named one by one are listed one by one: here the others are left out.
            start = fastest(portsight("tcp", *method, "--exclude", "2-65535", vantage="self"))
            cells = []
            for ports in (FIRST, len(ALL)):
                others = ["--exclude", f"{ports + 1}-65535"] if ports < len(ALL) else []
                command = portsight("tcp", *method, *others, vantage="self")
                wall, cpu = (most - least for most, least in zip(fastest(command), start))
                probed = (ports - 1) * count
                cells.append(f"{1e6 * cpu / probed:9.2f} ({1e6 * wall / probed:.2f})")
            _, _, output = run(portsight("tcp", *method, vantage="self"))
            wrong += wrong_in_portsight(output, "tcp", is_what)[0]
            print(f"{' '.join(['portsight', *method[1:]]):24}{count:>10}" + "".join(f"{cell:>18}" for cell in cells))
    return wrong


def probe():
    """Full scans of one address, with a firewall and without, and what they cost in other circumstances."""
    listeners, plain, behind, reset = truth()
    wrong = 0
    print(f"\nprobe: {RUNS} runs of portsight in turn with {min(RUNS, PEER_RUNS)} of the others, each of all ports")
    with serving(listeners, plain):
        for transport in ("tcp", "udp"):
            tools = own_tools(transport) | peers(transport)
            heading = f"{transport}, no firewall: {len(listeners[transport])} sockets"
            wrong += compare(heading, transport, plain[transport], tools)
        with firewall(rules(behind, reset)):
            for transport in ("tcp", "udp"):
                rejected = 300 if transport == "tcp" else 100
                heading = f"{transport}, firewall: 1000 ports dropped, {rejected} rejected"
                tools = own_tools(transport) | peers(transport)
                wrong += compare(heading, transport, behind[transport], tools)
                tools = limited(transport) | {
                    f"{name}, IPv6": tool for name, tool in own_tools(transport, family="-6").items()
                }
                wrong += compare(f"{transport}, firewall, otherwise", transport, behind[transport], tools)
                with busy():
                    heading = f"{transport}, firewall, every core busy"
                    wrong += compare(heading, transport, behind[transport], own_tools(transport))
        wrong += scaling(plain["tcp"])
    print(f"\nWRONG: {wrong} ports in all runs of portsight" if wrong else "\nportsight had no wrong port")
    return wrong > 0
