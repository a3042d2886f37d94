"""Judges a run by its journal, a dump of the topic, and the positions of the group.

Each function returns what is wrong, as sentences; nothing: the invariant holds. Their numbers are
those of the reliability page of the design: I1 nothing acknowledged is lost, I2 what was said to be
not written is not there, I3 order of publishing, I4 nothing is skipped and nothing settled comes
again, I5 no delivery without a reason, I6 order of delivery, I7 what was revoked settles nothing.
"""

import itertools
from collections import Counter, defaultdict

SHOWN = 5


def sample(items):
    items = sorted(map(str, items))
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more


def published(journal, records):
    """I1, I2, I3. `records`: confluent-kafka's, of the whole topic; ids are "<client>-<number>"."""
    ids = [(record.partition(), dict(record.headers())["ce_id"].decode()) for record in records]
    written = Counter(event for _, event in ids)
    lost, twice, false = set(), set(), set()
    for event, outcome in journal.published.items():
        if outcome == "ok" and written[event] == 0:
            lost.add(event)
        if outcome == "ok" and written[event] > 1:
            twice.add(event)
        if outcome == "not_written" and written[event]:
            false.add(event)
    if lost:
        yield f"I1: acknowledged and not in Kafka: {sample(lost)}"
    if twice:
        yield f"I1: acknowledged once and in Kafka more than once: {sample(twice)}"
    if false:
        yield f"I2: said to be not written, and in Kafka: {sample(false)}"
    last = defaultdict(lambda: -1)
    for partition, event in ids:
        client, number = event.rsplit("-", 1)
        if journal.published.get(event) != "ok":
            continue
        if int(number) < last[client, partition]:
            yield f"I3: {event} is behind a later event of its client in partition {partition}"
        last[client, partition] = int(number)


def answered(journal, records):
    """I10 without a crash: nothing is written whose call had no answer. gRPC may cut off, unread, a
    call that arrives at the very end.
    """
    written = {dict(record.headers())["ce_id"].decode() for record in records}
    for event, outcome in journal.published.items():
        if outcome not in ("ok", "not_written") and event in written:
            yield f"I10: {event} is in Kafka, and its call ended without an answer: {outcome}"


def complete(journal, records, committed, ends):
    """I4: every event was delivered and settled, and the group's positions say so."""
    everything = {dict(record.headers())["ce_id"].decode() for record in records}
    skipped = everything - journal.seen()
    if skipped:
        yield f"I4: never delivered: {sample(skipped)}"
    invented = journal.seen() - everything
    if invented:
        yield f"I4: delivered, and not in Kafka: {sample(invented)}"
    unsettled = everything - journal.settled()
    if unsettled:
        yield f"I4: never settled: {sample(unsettled)}"
    behind = {
        partition: (committed.get(partition, 0), end)
        for partition, end in ends.items()
        if committed.get(partition, 0) != end and end > 0
    }
    if behind:
        yield f"I4: the positions are not at the ends: {behind}"


def restarts(journal, durable):
    """I4 of a gateway that was killed: durable[n] are the places that the group had committed as
    settled when life n had ended. They never come again, and everything else does.
    """
    acked = defaultdict(set)
    deliveries = defaultdict(set)
    for each in journal.deliveries:
        deliveries[each.life].add(each.place)
        if each.acked:
            acked[each.life].add(each.place)
    known = set().union(*deliveries.values())
    sent = set()
    for life, places in enumerate(durable):
        sent |= acked[life]
        if places - sent:
            yield f"I4: committed in life {life}, and nobody had acked it: {sample(places - sent)}"
        later = set().union(*(deliveries[each] for each in deliveries if each > life))
        if places & later:
            yield f"I4: committed in life {life}, and it came again: {sample(places & later)}"
        skipped = {place for place in known - places if place not in later}
        if skipped:
            yield f"I4: not settled in life {life}, and it never came again: {sample(skipped)}"


def order(journal):
    """I6: the first deliveries of a key are in order, each after the one before it was acked."""
    first, acked = {}, {}
    for each in journal.deliveries:
        first.setdefault(each.place, each)
        if each.acked:
            acked.setdefault(each.place, each.acked)
    lanes = defaultdict(list)
    for place, each in first.items():
        lanes[place[0], each.key].append(each)
    for (partition, key), deliveries in lanes.items():
        deliveries.sort(key=lambda each: each.place)
        for before, after in itertools.pairwise(deliveries):
            if acked.get(before.place, after.number) >= after.number:
                yield (
                    f"I6: {after.event} of key {key}, partition {partition}, came before "
                    f"{before.event} was settled"
                )


def settles(journal):
    """I5, I7 without a crash: a record is settled once, and comes again only when its holder did
    not settle it, or lost it.
    """
    by_place = defaultdict(list)
    for each in journal.deliveries:
        by_place[each.place].append(each)
    twice, needless = set(), set()
    for deliveries in by_place.values():
        if sum(each.settled for each in deliveries) > 1:
            twice.add(deliveries[0].event)
        if any(each.settled for each in deliveries[:-1]):
            needless.add(deliveries[0].event)
    if twice:
        yield f"I7: two holders settled it: {sample(twice)}"
    if needless:
        yield f"I5: it was settled, and came again: {sample(needless)}"
    for each in journal.deliveries:
        if each.acked and each.revoked and not (each.refused or each.given_back):
            yield f"I7: {each.event} was revoked, acked, and the ack was not refused"
