"""What a crowd of processes races for."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.utils import timezone

from hubproject.audit import Caller
from hubproject.models import AuditEvent
from spokes.models import OperatingSystem, Spoke
from spokes.services import Machine, Registration, register_spoke
from tokens.models import InstallationToken
from tokens.services import IssuedToken, claim_token, issue_token, revoke_token
from wireguard.keys import generate_private_key, public_key_of
from wireguard.models import HubConfig, Peer
from wireguard.services import initialize_hub
from wireguard.wanted import wanted_interface

BY = Caller(actor="crowd", address="192.0.2.1")


def new_key() -> str:
    return public_key_of(generate_private_key())


def set_up() -> HubConfig:
    return initialize_hub(network_cidr="10.8.0.0/16", endpoint="hub.example.com:51820", by=BY, now=timezone.now())


def issue(name: str, **options: Any) -> IssuedToken:
    return issue_token(spoke_name=name, by=BY, now=timezone.now(), **options)


def claim(secret: str) -> str:
    return claim_token(secret=secret, platform="linux", by=BY, now=timezone.now())


def register(secret: str, key: str) -> Registration:
    machine = Machine(os=OperatingSystem.LINUX)
    return register_spoke(secret=secret, public_key=key, machine=machine, by=BY, now=timezone.now())


def events_about(issued: IssuedToken) -> list[str]:
    """The events of a token in the order they were written, refusals left out."""
    name = issued.row.spoke_name
    kinds = ["token.claimed", "token.revoked", "spoke.registered"]
    events = AuditEvent.objects.filter(Q(object=name) | Q(object__startswith=f"{name} "), event__in=kinds)
    return list(events.order_by("id").values_list("event", flat=True))


class Scenario:
    """What a crowd races for. `rounds` are prepared once; `act` is each one's part in a round."""

    processes = 16
    rounds: Sequence[Any] = ()

    def prepare(self) -> None: ...

    def act(self, what: Any, number: int) -> Any: ...

    def facts(self) -> dict[str, Any]:
        return {}


class FourTokensForMany(Scenario):
    """Each round four tokens, each of which a quarter of them claims."""

    def prepare(self) -> None:
        set_up()
        secrets = [issue(f"spoke{number}").secret for number in range(100)]
        self.rounds = [secrets[first : first + 4] for first in range(0, 100, 4)]

    def act(self, what: list[str], number: int) -> str:
        secret = what[number % 4]
        return "script" if secret in claim(secret) else "a script without its token"

    def facts(self) -> dict[str, Any]:
        return {
            "claimed": InstallationToken.objects.filter(state="claimed").count(),
            "recorded": AuditEvent.objects.filter(event="token.claimed").values("object").distinct().count(),
            "refused": AuditEvent.objects.filter(event="token.refused").count(),
        }


class OneTokenManyKeys(Scenario):
    """Each round one claimed token, with which all of them register, each with a key of its own."""

    processes = 8

    def prepare(self) -> None:
        set_up()
        issued = [issue(f"spoke{number}").secret for number in range(10)]
        for secret in issued:
            claim(secret)
        self.rounds = [[secret, [new_key() for _ in range(self.processes)]] for secret in issued]

    def act(self, what: Any, number: int) -> str:
        secret, keys = what
        registration = register(secret, keys[number])
        assert registration.spoke.peer.public_key == keys[number]
        return str(registration.spoke.id)

    def facts(self) -> dict[str, Any]:
        return {
            "spokes": Spoke.objects.count(),
            "peers": Peer.objects.count(),
            "generation": HubConfig.objects.get().generation,
        }


class OneTokenOneKey(OneTokenManyKeys):
    """Each round one token and one key, as when a machine did not hear the answer and asks again."""

    def prepare(self) -> None:
        super().prepare()
        self.rounds = [[secret, [keys[0]] * self.processes] for secret, keys in self.rounds]


class ManyTokensOneKey(OneTokenManyKeys):
    """Each round a token for each of them and one key for all."""

    def prepare(self) -> None:
        set_up()
        self.rounds = [
            [[issue(f"spoke{turn}-{number}").secret for number in range(self.processes)], new_key()]
            for turn in range(5)
        ]

    def act(self, what: Any, number: int) -> str:
        secrets, key = what
        return str(register(secrets[number], key).spoke.id)


class ManyIssues(Scenario):
    """All of them issue a token at once."""

    processes = 50

    def prepare(self) -> None:
        set_up()
        self.rounds = [0]

    def act(self, what: Any, number: int) -> str:
        return str(issue(f"spoke{number}").row.address)

    def facts(self) -> dict[str, Any]:
        return {"leases": InstallationToken.objects.values("lease_host").distinct().count()}


class OneNameAndAddress(Scenario):
    """Even rounds are for one name, odd ones for one address."""

    def prepare(self) -> None:
        set_up()
        self.rounds = list(range(6))

    def act(self, what: int, number: int) -> str:
        if what % 2:
            return str(issue(f"wants{what}-{number}", custom_ip=f"10.8.1.{what}").row.address)
        return issue(f"Name{what}" if number % 2 else f"NAME{what}").row.spoke_name.lower()


class ManyInitializations(Scenario):
    """All of them set the hub up at once."""

    processes = 20

    def prepare(self) -> None:
        self.rounds = [0]

    def act(self, what: Any, number: int) -> str:
        return set_up().public_key

    def facts(self) -> dict[str, Any]:
        hub = HubConfig.objects.get()
        opened = public_key_of(wanted_interface(hub).private_key)
        return {"key": hub.public_key, "opened": opened, "hubs": HubConfig.objects.count()}


class ClaimAgainstRevoke(Scenario):
    """Each round one token, which half of them claim and the other half revoke."""

    processes = 8

    def prepare(self) -> None:
        set_up()
        self.issued = [issue(f"spoke{number}") for number in range(20)]
        self.rounds = self.issued

    def act(self, what: IssuedToken, number: int) -> str:
        if number % 2:
            return str(revoke_token(token_id=what.row.pk, by=BY, now=timezone.now()).state)
        claim(what.secret)
        return "script"

    def facts(self) -> dict[str, Any]:
        return {"events": [events_about(issued) for issued in self.issued]}


class RegisterAgainstRevoke(ClaimAgainstRevoke):
    """Each round one token, with which half of them register and which the other half revokes."""

    def act(self, what: IssuedToken, number: int) -> str:
        if number % 2:
            return super().act(what, number)
        register(what.secret, new_key())
        return "spoke"
