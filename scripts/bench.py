"""The measuring half of scripts/bench. It is run inside a network and a process namespace made for it."""

import contextlib
import ctypes
import json
import os
import random
import re
import resource
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

RUNS = int(os.environ.get("RUNS", "5"))
LIMIT = 120  # seconds for one command
LISTENERS = 60
IDLE_PROCESSES = 80
IDLE_DESCRIPTORS = 4  # of each of these, beside those that every process has
LOAD_SERVERS = 20  # each with a client
LOAD_LISTENERS = 10  # of each server
LOAD_CONNECTIONS = int(os.environ.get("LOAD_CONNECTIONS", "20000")) // LOAD_SERVERS
LOAD_PROCESSES = int(os.environ.get("LOAD_PROCESSES", "300"))
LOAD_DESCRIPTORS = int(os.environ.get("LOAD_DESCRIPTORS", "100"))  # of each of these
NAMESPACES = 50

PORTSIGHT = sys.argv[1]


class Failed(Exception):
    """A command failed, or two tools that must agree do not."""


def run(command):
    """Runs a command; returns its wall time, its CPU time in seconds, and its output."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL
        )
        watchdog = threading.Timer(LIMIT, child.kill)
        watchdog.start()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        watchdog.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    # lsof says 1 when one of the files it was asked for is not there.
    if child.returncode not in (0, 1):
        raise Failed(f"{' '.join(command)}: exit status {child.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, text


def peak_memory(command):
    """The peak resident set in MiB, by GNU time: a child of this process would count our own memory."""
    if not os.path.exists("/usr/bin/time"):
        return None
    with tempfile.NamedTemporaryFile("r") as report:
        subprocess.run(
            ["/usr/bin/time", "-q", "-f", "%M", "-o", report.name, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LIMIT,
            check=False,
        )
        return int(report.read().split()[-1]) / 1024


def measure(tools, check):
    """Runs the tools in turn, RUNS times, and prints a row for each; `check` judges every output."""
    wall = {name: [] for name in tools}
    cpu = {name: [] for name in tools}
    for command in tools.values():  # once unmeasured, so that all start with warm caches
        run(command)
    for _ in range(RUNS):
        for name, command in tools.items():
            seconds, spent, output = run(command)
            wall[name].append(seconds)
            cpu[name].append(spent)
            check(name, output)

    print(f"{'':24}{'wall ms':>18}{'CPU ms':>18}{'peak MiB':>10}")
    print(f"{'':24}{'min':>9}{'median':>9}{'min':>9}{'median':>9}")
    for name, command in tools.items():
        memory = peak_memory(command)
        print(
            f"{name:24}"
            + "".join(
                f"{1000 * of(values[name]):9.1f}"
                for values in (wall, cpu)
                for of in (min, statistics.median)
            )
            + (f"{memory:10.1f}" if memory is not None else f"{'-':>10}")
        )
    first, *others = tools
    for other in others:
        wall_min = min(wall[other]) / min(wall[first])
        wall_median = statistics.median(wall[other]) / statistics.median(wall[first])
        cpu_min = min(cpu[other]) / max(min(cpu[first]), 1e-4)
        print(
            f"ratio {other} / {first}: wall min {wall_min:.2f}, wall median {wall_median:.2f},"
            f" CPU min {cpu_min:.2f}"
        )


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


@contextlib.contextmanager
def accepting(sockets):
    """A process that holds these sockets and takes every connection, until the block ends."""
    child = os.fork()
    if child == 0:
        waiting = selectors.DefaultSelector()
        for listener in sockets:
            listener.setblocking(False)
            waiting.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                with contextlib.suppress(OSError):
                    key.fileobj.accept()[0].close()
    for listener in sockets:
        listener.close()
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def listen(address, port, family=socket.AF_INET, backlog=128):
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(backlog)
    return listener


def open_in_portsight(output):
    return {
        item["port"]
        for item in json.loads(output)["items"]
        if item["proto"] == "tcp" and any(view["state"] == "open" for view in item["views"])
    }


def open_in_nmap(output):
    return {int(port) for port in re.findall(r"(\d+)/open/tcp", output)}


def differences(truth, found):
    return f"{len(found - truth)} false {sorted(found - truth)}, {len(truth - found)} missed"


def probe():
    """A full TCP scan of one loopback address."""
    ports = sorted(random.Random(60).sample(range(1, 65536), LISTENERS))
    truth = set(ports)
    scan = [PORTSIGHT, "check", "--from", "loopback", "-4", "--proto", "tcp", "-q"]
    wrong = []
    print(f"\nprobe: all TCP ports of 127.0.0.1, {LISTENERS} listeners, {RUNS} runs of each in turn")

    def check(name, output):
        if name == "portsight check":
            _, _, output = run([*scan, "-o", "json"])  # beside the timed run, not in it
            found = open_in_portsight(output)
        else:
            found = open_in_nmap(output)
        if found != truth:
            wrong.append(f"{name}: {differences(truth, found)}")

    with accepting([listen("0.0.0.0", port) for port in ports]):
        measure(
            {
                "portsight check": [*scan, "-o", "plain"],
                "nmap -sT": ["nmap", "-sT", "-p-", "-n", "-Pn", "-oG", "-", "127.0.0.1"],
            },
            check,
        )
    print("\n".join(f"WRONG {line}" for line in wrong) or "no tool had a wrong port")
    return any(line.startswith("portsight") for line in wrong)


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


def keeping(make, told):
    """Starts a process that keeps what `make` gives, says so, and waits; it dies with this one."""
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            if os.getppid() != parent:
                os._exit(1)
            kept = make()
            os.write(told, b"." if kept else b"")
            while True:
                signal.pause()
        finally:
            os._exit(1)
    return child


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
    wanted = sys.argv[2:] or ["probe", "inventory", "namespaces"]
    benchmarks = {"probe": probe, "inventory": inventory, "namespaces": namespaces}
    wrong = [benchmarks[name]() for name in wanted]
    return 1 if any(wrong) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, subprocess.SubprocessError, OSError) as error:
        sys.exit(f"bench: {error}")
