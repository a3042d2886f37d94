"""A real Prometheus, and what it is asked."""

import contextlib
import functools
import json
import urllib.error
import urllib.parse
from datetime import datetime

import service
from charts import TOOLS
from pod import fetch
from waiting import eventually


class Prometheus:
    """Runs between `with` and its end, with a configuration file. `folder` is for its own files."""

    def __init__(self, config, folder, address):
        self._command = [
            *(TOOLS / "prometheus", f"--config.file={config}"),
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address={address}",
        ]
        self._log = folder / "prometheus.log"
        self._url = f"http://{address}"

    def __enter__(self):
        """When it answers questions."""
        self._process = service.begin(self._command, self._log)
        try:
            eventually(self._is_ready, lambda: f"Prometheus\n{self.tail()}", 60)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def tail(self):
        return service.tail(self._log)

    def get(self, path, **parameters):
        """`data` of an answer."""
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with fetch(url) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None

    def samples(self, expression):
        return self.get("query", query=expression)["result"]

    def scraped(self, expression):
        """What it finds, which may take until a scrape."""
        return eventually(
            lambda: self.samples(expression), lambda: f"{expression}\n{self.tail()}", 60
        )

    def alerts(self):
        """{name: state} of those that are pending or fire, once each rule was evaluated with a
        scrape of a gateway.
        """
        assert self._rules()
        scrape = self.scraped("max(timestamp(sidebus_ready))")[0]["value"][1]
        late = functools.partial(self._late, float(scrape))
        eventually(lambda: not late(), lambda: f"the evaluation of {late()}\n{self.tail()}", 60)
        return {one["name"]: one["state"] for one in self._rules() if one["state"] != "inactive"}

    def _late(self, since):
        """[(name, health, error)] of rules that were not evaluated since then, or not well."""
        return [
            (one["name"], one["health"], one.get("lastError"))
            for one in self._rules()
            if one["health"] != "ok" or seconds(one["lastEvaluation"]) < since
        ]

    def _rules(self):
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def _is_ready(self):
        assert self._process.poll() is None, self.tail()
        with contextlib.suppress(OSError), fetch(f"{self._url}/-/ready") as answer:
            return answer.status == 200
        return False


def seconds(text):
    """Of Prometheus' times, since 1970."""
    return datetime.fromisoformat(text).timestamp()
