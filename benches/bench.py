#!/usr/bin/env python3
"""Measures loom beside a direct connection and a bare byte pump, and prints Markdown.

Environment: LOOM (the binary; without it only direct and pump are measured), BENCH_BIN (folder of mcpload,
fastecho and bytepump), REPS (5) repetitions whose medians are shown, FAST=1 for a tenth of the calls.
A missed target is printed and never fails the run; a broken measurement does.
"""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

from fixtures import Direct, Failed, Loom, Pump
from oneshots import oneshots

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FAST = bool(os.environ.get("FAST"))
REPS = int(os.environ.get("REPS") or (2 if FAST else 5))
CALLS = ["--seq", "300", "--warmup", "50", "--conc", "1000", "--big", "10"] if FAST else []
LISTS = ["--list", "5"] if FAST else []
SIZES = (1000, 10000)
COLUMNS = [
    ("p50 µs", "p50", "{:.0f}"),
    ("p99 µs", "p99", "{:.0f}"),
    ("CPU µs/call", "cpu", "{:.1f}"),
    ("64 in flight, calls/s", "rate", "{:,.0f}"),
    ("1 MiB ms", "big", "{:.2f}"),
    ("list 1,000 ms", "list1000", "{:.2f}"),
    ("list 10,000 ms", "list10000", "{:.1f}"),
]


def main():
    if sys.platform != "linux":
        sys.exit("bench: CPU time and memory are read from /proc; this needs Linux")
    bins = os.environ.get("BENCH_BIN") or os.path.join(ROOT, "target", "release")
    loom = os.environ.get("LOOM") or ""
    for path in [os.path.join(bins, name) for name in ("mcpload", "fastecho", "bytepump")] + ([loom] if loom else []):
        if not os.access(path, os.X_OK):
            sys.exit(f"bench: {path} is missing; run `make bench`")
    if not loom:
        print("bench: LOOM is not set; measuring direct and pump only", file=sys.stderr)
    rows = {}
    modes = [("pinned", 0)] if shutil.which("taskset") else []
    for mode, core in modes + [("not pinned", None)]:
        for kind, values in calls_and_lists(bins, loom, core).items():
            rows[mode, kind] = {key: statistics.median(found) for key, found in values.items()}
    print_rows(rows)
    cold = starts_and_memory(bins, loom) if loom else {}
    print_cold(cold)
    print_targets(rows, cold)


def kinds(loom):
    return [Direct, Pump] + ([Loom] if loom else [])


def calls_and_lists(bins, loom, core):
    """Every repetition goes once through all rows, so that a drift of the machine meets them alike."""
    values = {kind.label: {} for kind in kinds(loom)}
    with tempfile.TemporaryDirectory(prefix="lb") as work:
        ready = []
        try:
            for tools in (1,) + SIZES:
                for kind in kinds(loom):
                    home = os.path.join(work, f"{kind.label}{tools}")
                    os.mkdir(home)
                    ready.append((tools, kind(bins=bins, loom=loom, home=home, tools=tools, core=core)))
            for rep in range(REPS):
                for tools, fixture in ready:
                    print(f"bench: {fixture.label}, {tools} tools, pass {rep + 1} of {REPS}", file=sys.stderr)
                    for key, value in one_pass(fixture, tools).items():
                        values[fixture.label].setdefault(key, []).append(value)
        finally:
            stop_all([fixture for _, fixture in ready])
    return values


def one_pass(fixture, tools):
    if tools > 1:
        r = fixture.measure("list", LISTS, tools)
        return {f"list{tools}": r["list"]["p50_ms"]}
    r = fixture.measure("seq,conc,big", CALLS, 1)
    return {
        "p50": r["seq"]["p50_us"],
        "p99": r["seq"]["p99_us"],
        "cpu": r["seq"]["cpu_us_per_call"],
        "rate": r["conc"]["calls_per_s"],
        "big": r["big"]["p50_ms"],
    }


def starts_and_memory(bins, loom):
    found = {}
    with tempfile.TemporaryDirectory(prefix="lb") as home:
        daemon = Loom(bins=bins, loom=loom, home=home, tools=1, core=None, servers=10)
        try:
            daemon.start_every_server()
            up = daemon.measure("cold", ["--cold", str(2 * REPS)], 10)["cold"]
            found["up_initialize"], found["up_list"] = up["initialize"]["p50_ms"], up["full_list"]["p50_ms"]
            found.update(daemon.memory(extra_proxies=10))
            shots = oneshots(daemon, home)
            found["status"], found["empty"] = shots["status"], shots["empty"]
            found["verb_over_empty"] = shots["version"] - shots["empty"]
            down = []
            for _ in range(REPS):
                daemon.end_daemon()
                down.append(daemon.measure("cold", ["--cold", "1"], 10)["cold"])
            found["down_initialize"] = statistics.median(run["initialize"]["p50_ms"] for run in down)
            found["down_list"] = statistics.median(run["full_list"]["p50_ms"] for run in down)
        finally:
            stop_all([daemon])
    return found


