"""Statements composed once do what the ORM does with the same rows, on either engine."""

import pytest
from django.db import connection
from django.db.transaction import TransactionManagementError

from hubproject.models import AuditEvent
from hubproject.statements import find, insert
from spokes.models import Spoke
from tests.conftest import enrol, issue
from tokens.models import InstallationToken
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


@pytest.mark.django_db(transaction=True)
def test_a_lock_outside_a_transaction_is_refused():
    with pytest.raises(TransactionManagementError):
        lock_hub()
