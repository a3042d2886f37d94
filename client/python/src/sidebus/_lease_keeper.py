"""Which leases to extend, and when. No I/O; the time is an argument, in seconds."""

from dataclasses import dataclass


@dataclass(slots=True)
class _Lease:
    received: float
    renewed: float
    handed: bool


class LeaseKeeper:
    """Extends each lease after half of it, for at most `extend_for` seconds after the delivery.

    Deliveries that wait in the client are always kept; those that the application has only
    where `keep_handed` (handlers). One that is handed out after a wait gets a full lease.
    """

    def __init__(self, extend_for: float, keep_handed: bool) -> None:
        self._extend_for = extend_for
        self._keep_handed = keep_handed
        self._lease = 0.0
        self._leases: dict[int, _Lease] = {}  # by `renewed`, oldest first

    def start(self, lease: float) -> None:
        self._lease = lease

    def keep_handed(self) -> None:
        """From now on, deliveries that are handed out are kept too."""
        self._keep_handed = True

    def add(self, delivery_id: int, now: float) -> None:
        if self._lease > 0 and self._extend_for > 0:
            self._leases[delivery_id] = _Lease(now, now, handed=False)

    def discard(self, delivery_id: int) -> None:
        self._leases.pop(delivery_id, None)

    def hand_out(self, delivery_id: int, now: float) -> bool:
        """The application has it now. Whether to extend its lease first."""
        lease = self._leases.get(delivery_id)
        if lease is None:
            return False
        lease.handed = True
        extend = now - lease.renewed > self._lease / 4
        if not self._keep_handed:
            self.discard(delivery_id)
        elif extend:
            self._renew(delivery_id, now)
        return extend

    def due(self, now: float) -> list[int]:
        """The ids to extend now; counts them as extended."""
        ids = []
        while (first := next(iter(self._leases), None)) is not None:
            lease = self._leases[first]
            if lease.renewed + self._lease / 2 > now:
                break
            if now - lease.received >= self._extend_for:
                self.discard(first)
            else:
                self._renew(first, now)
                ids.append(first)
        return ids

    def next_due(self) -> float | None:
        first = next(iter(self._leases.values()), None)
        return None if first is None else first.renewed + self._lease / 2

    def _renew(self, delivery_id: int, now: float) -> None:
        lease = self._leases.pop(delivery_id)
        lease.renewed = now
        self._leases[delivery_id] = lease
