from sidebus._lease_keeper import LeaseKeeper


def keeper(*, keep_handed=False, extend_for=600.0):
    made = LeaseKeeper(extend_for, keep_handed)
    made.start(60.0)
    return made


def test_a_lease_of_what_waits_here_is_extended_after_half_of_it():
    leases = keeper()
    leases.add(1, now=0)

    assert leases.next_due() == 30
    assert leases.due(29.9) == []
    assert leases.due(30) == [1]
    assert leases.next_due() == 60


def test_the_oldest_come_first_whatever_was_extended_between():
    leases = keeper()
    leases.add(1, now=0)
    leases.add(2, now=10)
    leases.due(30)

    assert leases.due(40) == [2]
    assert leases.due(60) == [1]


def test_nothing_is_extended_for_longer_than_allowed():
    leases = keeper(extend_for=100)
    leases.add(1, now=0)

    extended = [now for now in range(0, 1000, 10) if leases.due(now)]

    assert extended == [30, 60, 90]
    assert leases.next_due() is None


def test_nothing_is_extended_where_that_was_not_wanted():
    leases = keeper(extend_for=0)
    leases.add(1, now=0)

    assert leases.next_due() is None


def test_what_an_iteration_hands_out_is_the_applications_to_extend():
    leases = keeper()
    leases.add(1, now=0)

    assert leases.hand_out(1, now=1) is False
    assert leases.due(1000) == []


def test_what_waited_long_gets_a_full_lease_when_it_is_handed_out():
    leases = keeper()
    leases.add(1, now=0)

    assert leases.hand_out(1, now=16) is True


def test_what_a_handler_works_on_is_extended():
    leases = keeper(keep_handed=True)
    leases.add(1, now=0)
    leases.hand_out(1, now=1)

    assert leases.due(30) == [1]


def test_what_was_settled_is_left_alone():
    leases = keeper(keep_handed=True)
    leases.add(1, now=0)
    leases.discard(1)

    assert leases.due(1000) == []
    assert leases.hand_out(1, now=1000) is False
