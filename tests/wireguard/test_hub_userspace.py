"""The service that becomes wireguard-go: with the hub's interface, once there is a hub."""

import os

import pytest
from django.core.management import call_command
from django.db import OperationalError

from wireguard.management.commands import hub_userspace
from wireguard.models import HubConfig


class Became(Exception):
    """What this process would have turned into."""


@pytest.fixture(autouse=True)
def becoming(monkeypatch):
    def become(program, arguments, environment):
        raise Became(program, arguments, environment)

    monkeypatch.setattr(os, "execvpe", become)


def test_it_becomes_wireguard_go_with_the_hubs_interface_and_takes_no_secret_along(new_hub, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "not for wireguard-go")
    HubConfig.objects.update(interface_name="wg7")
    with pytest.raises(Became) as became:
        call_command("hub_userspace")
    program, arguments, environment = became.value.args
    assert (program, arguments) == ("wireguard-go", ["wireguard-go", "-f", "wg7"])
    assert set(environment) == {"PATH"}


@pytest.mark.django_db
def test_it_waits_while_there_is_no_hub_and_no_database(monkeypatch):
    answers = iter([None, OperationalError("no answer"), "wg0"])
    waits: list[float] = []

    def first(query):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("django.db.models.query.QuerySet.first", first)
    monkeypatch.setattr(hub_userspace.connection, "close", lambda: None)
    monkeypatch.setattr(hub_userspace.time, "sleep", waits.append)
    with pytest.raises(Became):
        call_command("hub_userspace")
    assert len(waits) == 2
