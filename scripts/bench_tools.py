"""What all benchmarks measure with."""

import ctypes
import os
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
    # lsof says 1 when one of the files it was asked for is not there, portsight 3 when it could not see enough.
    if child.returncode not in (0, 1, 3):
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


def take_turns(tools, check, runs=lambda name: RUNS):
    """Runs the tools in turn, as often as `runs` says of each, and once before unmeasured, so that all start with warm
    caches. `check` judges every output. Gives the wall times and the CPU times of each."""
    wall = {name: [] for name in tools}
    cpu = {name: [] for name in tools}
    for command in tools.values():
        run(command)
    for turn in range(max(map(runs, tools))):
        for name, command in tools.items():
            if turn < runs(name):
                seconds, spent, output = run(command)
                wall[name].append(seconds)
                cpu[name].append(spent)
                check(name, output)
    return wall, cpu


def measure(tools, check):
    """Runs the tools in turn, RUNS times, and prints a row for each; `check` judges every output."""
    wall, cpu = take_turns(tools, check)
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


def listen(address, port, family=socket.AF_INET, backlog=128):
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((address, port))
    listener.listen(backlog)
    return listener


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
