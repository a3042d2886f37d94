"""Reading metrics in Prometheus' text format."""

import re

SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """One scrape."""

    def __init__(self, text):
        self.samples = []
        self.types = {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                self.types[name] = kind
            elif line and not line.startswith("#"):
                name, labels, value = SAMPLE.match(line).groups()
                self.samples.append((name, dict(LABEL.findall(labels or "")), float(value)))

    @classmethod
    def of(cls, gateway):
        status, text = gateway.get("/metrics")
        assert status == 200, text
        return cls(text)

    def value(self, name, **labels):
        """The sum over all series of that name with these labels."""
        return sum(
            value
            for found, has, value in self.samples
            if found == name and labels.items() <= has.items()
        )

    def names(self):
        return {name for name, _, _ in self.samples}

    def labels_of(self, name):
        """The sets of labels that the series of a metric have; a histogram's without `le`."""
        parts = {name + end for end in ("_bucket", "_sum", "_count")}
        wanted = parts if self.types[name] == "histogram" else {name}
        return {
            frozenset(labels.keys() - {"le"})
            for found, labels, _ in self.samples
            if found in wanted
        }
