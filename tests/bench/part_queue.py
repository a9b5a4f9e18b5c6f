# SPDX-License-Identifier: MIT
"""How the cost of sending grows with the queue: 1, 10, 100 thousand messages wait, and the link
comes up. Two ejabberd, 512 octets."""

import measure
import part_path

MESSAGES = (1000, 10000, 100000)


def run(ctx):
    rows = []
    with part_path.Pair(ctx, "ejabberd") as pair:
        for n in MESSAGES:
            runs = [pair.drain(n, 512) for _ in range(ctx.turns(1 if n > 50000 else 3))]
            row = {"messages": n, "per_s": measure.median([r["per_s"] for r in runs]),
                   "cpu_us": measure.median([r["cpu_us"]["total"] for r in runs]), "runs": runs}
            rows.append(row)
            measure.say(f"  {n:7} in the queue: {row['per_s']:.0f}/s, {row['cpu_us']:.0f} µs a message")
    return rows
