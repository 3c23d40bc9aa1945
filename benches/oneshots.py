"""How long a command of loom takes from its start to its end, beside a program that does nothing."""

import os
import shutil
import statistics
import subprocess
import time

from fixtures import Failed

RUNS = 200


def oneshots(fixture, work):
    """Medians in ms: an empty C program, `loom version`, and `loom status` of a running daemon."""
    commands = {"empty": [empty_program(work)], "version": [fixture.loom, "version"], "status": [fixture.loom, "status"]}
    times = {name: [] for name in commands}
    for _ in range(RUNS):
        # In turn, so that a drift of the machine meets them alike.
        for name, command in commands.items():
            times[name].append(once(command, fixture.env))
    return {name: statistics.median(found) for name, found in times.items()}


def empty_program(work):
    compiler = shutil.which("cc")
    if not compiler:
        raise Failed("there is no C compiler (cc) for the empty program")
    source, program = os.path.join(work, "empty.c"), os.path.join(work, "empty")
    with open(source, "w", encoding="utf-8") as file:
        file.write("int main(void) { return 0; }\n")
    subprocess.run([compiler, "-O2", "-o", program, source], check=True, timeout=60)
    return program


def once(command, env):
    actions = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1)]
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, env, file_actions=actions)
    _, status = os.waitpid(pid, 0)
    took = (time.perf_counter() - began) * 1000
    if status != 0:
        raise Failed(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return took
