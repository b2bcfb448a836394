"""The measuring half of scripts/bench. It is run inside a network and a process namespace made for it."""

import contextlib
import ctypes
import json
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

from bench_network import network
from bench_probe import probe
from bench_tools import LIMIT, PORTSIGHT, RUNS, Failed, keeping, listen, measure, run

IDLE_PROCESSES = 80
IDLE_DESCRIPTORS = 4  # of each of these, beside those that every process has
LOAD_SERVERS = 20  # each with a client
LOAD_LISTENERS = 10  # of each server
LOAD_CONNECTIONS = int(os.environ.get("LOAD_CONNECTIONS", "20000")) // LOAD_SERVERS
LOAD_PROCESSES = int(os.environ.get("LOAD_PROCESSES", "300"))
LOAD_DESCRIPTORS = int(os.environ.get("LOAD_DESCRIPTORS", "100"))  # of each of these
NAMESPACES = 50


def make_world():
    """Brings up loopback, and a veth pair whose one end has an address."""
    for line in (
        "link set lo up",
        "link add eth0 type veth peer name peer0",
        "addr add 192.0.2.10/24 dev eth0",
        "link set eth0 up",
        "link set peer0 up",
    ):
        subprocess.run(["ip", *line.split()], check=True, timeout=LIMIT)


def sockets_in_portsight(output):
    return {
        (item["proto"], item["address"], item["port"])
        for item in json.loads(output)["items"]
        if item["state"] in ("listen", "unconnected")
    }


def sockets_in_ss(output):
    found = set()
    for line in output.splitlines():
        fields = line.split()
        address, port = fields[4].rsplit(":", 1)
        address = re.sub(r"%.*", "", address).strip("[]")
        found.add((fields[0], "::" if address == "*" else address, int(port)))
    return found


def compare_with_ss():
    _, _, ours = run([PORTSIGHT, "ls", "-o", "json"])
    _, _, theirs = run(["ss", "-Htuln"])
    ours, theirs = sockets_in_portsight(ours), sockets_in_ss(theirs)
    if ours != theirs:
        print(f"WRONG portsight only: {sorted(ours - theirs)[:20]}, ss only: {sorted(theirs - ours)[:20]}")
    else:
        print(f"portsight and ss list the same {len(ours)} sockets")
    return ours != theirs


def serve(number, told):
    """A server of the load: its listeners, one in four over IPv6, and the connections to the first of them."""
    base = 20_000 + number * LOAD_LISTENERS
    kept = []
    for port in range(base, base + LOAD_LISTENERS):
        six = port % 4 == 3
        address, family = ("::1", socket.AF_INET6) if six else ("127.0.0.1", socket.AF_INET)
        kept.append(listen(address, port, family, backlog=1024))
    os.write(told, b".")
    kept += [kept[0].accept()[0] for _ in range(LOAD_CONNECTIONS)]
    return kept


def connect(number, ready):
    """A client of the load, once its server listens."""
    os.read(ready, 1)
    address = ("127.0.0.1", 20_000 + number * LOAD_LISTENERS)
    return [socket.create_connection(address, timeout=LIMIT) for _ in range(LOAD_CONNECTIONS)]


