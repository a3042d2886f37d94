"""A Kafka that asks who one is (SASL PLAIN) and lets nobody do what no ACL grants.

Users are ADMIN, who may do everything, and USER, who may do nothing yet.
"""

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
from waiting import eventually

ADMIN = ("admin", "admin-secret")
USER = ("sidebus", "sidebus-secret")

# The listener keeps its name; what it speaks is another matter.
SECURED = {
    "listener.security.protocol.map": "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "listener.name.plaintext.plain.sasl.jaas.config": (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'username="{ADMIN[0]}" password="{ADMIN[1]}" '
        f'user_{ADMIN[0]}="{ADMIN[1]}" user_{USER[0]}="{USER[1]}";'
    ),
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    # ANONYMOUS is the broker, on the controller's listener.
    "super.users": f"User:{ADMIN[0]};User:ANONYMOUS",
}


def login(user, password):
    """librdkafka's properties for that user."""
    return {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "PLAIN",
        "sasl.username": user,
        "sasl.password": password,
    }


class SecuredKafka(Kafka):
    def __init__(self):
        super().__init__(properties=SECURED)

    def start(self, seconds=90):
        super().start(seconds)
        settings = {"bootstrap.servers": self.address, "log_level": 0} | login(*ADMIN)
        self.admin = AdminClient(settings)
        return self

    def grant(self, *bindings):
        """(resource type, its name, operation) each, to USER. The broker has them on return."""
        acls = [self._binding(*each) for each in bindings]
        for made in self.admin.create_acls(acls).values():
            made.result(20)
        eventually(lambda: self._has(acls), "the ACLs")

    def revoke_all(self):
        everything = AclBindingFilter(
            ResourceType.ANY,
            None,
            ResourcePatternType.ANY,
            None,
            None,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        for deleted in self.admin.delete_acls([everything]).values():
            deleted.result(20)
        eventually(lambda: not self.admin.describe_acls(everything).result(20), "no ACLs")

    def _has(self, acls):
        return all(self.admin.describe_acls(self._filter(each)).result(20) for each in acls)

    @staticmethod
    def _binding(resource, name, operation):
        return AclBinding(
            ResourceType[resource.upper()],
            name,
            ResourcePatternType.LITERAL,
            f"User:{USER[0]}",
            "*",
            AclOperation[operation],
            AclPermissionType.ALLOW,
        )

    @staticmethod
    def _filter(acl):
        return AclBindingFilter(
            acl.restype,
            acl.name,
            acl.resource_pattern_type,
            acl.principal,
            acl.host,
            acl.operation,
            acl.permission_type,
        )
