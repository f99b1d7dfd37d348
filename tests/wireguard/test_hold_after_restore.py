"""A real restore of a real backup, as the agent meets it: whoever was cut off since does not come back by itself."""

import pytest
from django.utils import timezone

from hubproject.restore import plan_restore, restore
from spokes.models import Spoke
from spokes.services import remove_spoke
from tests.backups import PASSPHRASE, back_up, opened_backup
from tests.conftest import BY_TEST, enrol
from tests.wireguard.keeper import finish_look, live, look
from wireguard.models import AgentState
from wireguard.services import initialize_hub, release_hold


@pytest.mark.django_db(transaction=True)
def test_who_was_removed_since_the_backup_waits_for_the_release(make_agent, backend, ticks, settings, tmp_path):
    settings.HUB_BACKUP_DIR, settings.HUB_BACKUP_PASSPHRASE = tmp_path / "backups", PASSPHRASE
    initialize_hub(network_cidr="10.0.1.0/24", endpoint="hub.example.com:51820", by=BY_TEST, now=timezone.now())
    enrol("alpha")
    path = back_up()
    agent = make_agent()
    agent.turn()
    remove_spoke(spoke_id=Spoke.objects.get().pk, by=BY_TEST, now=timezone.now())
    agent.turn()
    agent._close()
    assert live(backend) == {}
    with opened_backup(path) as archive:
        plan = plan_restore(archive, credentials=None, now=timezone.now())
        restore(plan, by=BY_TEST, now=timezone.now())
    successor = make_agent()
    successor.turn()
    finish_look(successor)
    look(successor, ticks)
    assert live(backend) == {}
    assert AgentState.current().differences[0].startswith("0 peers would be cut off, 1 let in")
    release_hold(by=BY_TEST, now=timezone.now())
    successor.turn()
    assert len(live(backend)) == 1
