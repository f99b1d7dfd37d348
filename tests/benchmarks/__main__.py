"""`make bench`: what the README promises, measured. One JSON object a line, then a table in Markdown.

`python -m tests.benchmarks --only look --sizes 100,1000 --engine sqlite --pairs 3`
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tests.benchmarks.figures import Figure, Plan
from tests.benchmarks.measure import rounded
from tests.benchmarks.rows import ROWS
from tests.benchmarks.stage import ENGINES, Ground, clean_up_when_ended


def as_json(figure: Figure, engine: str) -> str:
    shown: dict[str, Any] = asdict(figure) | asdict(figure.ratio) | {"engine": engine, "met": figure.met}
    del shown["ratio"]
    return json.dumps({name: rounded(value) for name, value in shown.items()}, ensure_ascii=False)


def table(figures: Sequence[tuple[str, Figure]]) -> str:
    """Markdown, for the README."""
    lines = ["| what | engine | measured | least … most | goal | beside |", "|---|---|---|---|---|---|"]
    for engine, figure in figures:
        spread = f"{figure.ratio.least:.3g} … {figure.ratio.most:.3g} ({figure.ratio.pairs})"
        goal = f"{'≥' if figure.at_least else '≤'} {figure.goal:g}{'' if figure.met else ', **not met**'}"
        beside = "; ".join(filter(None, [figure.floor, figure.note]))
        measured = f"{figure.ratio.median:.3g}{figure.unit}"
        lines.append(f"| {figure.name} | {engine} | {measured} | {spread} | {goal} | {beside} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """1 when a row could not be measured; a goal that is not met is said in the table."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks")
    parser.add_argument("--only", default="", help=f"rows, with commas: {','.join(ROWS)}")
    parser.add_argument("--sizes", default=",".join(map(str, Plan().sizes)))
    parser.add_argument("--engine", default="", choices=["", *ENGINES])
    parser.add_argument("--pairs", type=int, default=Plan().pairs)
    parser.add_argument("--calls", type=int, default=Plan().calls)
    asked = parser.parse_args(arguments)
    plan = Plan(tuple(sorted(map(int, asked.sizes.split(",")))), asked.pairs, asked.calls)
    names = asked.only.split(",") if asked.only else list(ROWS)
    figures, failures = [], 0
    for engine in [asked.engine] if asked.engine else ENGINES:
        with Ground(engine) as ground:
            for name in names:
                began = time.monotonic()
                try:
                    for figure in ROWS[name](ground, plan):
                        figures.append((engine, figure))
                        print(as_json(figure, engine), flush=True)
                except Exception as problem:  # noqa: BLE001 - the other rows are measured all the same
                    failures += 1
                    print(json.dumps({"row": name, "engine": engine, "failed": repr(problem)[-2000:]}), flush=True)
                print(f"{engine} {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end\n\n{table(figures)}")
    return 1 if failures else 0


if __name__ == "__main__":
    clean_up_when_ended()
    sys.exit(main(sys.argv[1:]))
