"""deploy/metrics.md and the gateway's source: which metrics there are."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (?:([^|]+) )?\| ([^|]+) \|$", re.MULTILINE)


def exported(root=ROOT):
    """Names of the metrics that the source makes."""
    made = set()
    for path in (root / "server").rglob("*.cc"):
        made |= set(re.findall(r'"((?:sidebus|process|grpc_server)_[a-z0-9_]+)"', path.read_text()))
    return made


@dataclass(frozen=True)
class Documented:
    name: str
    type: str
    labels: frozenset
    is_always_there: bool  # once somebody has published and subscribed


def documented(root=ROOT):
    """The rows of the page. "The same" are the labels of the row before, and what follows a colon
    are values."""
    rows = []
    for name, kind, labels, meaning in ROW.findall((root / "deploy/metrics.md").read_text()):
        named = set(re.findall(r"`(\w+)`", re.sub(r":[^;]*", "", labels or "")))
        if labels and "the same" in labels:
            named |= rows[-1].labels
        always = "; *first*" not in meaning and "only with" not in meaning
        rows.append(Documented(name, kind, frozenset(named), always))
    return rows
