# SPDX-License-Identifier: MIT
"""What was found, for people: a table of goals, the generated part of docs/performance.md, plots."""

import json
import pathlib
import re
import sys

import goals

BEGIN = "<!-- figures: made by make bench; what stands between these lines is replaced -->"
END = "<!-- end of figures -->"


def number(v):
    return f"{v:,.0f}" if abs(v) >= 100 else f"{v:.3g}"


def goal_lines(result):
    for g, v in goals.judge(result):
        yield g, number(v) + g.unit, "yes" if g.holds(v) else "**no**"


def print_goals(result, out=sys.stderr):
    for g, v, holds in goal_lines(result):
        print(f"  {'ok ' if holds == 'yes' else 'LOW'} {v:>10}  (goal {g.wanted()})  {g.text}",
              file=out)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(str(c) for c in r) + " |" for r in rows] + [""]


# ---- one table for each part that was measured

def local(rows):
    yield from table(["connections", "ours, a second", "CPU µs", "of a core", "Dovecot LMTP, a second", "CPU µs",
                      "ratio", "p50 ms, ours and Dovecot's"],
                     [(r["connections"], number(r["ours"]), number(r["ours_cpu_us"]),
                       f"{r['ours'] * r['ours_cpu_us'] / 1e4:.0f} %",
                       number(r["rival"]), number(r["rival_cpu_us"]), f"{r['ratio']:.1f}×",
                       f"{number(r['ours_runs'][-1]['p50_ms'])}, "
                       f"{number(r['rival_runs'][-1]['p50_ms'])}") for r in rows])
    yield f"Dovecot's mailboxes: {rows[0]['format'].split(':')[0]}, the faster of its formats here."
    yield ""


SERVERS = {"prosody": "Prosody, default", "tuned": "Prosody, tuned", "ejabberd": "ejabberd"}


def cpu_words(run):
    """"a 210+40, b 180+30": user and system µs a message of each daemon."""
    return ", ".join(f"{n} {v['user']:.0f}+{v['system']:.0f}" for n, v in run["cpu_us"].items()
                     if n != "total")


def path(rows):
    head = ["servers", "octets", "probe, a second (window)", "handed in meanwhile", "CPU µs",
            "from the queue", "CPU µs", "user+system of each, from the queue", "stanza bytes, window",
            "messages a bundle"]
    lines = []
    for r in rows:
        last = (r["drain"] or r["through"])[-1]
        drain = (f"{number(r['drain_per_s'])} ({r['drain_ratio']:.2f}×)",
                 number(r["drain_cpu_us"])) if r["drain"] else ("–", "–")
        lines.append((SERVERS[r["servers"]], f"{r['octets']:,}",
                      f"{number(r['probe_per_s'])} ({r['window']})",
                      f"{number(r['through_per_s'])} ({r['through_ratio']:.2f}×)",
                      number(r["through_cpu_us"]), *drain, cpu_words(last),
                      f"{last['stanza']:,}, {last['window']}", last["messages_a_bundle"]))
    yield from table(head, lines)


def against(rival, rows):
    r = rows[0]
    yield from table(["ours, a second", "CPU µs", f"{rival}, a second", "CPU µs", "ratio"],
                     [(number(r["ours"]), number(r["ours_cpu_us"]), number(r["rival"]),
                       number(r["rival_cpu_us"]), f"{r['ratio']:.1f}×")])


def seal(rows):
    yield from table(["", "octets", "ours, a second", "CMS_*, a second", "ratio"],
                     [(r["what"], f"{r['octets']:,}", number(r["ours"]), number(r["rival"]),
                       f"{r['ratio']:.2f}×") for r in rows])


def mailbox(rows):
    kinds = [k for k in ("maildir", "sdbox") if f"{k}_ms" in rows[0]]
    names = {"check": "CHECK, STATUS after a delivery", "index": "INDEX, FETCH ENVELOPE of 1,000",
             "fetch": "FETCH of 4 KB", "unread": "INDEX :unread, SEARCH UNSEEN"}
    yield from table(["", "messages", "ours, ms"] + [f"Dovecot {k}, ms" for k in kinds],
                     [(names[r["what"]], f"{r['messages']:,}", number(r["ours_ms"]),
                       *[f"{number(r[k + '_ms'])} ({r[k + '_ratio']:.1f}×)" for k in kinds])
                      for r in rows if r["what"] != "deliver"])
    yield from table(["DELIVER, LMTP of 4 KB into it, 8 connections", "ours, a second"] +
                     [f"Dovecot {k}, a second" for k in kinds],
                     [(f"{r['messages']:,}", number(r["ours_per_s"]),
                       *[number(r[f"{k}_per_s"]) for k in kinds])
                      for r in rows if r["what"] == "deliver"])


def memory(rows):
    yield from table(["", "sessions", "PSS of all, KB", "KB each", "deliveries a second beside them"],
                     [(r["who"], f"{r['sessions']:,}", f"{r['pss_kb']:,}",
                       r["kb_each"] if r["kb_each"] is not None else "–",
                       number(r["deliver_per_s"]) if "deliver_per_s" in r else "–") for r in rows])


def start(rows):
    yield from table(["messages stored", "link up after, ms", "RSS, KB"],
                     [(f"{r['messages']:,}", number(r["ms"]), f"{r['rss_kb']:,.0f}") for r in rows])


def queue(rows):
    yield from table(["messages in the queue", "a second", "CPU µs"],
                     [(f"{r['messages']:,}", number(r["per_s"]), number(r["cpu_us"])) for r in rows])


