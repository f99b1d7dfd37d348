"""Whatever a machine or a stranger sends us shows as text: by rule in every template, and seen on every page."""

import re
from pathlib import Path

import pytest
from django.contrib import admin
from django.test import Client

from hubproject import audit
from hubproject.audit import Caller
from hubproject.models import Role
from spokes.models import Spoke
from tests.conftest import NOW, issue, register
from tests.hubproject.conftest import signed_in
from wireguard.models import PeerStatus

ROOT = Path(__file__).parents[2]
HTML = sorted(path for path in (ROOT / "templates").rglob("*.html"))
PYTHON = [
    path for app in ("hubproject", "wireguard", "tokens", "proxmox", "spokes") for path in (ROOT / app).rglob("*.py")
]
HOSTILE = "<script>alert(1)</script>'\"&{{7*7}}"


@pytest.mark.parametrize("path", HTML, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_template_switches_escaping_off(path):
    text = path.read_text()
    assert not re.search(r"\|\s*safe\b|\|\s*safeseq\b|autoescape\s+off", text)


@pytest.mark.parametrize("path", HTML, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_template_has_a_script_or_a_style_of_its_own(path):
    text = path.read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)[^>]*>", text)


def test_only_constants_are_marked_safe():
    marked = [
        found
        for path in PYTHON
        for found in re.findall(r"mark_safe\(([^)]*)\)|SafeString\(([^)]*)\)", path.read_text())
    ]
    assert all(re.fullmatch(r'"[^"{}]*"', first or second) for first, second in marked)


@pytest.mark.django_db
def test_hostile_names_show_as_text_on_every_admin_page(hub, person):
    hostile_node = {"isProxmox": True, "proxmoxNodeName": HOSTILE[:60], "proxmoxClusterName": HOSTILE[:60]}
    answer = register(issue("alpha").secret, os="proxmox", proxmoxVersion=HOSTILE[:60], **hostile_node)
    assert answer.status_code == 201
    PeerStatus.objects.create(peer=Spoke.objects.get().peer, endpoint=HOSTILE, heard_at=NOW)
    Client().get("/api/installation/script/x?platform=linux", HTTP_USER_AGENT=HOSTILE)
    record_hostile_event()
    client = signed_in(person("root", Role.ADMIN))
    for model in admin.site._registry:
        label = model._meta.label_lower.replace(".", "/")
        pages = [f"/admin/{label}/", *(f"/admin/{label}/{row.pk}/change/" for row in model._default_manager.all()[:3])]
        for page in pages:
            body = client.get(page, follow=True).content.decode()
            assert "<script>alert" not in body, page


def record_hostile_event() -> None:
    stranger = Caller(actor=HOSTILE, address="192.0.2.1", user_agent=HOSTILE)
    audit.record("token.issued", by=stranger, about=HOSTILE, now=NOW, note=HOSTILE)
