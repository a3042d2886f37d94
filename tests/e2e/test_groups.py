"""Groups as Kafka sees them: protocols, static members, what happens when the group is refused."""

import grpc
import pytest
from cluster import Cluster
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from kafka import Kafka
from kafka_proxy import KafkaProxy
from prometheus import Metrics
from sidebus.v1.event_pb2 import Event
from waiting import eventually

ROUTES = {"order.created": {"orders": {"event_key_field": "", "enabled": True}}}
PROTOCOLS = ["classic", "consumer"]


def order(**fields):
    return Event(**({"type": "order.created", "data": b"x"} | fields))


def orders(*ids):
    return [order(id=each, key=each.encode()) for each in ids]


def paused(one, reason):
    return Metrics.of(one).value("sidebus_paused_partitions", reason=reason)


def assigned(one):
    return Metrics.of(one).value("sidebus_assigned_partitions")


# --- protocols ------------------------------------------------------------------------------------

MEMBERS = [
    {},
    {"assignor": "cooperative-sticky"},
    {"group_protocol": "consumer"},
    {"group_protocol": "auto"},
]


@pytest.mark.parametrize("subscribe", MEMBERS, ids=lambda each: "-".join(each.values()) or "range")
def test_two_gateways_share_a_group_and_hand_over_what_is_not_settled(
    gateway, connect, group, cluster, subscribe
):
    one, two = (gateway(ROUTES, subscribe=subscribe) for _ in range(2))
    bus = connect(one)
    ids = [f"{n}" for n in range(60)]
    bus.must_publish(*orders(*ids))
    first = bus.subscribe(group, "order.created")
    held = first.take(60)
    first.ack(*held[::2])
    wanted = {each.event.id for each in held[1::2]}

    second = connect(two).subscribe(group, "order.created")
    came = second.batch(seconds=40)
    first.half_close()
    while {each.event.id for each in came} < wanted:
        came += second.batch(seconds=40)

    assert {each.event.id for each in came} == wanted
    if subscribe:  # all but the eager protocol
        assert len(came) == len(wanted), "what is held stays held when another member leaves"
    second.ack(*came)
    second.drain()
    # The eager protocol may have revoked what was acked meanwhile: it comes again.
    while not second.ended:
        second.ack(*second.arrived(40).get("delivery", []))
    assert second.status() == (grpc.StatusCode.OK, None)


@pytest.mark.parametrize("subscribe", MEMBERS, ids=lambda each: "-".join(each.values()) or "range")
def test_a_gateway_without_partitions_leaves_its_groups_when_it_stops(
    gateway, connect, group, cluster, subscribe
):
    gateways = [gateway(ROUTES, partitions=1, subscribe=subscribe) for _ in range(2)]
    for one in gateways:
        connect(one).subscribe(group, "order.created").next("started")

    eventually(lambda: cluster.shares(group) == [1, 0], "the group to be at rest", seconds=40)
    eventually(lambda: sum(map(assigned, gateways)) == 1, "one to have the partition")

    (idle,) = [one for one in gateways if assigned(one) == 0]
    assert idle.stop() == 0

    assert cluster.members(group) == 1


# --- static members -------------------------------------------------------------------------------


def test_a_static_member_has_the_name_that_the_environment_says(
    gateway, connect, group, cluster, monkeypatch
):
    monkeypatch.setenv("POD_NAME", "pod-7")
    one = gateway(ROUTES, subscribe={"static_member": "${POD_NAME}"})
    stream = connect(one).subscribe(group, "order.created")
    stream.next("started")

    eventually(lambda: cluster.static_members(group) == {"pod-7"}, "the member", seconds=40)


def test_a_static_member_without_its_variable_does_not_start(gateway, monkeypatch):
    monkeypatch.delenv("POD_NAME", raising=False)
    one = gateway(ROUTES, start=False, subscribe={"static_member": "${POD_NAME}"}).launch()

    assert one.wait() == 1
    assert "subscribe.static_member" in one.stderr
    assert "POD_NAME is not set" in one.stderr


# --- a group that is refused ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict_kafka():
    """A broker that looks at access lists, of which it has none yet."""
    wanted = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with Kafka(properties=wanted) as one:
        yield one.start()