def peers(rows):
    yield from table(["peer domains", "a second", "CPU µs", "user+system of each", "messages a bundle"],
                     [(f"{r['peers']:,}", number(r["per_s"]), number(r["cpu_us"]),
                       cpu_words(r["runs"][-1]), r["runs"][-1]["messages_a_bundle"]) for r in rows])


PARTS = [
    ("local", "Local delivery, 4 KB, durable", local),
    ("path", "Domain to domain", path),
    ("mail", "Domain to domain beside mail, 4 KB", lambda r: against("Postfix, Postfix, Dovecot", r)),
    ("seal", "Sealing, one thread", seal),
    ("login", "Logins with a full TLS handshake", lambda r: against("Dovecot IMAP, tuned", r)),
    ("mailbox", "Big mailboxes, the median of a request", mailbox),
    ("memory", "Idle logged-in TLS sessions", memory),
    ("start", "Starting", start),
    ("queue", "A long queue, ejabberd, 512 B", queue),
    ("peers", "Many peers, one tuned Prosody, 4 KB", peers),
]


def markdown(result):
    m = result["machine"]
    yield BEGIN
    yield ""
    yield (f"Measured {m['date']} at `{m['commit']}`: {m['cpu']}, {m['cores']} cores, "
           f"{m['memory_gb']} GB, {m['filesystem']}, Linux {m['kernel']}; load average at the start "
           f"{m['load']}. " + ", ".join(f"{k} {v}" for k, v in m["versions"].items()) + ".")
    yield ""
    yield "### Goals"
    yield ""
    yield from table(["figure", "found", "goal", "reached"],
                     [(g.text, v, g.wanted(), holds) for g, v, holds in goal_lines(result)])
    for name, title, fn in PARTS:
        if result.get(name):
            yield f"### {title}"
            yield ""
            yield from fn(result[name])
            for plot in result.get("plots", []):
                if plot.removesuffix(".svg").split("-")[0] == name:
                    yield f"![{title}](performance/{plot})"
                    yield ""
    yield END


def update(path, result):
    text = path.read_text() if path.exists() else f"# Performance\n\n{BEGIN}\n{END}\n"
    pattern = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.S)
    path.write_text(pattern.sub(lambda _: "\n".join(markdown(result)), text))


# ---- plots

def plots(folder, result):
    """SVG for what grows. The names of those that were made."""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "immpd", "font.size": 9, "axes.grid": True,
                                "grid.alpha": 0.3, "figure.figsize": (6, 3.2)})
    import matplotlib.pyplot as plt
    folder.mkdir(exist_ok=True)
    made = []

    def plot(name, x, y, lines, log_y=True):
        """lines: {label: [(x, y)…]}"""
        fig, ax = plt.subplots()
        for label, points in lines.items():
            ax.plot(*zip(*points), marker="o", label=label)
        ax.set_xscale("log")
        if log_y:
            ax.set_yscale("log")
        else:
            ax.set_ylim(bottom=0)
        ax.set_xlabel(x)
        ax.set_ylabel(y)
        ax.legend(fontsize=8)
        fig.savefig(folder / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})
        plt.close(fig)
        made.append(f"{name}.svg")

    def points(part, x, y, **where):
        return [(r[x], r[y]) for r in result[part] if r.get(y) is not None and
                all(r[k] == v for k, v in where.items())]

    def some(lines):
        return {k: v for k, v in lines.items() if v}

    if result.get("local"):
        plot("local", "connections", "messages a second",
             {"immpd": points("local", "connections", "ours"),
              "Dovecot LMTP": points("local", "connections", "rival")})
    if result.get("path"):
        plot("path", "octets of a message", "messages a second", some(
            {f"{label}, {SERVERS[s]}": points("path", "octets", f"{key}_per_s", servers=s)
             for s in SERVERS for label, key in (("immpd", "through"), ("raw probe", "probe"))}))
    if result.get("mailbox"):
        plot("mailbox", "messages in the mailbox", "ms", some(
            {f"{what}, {label}": points("mailbox", "messages", f"{key}_ms", what=what)
             for what in ("check", "index", "fetch", "unread")
             for label, key in (("immpd", "ours"), ("Dovecot Maildir", "maildir"))}))
        delivers = [r for r in result["mailbox"] if r["what"] == "deliver"]
        if delivers:
            plot("mailbox-deliver", "messages in the mailbox", "deliveries a second", {
                label: [(r["messages"], r[f"{k}_per_s"]) for r in delivers]
                for label, k in (("immpd", "ours"), ("Dovecot Maildir", "maildir"),
                                 ("Dovecot sdbox", "sdbox"))})
    if result.get("memory"):
        plot("memory", "idle sessions", "PSS in KB",
             {"immpd": points("memory", "sessions", "pss_kb", who="immpd")})
    if result.get("start"):
        plot("start", "messages stored", "ms to link-up",
             {"immpd": points("start", "messages", "ms")}, log_y=False)
    if result.get("queue"):
        plot("queue", "messages in the queue", "µs of CPU a message",
             {"both daemons": points("queue", "messages", "cpu_us")}, log_y=False)
    if result.get("peers"):
        plot("peers", "peer domains", "µs of CPU a message",
             {"both daemons": points("peers", "peers", "cpu_us")}, log_y=False)
    return made


def main():
    """report.py RESULT.json DOCS-FOLDER: docs/performance.md and its plots from a result."""
    result, docs = json.loads(pathlib.Path(sys.argv[1]).read_text()), pathlib.Path(sys.argv[2])
    result["plots"] = plots(docs / "performance", result)
    update(docs / "performance.md", result)


if __name__ == "__main__":
    main()
