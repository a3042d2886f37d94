"""deploy/metrics.md lists what the source exports."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from metrics_page import documented, exported


class MetricsPageTest(unittest.TestCase):
    def test_every_metric_is_on_the_page_and_no_other(self):
        self.assertEqual({row.name for row in documented()}, exported())

    def test_each_is_there_once_with_a_type_of_prometheus(self):
        names = [row.name for row in documented()]

        self.assertEqual(len(names), len(set(names)))
        for row in documented():
            with self.subTest(metric=row.name):
                self.assertIn(row.type, ("counter", "gauge", "histogram"))
                self.assertEqual(row.type == "counter", row.name.endswith("_total"))