def denial(group):
    return AclBinding(
        ResourceType.GROUP,
        group,
        ResourcePatternType.LITERAL,
        "User:ANONYMOUS",
        "*",
        AclOperation.ALL,
        AclPermissionType.DENY,
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_streams_stay_open_while_kafka_denies_the_group(
    gateway, connect, group, strict_kafka, protocol
):
    Cluster(strict_kafka.address).create(f"{gateway.prefix}-orders")
    admin = AdminClient({"bootstrap.servers": strict_kafka.address})
    for done in admin.create_acls([denial(group)]).values():
        done.result(20)
    one = gateway(ROUTES, strict_kafka.address, subscribe={"group_protocol": protocol})
    bus = connect(one)
    stream = bus.subscribe(group, "order.created")
    bus.must_publish(*orders("1"))
    eventually(lambda: "GROUP_AUTHORIZATION_FAILED" in one.stderr, "the denial in the log")
    stream.next("heartbeat")

    for done in admin.delete_acls([filter_of(denial(group))]).values():
        done.result(20)

    (delivery,) = stream.take(1, seconds=40)
    stream.ack(delivery)
    stream.drain()
    assert stream.end() == (grpc.StatusCode.OK, None)


def filter_of(binding):
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def test_members_with_different_assignors_are_told_so(gateway, connect, group):
    one = gateway(ROUTES)
    two = gateway(ROUTES, subscribe={"assignor": "cooperative-sticky"})
    bus = connect(one)
    bus.must_publish(*orders("1"))
    first = bus.subscribe(group, "order.created")
    first.take(1)

    code, why = connect(two).subscribe(group, "order.created").end()

    assert (code, why.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "GROUP_PROTOCOL")
    assert "subscribe.assignor" in why.message


# The fetch buffer of the first group has room for 128 partitions by default.
def test_a_group_that_does_not_fit_into_the_memory_is_refused_without_a_client_for_each_try(
    gateway, connect, group
):
    one = gateway(ROUTES, partitions=129)
    bus = connect(one)

    for _ in range(3):
        code, why = bus.subscribe(group, "order.created").end()

        assert (code, why.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "MEMORY_BUDGET")
        assert why.retry >= 5
        assert "129 partitions" in why.message
        assert why.metadata["limit"] == "limits.memory"
    assert one.stderr.count("a consumer cannot go on") == 1


def test_the_command_line_waits_as_long_as_a_refusal_says(gateway, group):
    one = gateway(ROUTES, partitions=129)

    # The idle time ends the first pause, and the second try ends the command.
    ended = one.run("subscribe", "order.created", "--group", group, "--exit-when-idle", "2s")

    assert ended.returncode == 1
    assert "limits.memory" in ended.stderr
    calls = Metrics.of(one).value("grpc_server_started_total", grpc_method="Subscribe")
    assert calls == 2


# --- cut off --------------------------------------------------------------------------------------


def test_a_member_that_is_cut_off_delivers_nothing_until_a_coordinator_answers(
    gateway, connect, group
):
    with KafkaProxy() as proxy:
        advertised = {"advertised.listeners": f"PLAINTEXT://{proxy.address}"}
        with Kafka(properties=advertised) as kafka:
            proxy.lead_to(kafka.start().address)
            cluster = Cluster(proxy.address)
            cluster.create(f"{gateway.prefix}-orders")
            one = gateway(
                ROUTES,
                proxy.address,
                subscribe={"group_protocol": "consumer"},
                kafka={"properties": {"session.timeout.ms": "6000"}},  # what the brokers say, too
            )
            bus = connect(one)
            bus.must_publish(*orders("1", "2", "3"))
            stream = bus.subscribe(group, "order.created")
            held = stream.take(3)

            proxy.hold()

            eventually(lambda: paused(one, "cut_off") == 3, "the member to stop", seconds=15)
            assert "no coordinator has answered" in one.stderr
            assert len(stream.next("revoked").delivery_ids) > 0
            proxy.let_through()
            again = stream.take(3, seconds=40)
            assert {each.event.id for each in again} == {each.event.id for each in held}
            assert paused(one, "cut_off") == 0
            stream.ack(*again)

            def all_settled():
                # The group hears of the member's end a little later, and gives them once more.
                if stream.waiting().get("delivery"):
                    stream.ack(*stream.batch())
                return sum(cluster.committed(group, f"{one.prefix}-orders").values()) == 3

            eventually(all_settled, "the acks to be committed", seconds=40)
