# SPDX-License-Identifier: MIT
"""How the benchmarks measure: a load generator's line of JSON, the CPU of a process and its
children from /proc, turns of ours and the rival's that alternate, medians."""

import json
import os
import pathlib
import platform
import re
import socket
import statistics
import subprocess
import sys
import time

TICK = os.sysconf("SC_CLK_TCK")


def say(text):
    print(text, file=sys.stderr, flush=True)


class Tools:
    """The load generators of a build folder."""

    def __init__(self, build):
        self.build = pathlib.Path(build)

    def argv(self, name, *words):
        return [str(self.build / "tests/bench" / name), *map(str, words)]

    def run(self, name, *words, secret="", timeout=120):
        done = subprocess.run(self.argv(name, *words), input=secret + "\n", text=True,
                              capture_output=True, timeout=timeout)
        if done.returncode != 0:
            raise RuntimeError(f"{name} {' '.join(map(str, words))}: {done.stderr.strip()[-500:]}")
        return json.loads(done.stdout.splitlines()[-1])


def _stat(pid):
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text.rpartition(")")[2].split()


def tree(pid):
    """The process and all below it, now."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents.setdefault(int(_stat(entry.name)[1]), []).append(int(entry.name))
            except (OSError, IndexError):
                pass  # it has ended meanwhile
    found, new = [pid], [pid]
    while new:
        new = [c for p in new for c in parents.get(p, [])]
        found += new
    return found


def cpu(*pids):
    """(user, system) seconds that these processes and all below them have used, those that ended
    and were waited for among them."""
    user = system = 0
    for root in pids:
        for pid in tree(root):
            try:
                f = _stat(pid)
            except OSError:
                continue
            user += int(f[11]) + int(f[13])
            system += int(f[12]) + int(f[14])
    return user / TICK, system / TICK


class Cpu:
    """CPU between two moments, by name: Cpu(a=pid, b=pid) … .us(n): {name: {user, system}} µs each of n."""

    def __init__(self, **pids):
        self.pids = pids
        self.before = {name: cpu(pid) for name, pid in pids.items()}

    def us(self, n):
        out = {}
        for name, pid in self.pids.items():
            was, now = self.before[name], cpu(pid)
            out[name] = {"user": round((now[0] - was[0]) * 1e6 / n, 1),
                         "system": round((now[1] - was[1]) * 1e6 / n, 1)}
        out["total"] = round(sum(v["user"] + v["system"] for v in out.values()), 1)
        return out


def memory_kb(pid, field="Pss"):
    """Pss or Rss of one process."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise RuntimeError(f"no {field} of {pid}")


def control(daemon, command, **args):
    """A question on immpd's control socket, without a process of its own. The rows."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(str(daemon.folder / "data/immpd.sock"))
        s.sendall(json.dumps({"command": command, "args": args}).encode() + b"\n")
        rows, data = [], b""
        while True:
            got = s.recv(65536)
            if not got:
                raise RuntimeError(f"{command}: immpd hung up")
            data += got
            *lines, data = data.split(b"\n")
            for line in map(json.loads, lines):
                if "row" in line:
                    rows.append(line["row"])
                elif "done" in line:
                    return rows
                else:
                    raise RuntimeError(f"{command}: {line}")


def status(daemon):
    return control(daemon, "status")[0]


def median(values):
    return statistics.median(values)


def wait_until(what, condition, seconds=60, every=0.02):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(every)


def alternate(turns, *runs):
    """Each in turn, so often: what the machine does meanwhile hits all alike. A list for each."""
    out = [[] for _ in runs]
    for _ in range(turns):
        for i, run in enumerate(runs):
            out[i].append(run())
    return out


def compared(ours, rival, what, less=False):
    """Medians of a figure in both lists, and how many times better ours is."""
    a, b = (median([r[what] for r in x]) for x in (ours, rival))
    row = {"figure": what, "ours": a, "rival": b, "ratio": round((b / a if less else a / b), 3),
           "ours_runs": ours, "rival_runs": rival}
    for name, runs in (("ours", ours), ("rival", rival)):
        if "cpu_us" in runs[0]:
            row[f"{name}_cpu_us"] = median([r["cpu_us"]["total"] for r in runs])
    return row


# ---- the machine

def _output(*argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def _version_of(package):
    text = _output("dpkg-query", "-W", "-f", "${Version}", package)
    return text.split("-")[0].split(":")[-1].split("+")[0] if text else "?"


def machine(folder, build, argv):
    """What a figure cannot be read without."""
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    source = str(pathlib.Path(__file__).parent)
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": _output("git", "-c", "safe.directory=*", "-C", source, "describe", "--always",
                          "--dirty") or "?",
        "cpu": model[1] if model else platform.machine(), "cores": os.cpu_count(),
        "memory_gb": round(int(memory[1]) / 1e6), "kernel": platform.release(),
        "filesystem": _output("stat", "-f", "-c", "%T", str(folder)),
        "load": f"{os.getloadavg()[0]:.1f}", "arguments": argv,
        "versions": {
            "immpd": _output(str(build / "immpd"), "-V").split()[1].rstrip(":"),
            "openssl": _version_of("libssl3"), "sqlite": _version_of("libsqlite3-0"),
            "prosody": _version_of("prosody"), "ejabberd": _version_of("ejabberd"),
            "dovecot": _version_of("dovecot-core"), "postfix": _version_of("postfix")},
    }
