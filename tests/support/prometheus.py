"""Reading metrics in Prometheus' text format."""

import re

SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """One scrape."""

    def __init__(self, text):
        self.samples = []
        for line in text.splitlines():
            if line and not line.startswith("#"):
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
