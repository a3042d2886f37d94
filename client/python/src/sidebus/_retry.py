"""How long to wait before trying again."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses between tries, in seconds: `initial`, then twice as long each time, up to `maximum`.

    Each pause is made longer or shorter by up to `jitter` of itself, at random, so that many
    clients do not come back at the same moment.
    """

    initial: float = 0.1
    maximum: float = 5.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.initial <= self.maximum or not 0 <= self.jitter < 1:
            raise ValueError(f"{self}: 0 < initial <= maximum and 0 <= jitter < 1 must hold")


class Pauses:
    """The pauses of one series of tries."""

    def __init__(self, backoff: Backoff, rng: random.Random | None = None) -> None:
        self._backoff = backoff
        self._rng = rng or random.Random()
        self._next = backoff.initial

    def next(self, at_least: float | None = None) -> float:
        """Seconds to wait now; never less than `at_least` (what the gateway asked for)."""
        spread = self._rng.uniform(-self._backoff.jitter, self._backoff.jitter)
        pause = self._next * (1 + spread)
        self._next = min(self._next * 2, self._backoff.maximum)
        floor = at_least or 0.0
        return max(pause, floor * (1 + abs(spread)))

    def reset(self) -> None:
        """It worked: the next series begins with the shortest pause."""
        self._next = self._backoff.initial
