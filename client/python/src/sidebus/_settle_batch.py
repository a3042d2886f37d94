"""What a subscriber says and was not sent yet, made into as few messages as possible. No I/O."""

from sidebus.v1 import event_bus_pb2

# The API's bound for delivery ids of all kinds in one message.
MESSAGE_IDS = 10_000


class SettleBatch:
    """Acks, nacks and extends wait here until the stream takes the next message.

    A delivery is in it once at most: settling it takes back an extend that was not sent.
    """

    def __init__(self, message_ids: int = MESSAGE_IDS) -> None:
        self._message_ids = message_ids
        self._acks: list[int] = []
        self._nacks: list[event_bus_pb2.Nack] = []
        self._extends: dict[int, None] = {}
        self._window: event_bus_pb2.Window | None = None
        self._drain = False

    def ack(self, delivery_id: int) -> None:
        self._extends.pop(delivery_id, None)
        self._acks.append(delivery_id)

    def nack(self, nack: event_bus_pb2.Nack) -> None:
        self._extends.pop(nack.delivery_id, None)
        self._nacks.append(nack)

    def extend(self, delivery_id: int) -> None:
        self._extends[delivery_id] = None

    def resize(self, window: event_bus_pb2.Window) -> None:
        self._window = window

    def drain(self) -> None:
        self._drain = True

    def __bool__(self) -> bool:
        return bool(
            self._acks or self._nacks or self._extends or self._window is not None or self._drain
        )

    def take(self) -> event_bus_pb2.SubscribeRequest | None:
        """The next message; None when there is nothing to say."""
        if not self:
            return None
        room = self._message_ids
        acks, self._acks = self._acks[:room], self._acks[room:]
        room -= len(acks)
        nacks, self._nacks = self._nacks[:room], self._nacks[room:]
        room -= len(nacks)
        extends = list(self._extends)[:room]
        for delivery_id in extends:
            del self._extends[delivery_id]
        request = event_bus_pb2.SubscribeRequest(
            ack=acks, nack=nacks, extend=extends, window=self._window
        )
        self._window = None
        if self._drain and not self._acks and not self._nacks:
            request.drain = True
            self._drain = False
        return request
