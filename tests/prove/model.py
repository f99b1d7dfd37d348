"""A state machine that does to the product, in any order, what operators and machines do, beside a model of it.

The verbs are called with a clock of the machine's own, so hours pass in no time. After every step the product's answer
and its rows must be what the model says.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from hubproject.audit import Caller
from hubproject.errors import HubError
from spokes.errors import PublicKeyInUse, SpokeNotFound
from spokes.models import OperatingSystem, Spoke
from spokes.services import Machine, register_spoke, remove_spoke
from tokens.errors import (
    AddressAlreadyAllocated,
    PoolExhausted,
    SpokeNameInUse,
    TokenAlreadyUsed,
    TokenCannotBeReissued,
    TokenCannotBeRevoked,
    TokenExpired,
    TokenRevoked,
)
from tokens.models import InstallationToken, RestingAddress, State
from tokens.services import claim_token, issue_token, purge_tokens, reissue_token, revoke_token
from wireguard.keys import generate_private_key, public_key_of
from wireguard.models import HubConfig, Peer
from wireguard.services import initialize_hub

BY = Caller(actor="model")
VALID = timedelta(hours=24)
GRACE = timedelta(minutes=60)
NAMES = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]
HOSTS = range(2, 7)  # 10.9.9.0/29 has five addresses for spokes: the pool is soon empty
KEYS = [public_key_of(generate_private_key()) for _ in range(6)]


@dataclass
class Token:
    """A token as the model has it."""

    id: UUID
    secret: str
    name: str
    host: int
    issued_at: datetime
    state: State = State.ISSUED
    claimed_at: datetime | None = None
    holds_lease: bool = True
    key: str = ""
    spoke_id: UUID | None = None
    is_removed: bool = False

    def state_at(self, now: datetime) -> State:
        is_over = now >= self.issued_at + VALID
        if self.state == State.ISSUED and is_over:
            return State.EXPIRED
        if self.state == State.CLAIMED and self.claimed_at and is_over and now >= self.claimed_at + GRACE:
            return State.EXPIRED
        return self.state


@dataclass
class World:
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    tokens: list[Token] = field(default_factory=list)

    def leased(self) -> list[Token]:
        return [token for token in self.tokens if token.holds_lease]

    def live_leases(self) -> list[Token]:
        """Leases that the next issue cannot have: time has not ended them."""
        return [token for token in self.leased() if token.state_at(self.now) != State.EXPIRED]


REFUSALS = {State.EXPIRED: TokenExpired, State.REVOKED: TokenRevoked}


class Lives(RuleBasedStateMachine):
    """Tokens and spokes through their lives."""

    tokens = Bundle("tokens")

    @initialize()
    def set_up(self) -> None:
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.world = World()
        initialize_hub(network_cidr="10.9.9.0/29", endpoint="hub.example.com:51820", by=BY, now=self.world.now)

    def teardown(self) -> None:
        if hasattr(self, "transaction"):
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    # --- What is done -------------------------------------------------------------------------------------------

    @rule(minutes=st.sampled_from([1, 30, 59, 60, 61, 23 * 60, 24 * 60]))
    def pass_time(self, minutes: int) -> None:
        self.world.now += timedelta(minutes=minutes)

    @rule(target=tokens, name=st.sampled_from(NAMES), chosen=st.none() | st.sampled_from(HOSTS))
    def issue(self, name: str, chosen: int | None) -> Token | None:
        live = self.world.live_leases()
        expected: type[HubError] | None = None
        if any(token.name == name for token in live):
            expected = SpokeNameInUse
        elif chosen is not None and any(token.host == chosen for token in live):
            expected = AddressAlreadyAllocated
        elif chosen is None and len(live) == len(HOSTS):
            expected = PoolExhausted
        address = None if chosen is None else f"10.9.9.{chosen}"
        issued = self.outcome(
            lambda: issue_token(spoke_name=name, custom_ip=address, by=BY, now=self.world.now), expected
        )
        if issued is None:
            return None
        assert chosen is None or issued.row.host == chosen
        return self.add(issued)

    @rule(token=tokens)
    def claim(self, token: Token | None) -> None:
        if token is None:
            return
        state = token.state_at(self.world.now)
        expected = None if state == State.ISSUED else REFUSALS.get(state, TokenAlreadyUsed)
        self.outcome(lambda: claim_token(secret=token.secret, platform="linux", by=BY, now=self.world.now), expected)
        if expected is None:
            token.state, token.claimed_at = State.CLAIMED, self.world.now

    @rule(token=tokens, key=st.sampled_from(KEYS))
    def register(self, token: Token | None, key: str) -> None:
        if token is None:
            return
        state = token.state_at(self.world.now)
        expected: type[HubError] | None = None
        is_replay = state == State.REDEEMED
        if is_replay:
            expected = None if token.key == key and not token.is_removed else TokenAlreadyUsed
        elif any(other.key == key and not other.is_removed for other in self.world.tokens):
            expected = PublicKeyInUse
        else:
            expected = REFUSALS.get(state)
        done = self.outcome(
            lambda: register_spoke(
                secret=token.secret,
                public_key=key,
                machine=Machine(os=OperatingSystem.LINUX),
                by=BY,
                now=self.world.now,
            ),
            expected,
        )
        if done is not None:
            assert done.is_new is not is_replay
            token.state, token.key, token.spoke_id = State.REDEEMED, key, done.spoke.id

    @rule(token=tokens)
    def revoke(self, token: Token | None) -> None:
        if token is None:
            return
        expected = TokenCannotBeRevoked if token.state == State.REDEEMED else None
        self.outcome(lambda: revoke_token(token_id=token.id, by=BY, now=self.world.now), expected)
        if token.state in {State.ISSUED, State.CLAIMED}:
            token.state, token.holds_lease = State.REVOKED, False

    @rule(target=tokens, token=tokens)
    def reissue(self, token: Token | None) -> Token | None:
        if token is None:
            return None
        others = [other for other in self.world.live_leases() if other is not token]
        expected: type[HubError] | None = None
        if token.state == State.REDEEMED:
            expected = TokenCannotBeReissued
        elif any(other.name == token.name for other in others):
            expected = SpokeNameInUse
        elif any(other.host == token.host for other in others):
            expected = AddressAlreadyAllocated
        issued = self.outcome(lambda: reissue_token(token_id=token.id, by=BY, now=self.world.now), expected)
        if issued is None:
            return None
        if token.state in {State.ISSUED, State.CLAIMED}:
            token.state, token.holds_lease = State.REVOKED, False
        assert issued.row.host == token.host
        return self.add(issued)

    @rule(token=tokens)
    def remove(self, token: Token | None) -> None:
        if token is None or token.spoke_id is None:
            return
        spoke_id = token.spoke_id
        expected = SpokeNotFound if token.is_removed else None
        self.outcome(lambda: remove_spoke(spoke_id=spoke_id, by=BY, now=self.world.now), expected)
        token.is_removed, token.holds_lease = True, False

    @rule()
    def purge(self) -> None:
        purge_tokens(by=BY, now=self.world.now)

    # --- What must hold -----------------------------------------------------------------------------------------

    def outcome(self, act, expected):
        """The act's result; None when it was refused as expected. Anything else is a difference."""
        result, refusal = None, None
        try:
            with transaction.atomic():
                result = act()
        except HubError as refused:
            refusal = type(refused)
        assert refusal is expected, f"{refusal} where the model says {expected}"
        self.notice_expiries()
        return result

    def add(self, issued) -> Token:
        row = issued.row
        token = Token(row.id, issued.secret, row.spoke_name, row.host, self.world.now)
        self.world.tokens.append(token)
        return token

    def notice_expiries(self) -> None:
        """Whether a lapsed lease was given back already is the product's choice; the model follows it."""
        for token in self.world.tokens:
            if token.state_at(self.world.now) == State.EXPIRED and token.state != State.EXPIRED:
                row = InstallationToken.objects.get(pk=token.id)
                if row.state == State.EXPIRED:
                    token.state, token.holds_lease = State.EXPIRED, False

    @invariant()
    def rows_are_as_the_model_says(self) -> None:
        if not hasattr(self, "world"):
            return
        self.notice_expiries()
        rows = {row.id: row for row in InstallationToken.objects.all()}
        for token in self.world.tokens:
            row = rows.get(token.id)
            if row is None:
                assert token.state in {State.EXPIRED, State.REVOKED}
                continue
            assert row.state_at(self.world.now) == token.state_at(self.world.now)
            assert (row.lease_host is not None) == token.holds_lease
        leased = [row.lease_host for row in rows.values() if row.lease_host is not None]
        assert len(leased) == len(set(leased))
        assert not set(leased) & set(RestingAddress.objects.values_list("host", flat=True))
        self.peers_are_as_the_model_says()

    def peers_are_as_the_model_says(self) -> None:
        live = {
            token.key: f"10.9.9.{token.host}/32" for token in self.world.tokens if token.key and not token.is_removed
        }
        assert dict(Peer.objects.filter(live_key__isnull=False).values_list("live_key", "allowed_ips")) == live
        assert Spoke.objects.live().count() == len(live)
        highest = max(Peer.objects.values_list("generation", flat=True), default=1)
        assert HubConfig.objects.get().generation >= highest