def stop_all(fixtures):
    failures = []
    for fixture in fixtures:
        try:
            fixture.stop()
        except (Failed, OSError, subprocess.SubprocessError) as error:
            failures.append(str(error))
    if failures:
        raise Failed("; ".join(failures))


def print_rows(rows):
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; medians of {REPS} passes\n")
    print("| cores | row | " + " | ".join(title for title, _, _ in COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 2) + "|")
    for (mode, kind), values in rows.items():
        cells = [shape.format(values[key]) for _, key, shape in COLUMNS]
        print(f"| {mode} | {kind} | " + " | ".join(cells) + " |")
    for mode in {mode: None for mode, _ in rows}:
        if (mode, "loom") in rows:
            pump, loom = rows[mode, "pump"], rows[mode, "loom"]
            cells = [f"{loom[key] / pump[key]:.2f}" for _, key, _ in COLUMNS]
            print(f"| {mode} | loom ÷ pump | " + " | ".join(cells) + " |")
    print()


def print_cold(cold):
    if not cold:
        return
    shown = [
        ("daemon up: spawn → `initialize` answered", "up_initialize", "ms"),
        ("daemon up: spawn → full `tools/list`, 10 upstreams", "up_list", "ms"),
        ("daemon down, cached catalog: spawn → `initialize` answered", "down_initialize", "ms"),
        ("daemon down, cached catalog: spawn → full `tools/list`, 10 upstreams", "down_list", "ms"),
        ("idle daemon, 10 started upstreams: Pss of the daemon", "daemon_pss", "MiB"),
        ("Pss of its guardian", "guardian_pss", "MiB"),
        ("a further proxy, average over ten: Pss added in proxies and daemon together", "proxy_marginal", "MiB"),
        ("Pss of one of these proxies itself", "proxy_pss", "MiB"),
        ("`loom status`, daemon up: start to end", "status", "ms"),
        ("an empty C program: start to end", "empty", "ms"),
        ("`loom version`: start to end, over the empty program", "verb_over_empty", "ms"),
    ]
    print("| loom | |\n|---|---|")
    for title, key, unit in shown:
        print(f"| {title} | {cold[key]:.2f} {unit} |")
    print()


def print_targets(rows, cold):
    """The targets of the product; each is judged against the pump of the same run."""
    if not cold:
        return
    print("| target | limit | measured | |\n|---|---|---|---|")
    for mode in {mode: None for mode, _ in rows}:
        loom, pump = rows[mode, "loom"], rows[mode, "pump"]
        judged = [("1 in flight p50, × pump", "p50", 1.25), ("CPU per call, × pump", "cpu", 1.25)] if mode == "pinned" else []
        for title, key, limit in judged + [("1 MiB, × pump", "big", 1.5), ("list of 1,000 tools, × pump", "list1000", 2.0)]:
            print_verdict(f"{mode}: {title}", limit, loom[key] / pump[key], loom[key] / pump[key] <= limit, "≤ {:.2f}")
        rate = loom["rate"] / pump["rate"]
        print_verdict(f"{mode}: calls/s at 64 in flight, × pump", 0.8, rate, rate >= 0.8, "≥ {:.2f}")
    for title, key, limit in [
        ("daemon up: initialize, ms", "up_initialize", 15),
        ("daemon down: full list of 10 upstreams, ms", "down_list", 60),
        ("idle daemon with 10 upstreams, Pss MiB", "daemon_pss", 8),
        ("a further proxy, Pss MiB", "proxy_marginal", 2),
        ("`loom status`, ms", "status", 15),
        ("a one-shot verb over an empty C program, ms", "verb_over_empty", 5),
    ]:
        print_verdict(title, limit, cold[key], cold[key] <= limit, "≤ {:.0f}")


def print_verdict(title, limit, measured, met, shape):
    print(f"| {title} | {shape.format(limit)} | {measured:.2f} | {'ok' if met else 'MISS'} |")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except (Failed, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"bench: {error}")
