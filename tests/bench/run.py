"""Measures the gateway against its rivals in one run: ./dev bench [ROW...]

Prints a table as Markdown and writes build/bench/results.json. Figures are ratios between programs
that ran on the same machine in the same minutes; absolute numbers mean little elsewhere. Not a
test.
"""

import argparse
import dataclasses
import datetime
import json
import os
import platform
import subprocess
import sys

import rows
from processes import ROOT, SIDEBUS


def machine():
    with open("/proc/cpuinfo") as file:
        models = {line.partition(":")[2].strip() for line in file if line.startswith("model name")}
    return {
        "processors": os.cpu_count(),
        "model": ", ".join(sorted(models)) or platform.machine(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "load_average_before": os.getloadavg()[0],
    }


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def comparison(row):
    if row.rival is None:
        return ""
    if row.added:
        return f"{row.gateway - row.rival:+.0f} {row.unit}"
    ratio = row.gateway / row.rival if row.rival else float("inf")
    return f"{ratio:.2f}×" if "CPU" in row.unit else f"{ratio * 100:.0f} %"


def line(row):
    rival = "" if row.rival is None else number(row.rival)
    cells = (row.what, number(row.gateway), rival, row.unit, comparison(row), row.goal)
    return "| " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("row", nargs="*", help=f"default: all of {', '.join(rows.ALL)}")
    parser.add_argument("--rounds", type=int, default=rows.ROUNDS, help="turns per figure (median)")
    options = parser.parse_args()
    unknown = set(options.row) - set(rows.ALL)
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(rows.ALL)}")
    rows.ROUNDS = options.rounds
    kafka = os.environ["SIDEBUS_TEST_KAFKA"]

    about = {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": subprocess.run(
            [SIDEBUS, "version"], capture_output=True, text=True, check=True
        ).stdout,
        "machine": machine(),
    }
    here = about["machine"]
    print(f"{here['processors']} × {here['model']}, load {here['load_average_before']:.1f}\n")
    print("| measured | Sidebus | rival | unit | Sidebus to rival | goal |")
    print("|---|---:|---:|---|---:|---|")
    measured = []
    for name in options.row or rows.ALL:
        for row in rows.ALL[name](kafka):
            measured.append(row)
            print(line(row), flush=True)

    path = ROOT / "build/bench/results.json"
    path.write_text(
        json.dumps(about | {"rows": [dataclasses.asdict(row) for row in measured]}, indent=2)
    )
    print(f"\nwrote {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
