"""What is done to gateways under load: each function is one run, which returns what was wrong."""

import time

import checker
import grpc
from journal import Journal
from load import Publisher, Subscriber
from openedx_load import NEW, ROUTES, KnownPublisher, NewTypesPublisher
from sidebus.v1 import event_bus_pb2 as api
from waiting import eventually

OK = (grpc.StatusCode.OK, None)


def all_is_committed(cluster, group, topic):
    committed = cluster.committed(group, topic)
    return all(committed.get(each, 0) == end for each, end in cluster.ends(topic).items())


def verdict(journal, cluster, group, topic, *more):
    """What is wrong after a run whose end is that everything is settled."""
    records = cluster.records(topic)
    found = [*checker.published(journal, records)]
    committed, ends = cluster.committed(group, topic), cluster.ends(topic)
    found += checker.complete(journal, records, committed, ends)
    found += checker.order(journal)
    for each in more:
        found += each
    return found


def killed_again_and_again(one, cluster, group, journal, kills, events_a_life=400):
    """SIGKILL under load, with acks out of order: what was settled and committed never comes again,
    everything else does, in order.
    """
    topic = f"{one.prefix}-orders"
    publisher = Publisher("p", one, journal, keys=40)
    lives = []
    for life in range(kills + 1):
        subscribers = [
            Subscriber(f"{life}/{number}", one, group, journal, hold=60) for number in range(2)
        ]
        if life == kills:
            break
        wanted = len(journal.deliveries) + events_a_life
        eventually(lambda wanted=wanted: len(journal.deliveries) >= wanted, "deliveries", 60)
        one.kill()
        for each in subscribers:
            each.gone()
        lives.append(cluster.durable(group, topic))
        journal.note(f"killed; {len(lives[-1])} places are settled")
        journal.life += 1
        one.start()
    publisher.stop()
    for each in subscribers:
        each.settle_all()
    eventually(lambda: all_is_committed(cluster, group, topic), "the end of all work", 60)
    ends = [each.leave("drain") for each in subscribers]
    assert ends == [OK, OK]
    return verdict(journal, cluster, group, topic, checker.restarts(journal, lives))


def members_come_and_go(gateways, cluster, group, journal, random, changes, steady=30):
    """Streams of one group open and end at several gateways, in every way: no event is skipped, and
    each is settled once. Seconds from the last change until all was settled come with the verdict.
    """
    topic = f"{gateways[0].prefix}-orders"
    publisher = Publisher("p", gateways[0], journal, keys=60)
    present = {}
    for change in range(changes):
        where = random.randrange(len(gateways))
        if present.get(where):
            how = random.choice(["drain", "half_close", "cancel"])
            journal.note(f"{present[where].name} leaves: {how}")
            present.pop(where).leave(how)
        else:
            present[where] = Subscriber(f"{where}/{change}", gateways[where], group, journal)
            journal.note(f"{present[where].name} joins")
        wanted = len(journal.deliveries) + random.randrange(300)
        busy = bool(present)
        deadline = time.monotonic() + 3 if busy else 0
        while len(journal.deliveries) < wanted and time.monotonic() < deadline:
            time.sleep(0.02)
    for where, one in enumerate(gateways):
        if where not in present:
            present[where] = Subscriber(f"{where}/last", one, group, journal)
    journal.note("no more changes")
    began = time.monotonic()
    publisher.stop()
    for each in present.values():
        each.settle_all()
    eventually(lambda: all_is_committed(cluster, group, topic), "the end of all work", steady)
    journal.note(f"steady after {time.monotonic() - began:.1f} s")
    for each in present.values():
        assert each.leave("drain") == OK
    return verdict(journal, cluster, group, topic, checker.settles(journal))


