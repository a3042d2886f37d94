"""Gateways that are killed, that come and go, that are stopped, while everything is busy.

Here in short; `./dev chaos` has the long runs. Each is judged by tests/chaos/checker.py from what
its clients wrote down; on a failure that is kept in build/chaos.
"""

import random
import time
from collections import Counter

import openedx_load
import pytest
import scenarios
from conftest import ROOT
from journal import Delivered, Journal
from load import QUICK, ROUTES
from registry import Registry
from relay import way_to
from waiting import eventually


def long(*values):
    return pytest.param(*values, marks=[pytest.mark.chaos, pytest.mark.timeout(600)])


@pytest.fixture
def judged(request, seed):
    """judged(scenario, ...) runs it with a journal of this seed, and fails with what was wrong."""

    def judge(scenario, *arguments, **options):
        journal = Journal(seed)
        began = time.monotonic()
        try:
            found = scenario(*arguments, journal=journal, **options)
            assert not found, "\n".join(found[:20])
        except BaseException:
            path = ROOT / f"build/chaos/{request.node.name}-{seed}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            journal.write(path)
            print(f"journal: {path}")
            raise
        took = time.monotonic() - began
        print(f"{len(journal.deliveries)} deliveries, {Counter(journal.outcomes())}, {took:.1f} s")

    return judge


@pytest.mark.parametrize("kills", [2, long(20)])
def test_a_gateway_killed_again_and_again_skips_nothing_and_repeats_nothing_settled(
    gateway, cluster, group, judged, kills
):
    one = gateway(ROUTES, kafka=QUICK)

    judged(scenarios.killed_again_and_again, one, cluster, group, kills=kills)


@pytest.mark.parametrize("changes", [10, long(40)])
def test_members_that_come_and_go_skip_nothing_and_settle_nothing_twice(
    gateway, cluster, group, judged, seed, changes
):
    gateways = [gateway(ROUTES, partitions=12, subscribe={"linger": "1s"}) for _ in range(3)]

    judged(
        scenarios.members_come_and_go,
        gateways,
        cluster,
        group,
        random=random.Random(seed),
        changes=changes,
    )


@pytest.mark.parametrize("stuck", [False, True], ids=["all-settle", "one-is-stuck"])
@pytest.mark.parametrize("stops", [1, long(10)])
def test_a_gateway_stopped_under_load_answers_and_commits_everything(
    gateway, cluster, group, judged, stops, stuck
):
    one = gateway(ROUTES, shutdown={"grace": "4s"})

    judged(scenarios.stopped_under_load, one, cluster, group, grace=4, stops=stops, stuck=stuck)


def until_much_was_delivered(delivered):
    eventually(lambda: delivered() >= 2000, lambda: f"2000 deliveries; {delivered()}", 60)


def for_half_a_minute(_):
    began = time.monotonic()
    eventually(lambda: time.monotonic() - began >= 30, "the end of the outage", 60)


@pytest.mark.parametrize(
    ("stopped", "lasts", "recovery"),
    [("registry_way", until_much_was_delivered, 60), long("own_registry", for_half_a_minute, 5)],
)
def test_an_outage_of_the_registry_loses_nothing_and_makes_no_dead_letters(
    gateway, cluster, group, judged, request, stopped, lasts, recovery
):
    away, url = request.getfixturevalue(stopped)
    config = {"encoding": "openedx", "schema_registry": {"url": url}}
    one, cold = (gateway(openedx_load.ROUTES, **config) for _ in range(2))

    judged(scenarios.registry_away, one, cold, away, cluster, group, lasts=lasts, recovery=recovery)


class RegistryAndWay:
    """It is there again when it serves, and not a little before."""

    def __init__(self, registry, way):
        self._registry, self._way = registry, way

    def stop(self):
        self._way.stop()
        self._registry.stop()

    def start(self):
        self._registry.start()
        self._way.start()


@pytest.fixture
def own_registry():
    """A registry that is really stopped and started, and its URL."""
    with Registry() as registry:
        way, url = way_to(registry.start().address)
        with way:
            yield RegistryAndWay(registry, way), url


# --- the checker itself ---------------------------------------------------------------------------


def test_the_checker_finds_what_must_not_be():
    import checker

    journal = Journal(1)
    journal.deliveries = [
        Delivered(1, "a", 0, "p-1", "k", (0, 0), 1, acked=2),
        Delivered(3, "b", 0, "p-1", "k", (0, 0), 1, acked=9),
        Delivered(4, "a", 0, "p-3", "k", (0, 2), 2),
        Delivered(5, "a", 0, "p-2", "k", (0, 1), 3, acked=6, revoked=True),
        Delivered(7, "a", 1, "p-2", "k", (0, 1), 3, acked=8),
    ]

    assert len(list(checker.settles(journal))) == 3
    assert len(list(checker.order(journal))) == 1
    assert len(list(checker.restarts(journal, [{(0, 0), (0, 1), (0, 2)}]))) == 2
    assert len(list(checker.restarts(journal, [{(0, 0)}]))) == 1
