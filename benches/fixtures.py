"""What `bench.py` measures: three ways from a client to fastecho, each started, loaded and stopped in the same manner."""

import json
import os
import shutil
import signal
import subprocess
import time

PATIENCE_S = 60


class Failed(Exception):
    """A measurement that could not be made."""


class Direct:
    """Client and server with nothing between."""

    label = "direct"

    def __init__(self, *, bins, home, tools, core, loom="", servers=1):
        self.bins, self.home, self.tools, self.core, self.servers, self.loom = bins, home, tools, core, servers, loom
        self.env = {"HOME": home, "PATH": os.environ["PATH"], "LOOM_METRICS_ADDR": "127.0.0.1:0"}
        try:
            self.prepare()
        except BaseException:
            self.stop()
            raise

    def prepare(self):
        pass

    def command(self):
        return self.echo(0)

    def pids(self):
        return []

    def stop(self):
        pass

    def echo(self, number):
        return [os.path.join(self.bins, "fastecho"), "--name", f"echo{number}", "--tools", str(self.tools)]

    def ranked(self):
        """What every process of a measurement is started by: one core when pinned, first in line when root."""
        rank = ["nice", "-n", "-20"] if os.geteuid() == 0 and shutil.which("nice") else []
        return rank + (["taskset", "-c", str(self.core)] if self.core is not None else [])

    def measure(self, suites, options, tools):
        pids = [word for pid in self.pids() for word in ("--pid", str(pid))]
        words = ["--suite", suites, "--expect-tools", str(tools), *options, *pids, "--", *self.command()]
        return load(self.ranked() + [os.path.join(self.bins, "mcpload"), *words], self.env)


class Pump(Direct):
    """Shim, unix socket, daemon, server, all only copying bytes: loom's own shape without its work."""

    label = "pump"
    daemon = None

    def prepare(self):
        self.socket = os.path.join(self.home, "pump.sock")
        daemon = [os.path.join(self.bins, "bytepump"), "daemon", self.socket, "--", *self.echo(0)]
        self.daemon = subprocess.Popen(self.ranked() + daemon, env=self.env, stdin=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(self.socket), "the pump did not start")

    def command(self):
        return [os.path.join(self.bins, "bytepump"), "connect", self.socket]

    def pids(self):
        return [self.daemon.pid]

    def stop(self):
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait(PATIENCE_S)


class Loom(Direct):
    """`loom proxy` and `loomd` over a registry of fastecho servers, in a home of their own."""

    label = "loom"

    def prepare(self):
        config = os.path.join(self.home, ".config", "loom")
        os.makedirs(config, mode=0o700)
        entries = [{"name": f"echo{i}", "common": {"command": self.echo(i)[0], "args": self.echo(i)[1:]}} for i in range(self.servers)]
        with open(os.path.join(config, "registry.yaml"), "w", encoding="utf-8") as file:
            json.dump({"version": 1, "servers": entries}, file, indent=1)  # JSON is YAML
        self.run("start")

    def command(self):
        return [self.loom, "proxy"]

    def run(self, *words, also=()):
        """stdout of a loom command that ends with 0, or with one of the codes in `also`."""
        done = subprocess.run(self.ranked() + [self.loom, *words], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S)
        if done.returncode not in (0, *also):
            raise Failed(f"loom {' '.join(words)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def daemon_pid(self):
        """None when no daemon runs; the exit code 3 says that."""
        status = self.run("status", "--json", also=(3,))
        return json.loads(status).get("pid") if status.strip() else None

    def pids(self):
        pid = self.daemon_pid()
        return [pid] if pid else []

    def start_every_server(self):
        with Client(self) as client:
            client.wait_for_tools(self.servers)
            for i in range(self.servers):
                client.ask("tools/call", {"name": f"echo{i}__echo", "arguments": {"message": "up"}})

    def end_daemon(self):
        """As an upgrade or the system would end it: proxies may start it again, unlike after `loom stop`."""
        pid = self.daemon_pid()
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not alive(pid), f"the daemon {pid} did not end on SIGTERM")

    def memory(self, extra_proxies):
        """MiB of Pss: the daemon alone, its guardian, and what ten proxies beyond the first add."""
        pid = self.daemon_pid()
        guards = [child for child in children(pid) if "__guard" in arguments(child)]
        time.sleep(2)
        found = {"daemon_pss": pss(pid), "guardian_pss": sum(map(pss, guards))}
        clients = []
        try:
            clients.append(Client(self))
            time.sleep(1)
            before = pss(pid) + pss(clients[0].pid)
            clients += [Client(self) for _ in range(extra_proxies)]
            time.sleep(2)
            proxies = [pss(client.pid) for client in clients]
            found["proxy_marginal"] = (pss(pid) + sum(proxies) - before) / extra_proxies
            found["proxy_pss"] = sum(proxies) / len(proxies)
        finally:
            for client in clients:
                client.close()
        return found

    def stop(self):
        pid = self.daemon_pid()
        if not pid:
            return
        family = [pid] + children(pid)
        self.run("stop")
        wait_until(lambda: not any(map(alive, family)), f"loom stop left processes of {family} behind")


class Client:
    """One proxy with the handshake done and the tools listed, as an idle AI client has it."""

    def __init__(self, fixture):
        # Started without nice and taskset in front, so that the pid is the proxy's own.
        self.process = subprocess.Popen(fixture.command(), env=fixture.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid, self.last = self.process.pid, 0
        who = {"name": "bench", "version": "0"}
        self.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": who})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        self.ask("tools/list", {})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, message):
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, method, params):
        self.last += 1
        self.send({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params})
        for line in self.process.stdout:
            answer = json.loads(line)
            if answer.get("id") == self.last and "method" not in answer:
                if "error" in answer:
                    raise Failed(f"{method}: {answer['error']}")
                return answer["result"]
        raise Failed(f"the proxy ended before it answered {method}")

    def wait_for_tools(self, count):
        wait_until(lambda: len(self.ask("tools/list", {})["tools"]) >= count, f"fewer than {count} tools are listed")

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(PATIENCE_S)


def load(command, env):
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip()[-600:]}")
    return json.loads(done.stdout)


def wait_until(reached, failure):
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        if time.monotonic() > deadline:
            raise Failed(failure)
        time.sleep(0.01)


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def stat(pid):
    """State and parent of a process; nothing when there is none."""
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()[:2]


def alive(pid):
    # A zombie is gone too: in a container nobody may ever collect it.
    return stat(pid)[:1] not in ([], ["Z"])


def children(pid):
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and stat(name)[1:] == [str(pid)]]


def arguments(pid):
    return read(f"/proc/{pid}/cmdline").split("\0")


def pss(pid):
    for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise Failed(f"process {pid} has no Pss")
