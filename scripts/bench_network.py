"""Every TCP port as a neighbour sees it, with the rule for each, behind rulesets of several sizes."""

import json
import os
import signal
import statistics
import subprocess

from bench_tools import LIMIT, PORTSIGHT, RUNS, Failed, keeping, listen, peak_memory, run

PORTS = 65_535
LISTENERS = range(2_000, 2_060)
RULES = 10_000  # each for a port of its own, before the listeners' and behind them
FIRST = 30_000


def chain(body, more=""):
    return f"""table inet bench {{
        {more}
        chain input {{
            type filter hook input priority 0
            {body}
        }}
    }}
"""


def rulesets():
    """The rules, and how many ports they stop."""
    ports = range(FIRST, FIRST + RULES)
    single = "\n".join(f"tcp dport {port} drop" for port in ports)
    jumps = ", ".join(f"{port} : goto stop" for port in ports)
    return {
        "no rules": ("", 0),
        "policy drop": (chain("tcp dport 2000-2059 accept\n drop"), PORTS - len(LISTENERS)),
        "10,000 rules": (chain(single), RULES),
        "verdict map": (
            chain(f"tcp dport vmap {{ {jumps} }}", "chain stop { counter drop\n }"),
            RULES,
        ),
    }


def stopped(output):
    document = json.loads(output)
    (vantage,) = document["vantages"]
    if document["incomplete"]:
        raise Failed(f"incomplete: {document['incomplete']}")
    views = [view for item in document["items"] for view in item["views"]]
    shielded = vantage["transports"]["tcp"]["shielded"]
    unnamed = shielded - sum(view["verdict"] == "shielded" for view in views)
    return unnamed + sum(view["verdict"] in ("filtered", "shielded") for view in views)


def network():
    """Returns whether a port was wrong."""
    ready, tell = os.pipe()
    listeners = keeping(lambda: [listen("", port) for port in LISTENERS], tell)
    os.read(ready, 1)
    try:
        return measured()
    finally:
        os.kill(listeners, signal.SIGKILL)
        os.waitpid(listeners, 0)


def measured():
    print(f"\nnetwork: every TCP port from lan, {RUNS} runs each")
    command = [PORTSIGHT, *"check --from lan --proto tcp -4 -o json".split()]
    print(f"{'':16}{'wall ms':>18}{'CPU ms':>9}{'us/port':>9}{'peak MiB':>10}{'wrong':>7}")
    print(f"{'':16}{'min':>9}{'median':>9}{'min':>9}")
    any_wrong = False
    for name, (rules, expected) in rulesets().items():
        if rules:
            subprocess.run(["nft", "-f", "-"], input=rules.encode(), check=True, timeout=LIMIT)
        walls, spent = [], []
        wrong = 0
        for _ in range(RUNS):
            wall, cpu, output = run(command)
            walls.append(1000 * wall)
            spent.append(1000 * cpu)
            wrong += abs(stopped(output) - expected)
        memory = peak_memory(command)
        memory = "-" if memory is None else f"{memory:.1f}"
        print(
            f"{name:16}{min(walls):9.0f}{statistics.median(walls):9.0f}{min(spent):9.0f}"
            f"{1000 * min(spent) / PORTS:9.2f}{memory:>10}{wrong:7}"
        )
        if rules:
            subprocess.run(["nft", "delete", "table", "inet", "bench"], check=True, timeout=LIMIT)
        any_wrong |= wrong > 0
    return any_wrong
