"""Why an event is rejected."""


class Unusable(Exception):
    """This service, as it is now, can never handle the event. The text says why, without data."""