def burden(descriptors):
    """A process that has nothing to do with ports: files and pairs of Unix sockets."""
    kept = []
    for _ in range(descriptors // 4):
        kept += [os.open("/dev/null", os.O_RDONLY), os.open("/proc/self/stat", os.O_RDONLY)]
        kept += socket.socketpair()
    return kept


@contextlib.contextmanager
def load(servers, processes, descriptors):
    """Servers with their clients, and processes with some descriptors each."""
    children = []
    ready, tell = os.pipe()
    try:
        for number in range(servers):
            listens, listening = os.pipe()
            children.append(keeping(lambda: serve(number, listening), tell))
            children.append(keeping(lambda: connect(number, listens), tell))
            os.close(listens)
            os.close(listening)
        children += [keeping(lambda: burden(descriptors), tell) for _ in range(processes)]
        os.close(tell)
        waited = 0
        while waited < len(children):
            read = os.read(ready, 4096)
            if not read:
                raise Failed("a process of the load ended early")
            waited += len(read)
        yield
    finally:
        os.close(ready)
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def all_descriptors():
    """How many descriptors all processes have open."""
    count = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            count += len(os.listdir(f"/proc/{pid}/fd"))
    return count


def inventory():
    """The list of what is bound, with its owners."""
    tools = {
        "portsight ls": [PORTSIGHT, "ls", "-o", "plain", "-q"],
        "ss -tulpn": ["ss", "-Htulpn"],
        "lsof -i": ["lsof", "-nP", "-i"],
    }
    if shutil.which("netstat"):
        tools["netstat -tulpn"] = ["netstat", "-tulpn"]
    for library in ("netstat2", "listeners"):
        program = os.path.join(os.environ.get("PEERS", ""), "release", f"with-{library}")
        if os.path.exists(program):
            tools[f"with {library}"] = [program]
    wrong = False
    with load(0, IDLE_PROCESSES, IDLE_DESCRIPTORS):
        held = [listen("0.0.0.0", port) for port in range(2000, 2020)]
        held += [listen("::1", port, socket.AF_INET6) for port in range(3000, 3005)]
        for port in range(4000, 4010):
            held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            held[-1].bind(("127.0.0.1", port))
        print(
            f"\ninventory: {len(held)} sockets, {IDLE_PROCESSES} processes with"
            f" {all_descriptors()} descriptors in all, {RUNS} runs of each in turn"
        )
        wrong |= compare_with_ss()
        measure(tools, lambda *_: None)
    for kept in held:  # the processes of the load would all inherit them
        kept.close()

    with load(LOAD_SERVERS, LOAD_PROCESSES, LOAD_DESCRIPTORS):
        print(
            f"\ninventory: {LOAD_SERVERS * LOAD_LISTENERS} sockets,"
            f" {LOAD_SERVERS * LOAD_CONNECTIONS} connections,"
            f" {2 * LOAD_SERVERS + LOAD_PROCESSES} processes with {all_descriptors()} descriptors in all,"
            f" {RUNS} runs of each in turn"
        )
        wrong |= compare_with_ss()
        measure(tools, lambda *_: None)
    return wrong


def inhabit(port):
    """Makes a network namespace, and listens in it."""
    CLONE_NEWNET = 0x40000000
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    return [listen("0.0.0.0", port)]


@contextlib.contextmanager
def inhabited(ports):
    """Processes that have a network namespace each, with a listener in it."""
    children = []
    ready, tell = os.pipe()
    try:
        for port in ports:
            children.append(keeping(lambda: inhabit(port), tell))
        os.close(tell)
        waited = 0
        while waited < len(children):
            read = os.read(ready, 4096)
            if not read:
                raise Failed("a process with a namespace ended early")
            waited += len(read)
        yield children
    finally:
        os.close(ready)
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def read_tables(pids):
    """How long it takes to read what /proc shows of the sockets in the namespaces of these processes."""
    start = time.perf_counter()
    for pid in pids:
        for table in ("tcp", "tcp6", "udp", "udp6"):
            descriptor = os.open(f"/proc/{pid}/net/{table}", os.O_RDONLY)
            while os.read(descriptor, 1 << 16):
                pass
            os.close(descriptor)
    return time.perf_counter() - start


def namespaces():
    """The sockets of many network namespaces, beside reading them from /proc."""
    wrong = []
    ports = range(5000, 5000 + NAMESPACES)
    ours = [PORTSIGHT, "ls", "-q", "-o", "json"]
    everywhere = [*ours, "--netns", "all"]

    def check(name, output):
        if name == "all namespaces":
            found = {(item["netns"], item["port"]) for item in json.loads(output)["items"]}
            if found != truth:
                wrong.append(f"{name}: {len(found - truth)} false, {len(truth - found)} missed")

    with inhabited(ports) as children:
        truth = {(os.readlink(f"/proc/{pid}/ns/net"), port) for pid, port in zip(children, ports)}
        print(f"\nnamespaces: {NAMESPACES} with a listener each, {RUNS} runs of each in turn")
        measure({"all namespaces": everywhere, "ours alone": ours}, check)
        turns = [(run(everywhere)[0], run(ours)[0], read_tables(children)) for _ in range(RUNS)]
    print(f"and reading {4 * NAMESPACES} files of /proc/PID/net within one program:")
    for of in (min, statistics.median):
        listing, alone, reading = map(of, zip(*turns))
        print(
            f"{of.__name__}: {1000 * reading:.1f} ms, {reading / listing:.1f} times all namespaces,"
            f" {reading / max(listing - alone, 1e-4):.1f} times what they take beside ours alone"
        )
    print("\n".join(f"WRONG {line}" for line in wrong) or "each listener was listed in its namespace")
    return bool(wrong)


def main():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 65536), limit))
    make_world()
    wanted = sys.argv[2:] or ["probe", "network", "inventory", "namespaces"]
    benchmarks = {
        "probe": probe,
        "network": network,
        "inventory": inventory,
        "namespaces": namespaces,
    }
    wrong = [benchmarks[name]() for name in wanted]
    return 1 if any(wrong) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, subprocess.SubprocessError, OSError) as error:
        sys.exit(f"bench: {error}")
