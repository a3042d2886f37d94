import random

import pytest
from sidebus import Backoff
from sidebus._retry import Pauses


def test_pauses_double_up_to_the_longest_and_start_again_after_a_success():
    pauses = Pauses(Backoff(initial=1, maximum=5, jitter=0))

    assert [pauses.next() for _ in range(5)] == [1, 2, 4, 5, 5]

    pauses.reset()

    assert pauses.next() == 1


def test_pauses_are_spread_by_the_jitter_and_no_further():
    rng = random.Random(7)
    firsts = [Pauses(Backoff(initial=1, jitter=0.2), rng).next() for _ in range(500)]

    assert 0.8 <= min(firsts) < 0.85 and 1.15 < max(firsts) <= 1.2


def test_a_pause_is_never_shorter_than_the_gateway_asked_for():
    pauses = Pauses(Backoff(initial=0.1))

    assert all(pauses.next(at_least=3.0) >= 3.0 for _ in range(100))


@pytest.mark.parametrize(
    "fields", [{"initial": 0}, {"initial": 2, "maximum": 1}, {"jitter": 1}, {"jitter": -0.1}]
)
def test_a_backoff_that_makes_no_sense_is_refused(fields):
    with pytest.raises(ValueError):
        Backoff(**fields)
