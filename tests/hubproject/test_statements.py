"""Statements composed once do what the ORM does with the same rows, on either engine."""

import pytest
from django.db import connection
from django.db.transaction import TransactionManagementError

from hubproject.models import AuditEvent
from hubproject.statements import find, insert, insert_all, update
from spokes.models import Spoke
from tests.conftest import enrol, issue
from tokens.models import InstallationToken, State
from wireguard.models import AgentState, HubConfig, Peer
from wireguard.services import lock_hub


def columns(row) -> dict:
    return {field.name: getattr(row, field.attname) for field in row._meta.concrete_fields}


@pytest.mark.parametrize("model", [HubConfig, AgentState, InstallationToken, Peer, Spoke, AuditEvent])
def test_a_row_is_found_as_the_orm_reads_it(hub, model):
    enrol(metadata={"kernel": "6.1", "nested": {"α": [1, None, True]}})  # noqa: RUF001 - beyond ASCII
    AgentState.objects.get_or_create(id=1, defaults={"drift_repairs": {"gone": 2}})
    row = model.objects.first()
    key = model._meta.pk.get_db_prep_value(row.pk, connection)
    assert columns(find(model, model._meta.pk.column, key)) == columns(row)


def test_what_is_asked_often_is_prepared_on_postgresql(hub):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite keeps the statements it has compiled by itself")
    for _ in range(7):
        find(Peer, "live_key", "nobody")
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        prepared = [statement for (statement,) in cursor.fetchall()]
    assert any("FROM peers WHERE live_key" in statement for statement in prepared), prepared


def test_there_is_no_row_where_nothing_matches(hub):
    assert find(InstallationToken, "token_hash", "0" * 64) is None


def test_what_is_inserted_is_what_the_orm_would_have_saved(hub):
    token = issue("alpha").row
    peer = Peer(public_key="k", live_key=None, allowed_ips="10.0.1.99/32", generation=7)
    insert(peer)
    spoke = Spoke(id=token.spoke_id, token=token, peer=peer, name="alpha", os="linux", registered_at=token.created_at)
    spoke.metadata = {"kernel": "6.1"}
    insert(spoke)
    assert columns(Peer.objects.get(pk=peer.pk)) == columns(peer)
    assert columns(Spoke.objects.get(pk=spoke.pk)) == columns(spoke)
    assert not spoke._state.adding


def test_many_rows_are_inserted_by_one_statement(hub, django_assert_num_queries):
    issue("alpha")
    first = AuditEvent.objects.latest("id")
    rows = [
        AuditEvent(**columns(first) | {"id": first.id + number, "details": {"n": [number]}, "hash": f"{number:064x}"})
        for number in (1, 2, 3)
    ]
    with django_assert_num_queries(1):
        insert_all(rows)
    assert [columns(row) for row in AuditEvent.objects.filter(id__gt=first.id).order_by("id")] == list(
        map(columns, rows)
    )
    assert not any(row._state.adding for row in rows)


def test_what_is_asked_for_alone_is_read_alone(hub):
    AgentState.objects.update_or_create(id=1, defaults={"problem": "None.", "hold": True})
    state = find(AgentState, "id", 1, only=("id", "hold"))
    assert (state.id, state.hold, state.get_deferred_fields() >= {"problem", "term"}) == (1, True, True)
    assert state.problem == "None."


def test_an_update_sets_what_the_orm_would_and_only_where_all_is_as_said(hub):
    alpha, beta = issue("alpha").row, issue("beta").row
    ended = alpha.created_at
    known = {"token_hash": alpha.token_hash, "state": State.ISSUED}
    assert update(InstallationToken, {"state": State.REVOKED, "ended_at": ended}, where=known) == 1
    assert update(InstallationToken, {"state": State.EXPIRED}, where=known) == 0
    before = columns(alpha) | {"state": "revoked", "ended_at": ended}
    assert columns(InstallationToken.objects.get(pk=alpha.pk)) == before
    assert columns(InstallationToken.objects.get(pk=beta.pk)) == columns(beta)


def test_an_update_writes_json_and_what_is_empty(hub):
    AgentState.objects.update_or_create(id=1, defaults={"synced_at": issue("alpha").row.created_at})
    assert update(AgentState, {"drift_repairs": {"mtu": 2}, "synced_at": None}, where={"id": 1}) == 1
    state = AgentState.objects.get(id=1)
    assert (state.drift_repairs, state.synced_at) == ({"mtu": 2}, None)


@pytest.mark.django_db(transaction=True)
def test_a_lock_outside_a_transaction_is_refused():
    with pytest.raises(TransactionManagementError):
        lock_hub()