def stopped_under_load(one, cluster, group, journal, grace, stops, stuck):
    """SIGTERM under load. stuck: a subscriber goes on as if nothing were said. The gateway ends in
    time, every call is answered, and what was settled is committed.
    """
    topic = f"{one.prefix}-orders"
    lives, found = [], []
    for life in range(stops + 1):
        publisher = Publisher(f"p{life}", one, journal, keys=40)
        subscribers = [Subscriber(f"{life}/0", one, group, journal)]
        if stuck and life < stops:
            subscribers.append(
                Subscriber(f"{life}/1", one, group, journal, hold=10**6, deaf_to_draining=True)
            )
        wanted = len(journal.deliveries) + 600
        eventually(lambda wanted=wanted: len(journal.deliveries) >= wanted, "deliveries", 60)
        if life == stops:
            publisher.stop()
            break
        began = time.monotonic()
        code = one.stop(grace + 10)
        took = time.monotonic() - began
        publisher.stop()
        ends = [each.gone() for each in subscribers]
        journal.note(f"stopped with {code} in {took:.1f} s; streams ended with {ends}")
        lives.append(cluster.durable(group, topic))
        if took > grace + 1:
            found.append(f"I10: it took {took:.1f} s to stop, of {grace}")
        if code != (3 if stuck and life < stops else 0):  # 3: deliveries were not settled
            found.append(f"I10: exit code {code}")
        found += settled_and_not_committed(journal, lives[-1])
        journal.life += 1
        one.start()
    subscribers[0].settle_all()
    eventually(lambda: all_is_committed(cluster, group, topic), "the end of all work", 60)
    assert subscribers[0].leave("drain") == OK
    found += checker.answered(journal, cluster.records(topic))
    return found + verdict(journal, cluster, group, topic, checker.restarts(journal, lives))


def settled_and_not_committed(journal, places):
    lost = {
        each.event
        for each in journal.deliveries
        if each.life == journal.life and each.settled and each.place not in places
    }
    if lost:
        yield f"I10: the stream ended well, and not committed: {checker.sample(lost)}"


def registry_away(one, cold, registry, cluster, group, journal, lasts, recovery):
    """The schema registry goes under load. What has its schemas goes on; a gateway that has none of
    them (`cold`) waits for it, and so do publishers of new types; a group loses nothing and
    dead-letters nothing. lasts(delivered) returns when it may come back; delivered(): how many
    events were delivered meanwhile. recovery: seconds from then until what waited goes on.
    """
    topic = f"{one.prefix}-orders"
    cold_group, cold_journal = f"{group}-cold", Journal(journal.seed)
    wanted = {"data_format": api.DATA_FORMAT_JSON, "topics": ["orders"]}
    publisher = KnownPublisher("p", one, journal, keys=40)
    warm_one = Subscriber("warm", one, group, journal, *ROUTES, **wanted)
    eventually(lambda: len(journal.deliveries) >= 600, "deliveries", 60)

    registry.stop()
    went, before = time.monotonic(), len(journal.deliveries)
    used = [each.cpu_seconds() for each in (one, cold)]
    newcomer = NewTypesPublisher(one, journal)
    cold_one = Subscriber("cold", cold, cold_group, cold_journal, *ROUTES, **wanted)
    lasts(lambda: len(journal.deliveries) - before)
    away, during = time.monotonic() - went, len(journal.deliveries) - before
    used = [each.cpu_seconds() - was for each, was in zip((one, cold), used, strict=True)]
    found = []
    if newcomer.answered or cold_journal.deliveries:
        found.append("somebody has a schema without the registry: this run proves nothing")
    registry.start()
    back = time.monotonic()

    def since_return(condition, what):
        eventually(condition, what, 60)
        return time.monotonic() - back

    first = (
        since_return(lambda: cold_journal.deliveries, "a delivery of what waited"),
        since_return(lambda: newcomer.answered, "an answer to the publisher of new types"),
    )
    all_new = since_return(lambda: newcomer.done, "all answers to it")
    publisher.stop()
    newcomer.close()
    for each in (warm_one, cold_one):
        each.settle_all()
    for name in (group, cold_group):
        all_settled = since_return(
            lambda name=name: all_is_committed(cluster, name, topic), "the end of all work"
        )
    assert [warm_one.leave("drain"), cold_one.leave("drain")] == [OK, OK]
    note = (
        f"{len(journal.published)} events; registry away for {away:.1f} s: {during} delivered, "
        f"{used[0]:.2f} s of processor time, {used[1]:.2f} s where all waited; after its return: "
        f"first delivery {first[0]:.2f} s, first new type published {first[1]:.2f} s, all "
        f"{len(NEW)} {all_new:.2f} s, all settled {all_settled:.2f} s"
    )
    print(note)
    journal.note(note)
    if max(first) > recovery:
        found.append(f"recovery took {max(first):.1f} s, not {recovery} s")
    dead = sorted(each for each in cluster.topics() if each.startswith(f"{topic}.{group}"))
    if dead:
        found.append(f"dead letters: {dead}")
    found += verdict(journal, cluster, group, topic, checker.settles(journal))
    positions = cluster.committed(cold_group, topic), cluster.ends(topic)
    found += checker.complete(cold_journal, cluster.records(topic), *positions)
    return [*found, *checker.order(cold_journal)]
