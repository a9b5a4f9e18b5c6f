# SPDX-License-Identifier: MIT
"""Seals made and opened on one thread, beside the same by OpenSSL's CMS functions at their best:
no certificates, no S/MIME capabilities, malloc that keeps its heap, armor in one pass."""

import measure


def run(ctx):
    figures = {}
    for f in ctx.tools.run("seal_bench", 0.1 if ctx.smoke else 0.3, timeout=600):
        figures[f["name"], f["bytes"]] = f["per_s"]
    rows = []
    for what in ("make", "open"):
        for size in (512, 4096, 65536, 1048576):
            ours, rival = figures[what, size], figures[f"cms-{what}", size]
            rows.append({"what": what, "octets": size, "ours": ours, "rival": rival,
                         "ratio": round(ours / rival, 3)})
            measure.say(f"  {what} {size:8} B: ours {ours:7.0f}/s   CMS_* {rival:7.0f}/s   "
                        f"×{ours / rival:.2f}")
    return rows
