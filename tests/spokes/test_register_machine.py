"""What a machine says of itself when it registers: platform, metadata, and the Proxmox cluster it claims to be in."""

import pytest
from django.utils import timezone

from hubproject.models import AuditEvent
from proxmox.models import Cluster
from spokes.models import Spoke
from tests.conftest import BY_TEST, enrol, issue, refused_fields, register
from tokens.services import revoke_token

pytestmark = pytest.mark.django_db

FINGERPRINT = ":".join(["AB"] * 32)


@pytest.mark.parametrize(
    ("told", "kept"), [("linux", "linux"), ("Linux", "linux"), ("MACOS", "macos"), ("Windows", "windows")]
)
def test_the_platform_is_taken_in_any_case(hub, told, kept):
    assert register(issue().secret, os=told).json()["spoke"]["os"] == kept


@pytest.mark.parametrize("told", ["beos", "linux2", "lin ux", "l\u0131nux", "x" * 5000])
def test_an_unknown_platform_is_refused(hub, told):
    assert set(refused_fields(register(issue().secret, os=told))) == {"os"}


def test_null_and_empty_optional_fields_are_absent(hub):
    optional = ["isProxmox", "proxmoxNodeName", "proxmoxClusterName", "proxmoxClusterFingerprint", "proxmoxVersion"]
    for number, absent in enumerate([None, ""]):
        spoke = enrol(f"spoke{number}", **dict.fromkeys([*optional, "metadata"], absent))["spoke"]
        assert (spoke["isProxmox"], spoke["proxmoxNodeName"], spoke["metadata"]) == (False, None, {})


def test_metadata_is_kept_as_it_was_sent(hub, viewer):
    metadata = {
        "wireguardVersion": "1.0.20210914",
        "kernelVersion": "6.1.0-18-amd64",
        "quorate": True,
        "load": [0.5, 1, -3],
        "name": 'Zürich "1" \u540d\u524d \U0001f600',
        "nothing": None,
        "": "",
    }
    spoke = enrol(metadata=metadata)
    assert spoke["spoke"]["metadata"] == metadata
    assert viewer.get(f"/api/spoke/{spoke['spokeId']}/status").json()["spoke"]["metadata"] == metadata


def nested(depth: int) -> dict:
    value: dict = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        pytest.param({"a": "x" * (8192 - 9)}, 201, id="8 KiB"),
        pytest.param({"a": "x" * (8192 - 8)}, 400, id="one byte more"),
        pytest.param({"a": "é" * 4000}, 201, id="8 KiB in UTF-8"),
        pytest.param({f"k{number}": number for number in range(2000)}, 400, id="many keys"),
        pytest.param(nested(4), 201, id="4 levels"),
        pytest.param(nested(5), 400, id="5 levels"),
        pytest.param({"a": [[[1]]]}, 201, id="4 levels of lists"),
        pytest.param({"a": [[[[]]]]}, 400, id="5 levels of lists"),
    ],
)
def test_metadata_has_its_limits(hub, metadata, status):
    answer = register(issue().secret, metadata=metadata)
    assert answer.status_code == status
    if status == 400:
        assert set(refused_fields(answer)) == {"metadata"}


@pytest.mark.parametrize("field", ["proxmoxNodeName", "proxmoxClusterName", "proxmoxVersion"])
@pytest.mark.parametrize("text", ["x" * 64, "two\nlines", "bell\u0007", "a\u2028b", "a\u202eb"])
def test_names_are_one_printable_line_of_63_characters(hub, field, text):
    assert set(refused_fields(register(issue().secret, **{field: text}))) == {field}


@pytest.mark.parametrize("text", ["x", "AB" * 31, "AB" * 33, "GG" * 32, ":" * 95, "\u0661" * 64])
def test_a_fingerprint_is_64_hex_digits(hub, text):
    assert set(refused_fields(register(issue().secret, proxmoxClusterFingerprint=text))) == {
        "proxmoxClusterFingerprint"
    }


# --- Proxmox ------------------------------------------------------------------------------------------------------


def node(name: str, cluster: str = "pve", fingerprint: str | None = None, **fields) -> dict:
    told = {"os": "proxmox", "isProxmox": True, "proxmoxNodeName": name, "proxmoxClusterName": cluster, **fields}
    return enrol(name, proxmoxClusterFingerprint=fingerprint, **told)["spoke"]


def cluster_of(spoke: dict) -> Cluster:
    return Cluster.objects.get(id=spoke["proxmoxClusterId"])


def test_a_node_makes_its_cluster_known(hub):
    spoke = node("pve1", fingerprint=FINGERPRINT, proxmoxVersion="8.1.4", metadata={"clusterNodes": ["pve1", "pve2"]})
    assert (spoke["isProxmox"], spoke["proxmoxNodeName"], spoke["proxmoxVersion"]) == (True, "pve1", "8.1.4")
    cluster = cluster_of(spoke)
    assert (cluster.cluster_name, cluster.fingerprint, cluster.known_nodes) == ("pve", "ab" * 32, ["pve1", "pve2"])
    event = AuditEvent.objects.get(event="cluster.found")
    assert (event.object, event.details) == ("pve", {"cluster": str(cluster.pk), "fingerprint": "ab" * 32})


def test_the_platform_alone_makes_a_proxmox_node(hub):
    spoke = enrol("pve1", os="proxmox", proxmoxClusterName="pve")["spoke"]
    assert (spoke["isProxmox"], spoke["proxmoxClusterId"] is not None) == (True, True)


def test_a_machine_that_is_no_node_joins_no_cluster(hub):
    for name, told in {"a": {"os": "linux"}, "b": {"os": "proxmox", "isProxmox": False}}.items():
        assert enrol(name, proxmoxClusterName="pve", **told)["spoke"]["proxmoxClusterId"] is None
    assert enrol("c", os="proxmox")["spoke"]["proxmoxClusterId"] is None
    assert not Cluster.objects.exists()


def test_nodes_with_one_fingerprint_share_a_cluster_however_it_is_written(hub):
    first, second = node("pve1", fingerprint=FINGERPRINT), node("pve2", fingerprint="ab" * 32)
    assert first["proxmoxClusterId"] == second["proxmoxClusterId"]


def test_a_renamed_cluster_is_known_by_its_fingerprint(hub):
    first, second = node("pve1", "old", FINGERPRINT), node("pve2", "new", FINGERPRINT)
    assert first["proxmoxClusterId"] == second["proxmoxClusterId"]


def test_two_clusters_may_bear_one_name(hub):
    first, second = node("pve1", "pve", "a" * 64), node("pve2", "pve", "b" * 64)
    assert first["proxmoxClusterId"] != second["proxmoxClusterId"]
    assert Cluster.objects.filter(cluster_name="pve").count() == 2


def test_without_a_fingerprint_a_node_joins_the_only_cluster_of_that_name(hub):
    first, second = node("pve1", "pve", FINGERPRINT), node("pve2", "pve")
    assert first["proxmoxClusterId"] == second["proxmoxClusterId"]
    assert cluster_of(second).fingerprint == "ab" * 32


def test_the_first_fingerprint_seen_sticks(hub):
    first, second, third = node("pve1", "pve"), node("pve2", "pve", "a" * 64), node("pve3", "pve", "b" * 64)
    assert first["proxmoxClusterId"] == second["proxmoxClusterId"] != third["proxmoxClusterId"]
    assert cluster_of(first).fingerprint == "a" * 64


def test_without_a_fingerprint_a_node_joins_none_of_two_proven_clusters(hub):
    proven = {node("pve1", "pve", "a" * 64)["proxmoxClusterId"], node("pve2", "pve", "b" * 64)["proxmoxClusterId"]}
    third, fourth = node("pve3", "pve"), node("pve4", "pve")
    assert third["proxmoxClusterId"] not in proven
    assert third["proxmoxClusterId"] == fourth["proxmoxClusterId"]


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (["pve1", "pve2"], ["pve1", "pve2"]),
        ("pve1,pve2", ["pve1", "pve2"]),
        (" pve1 , pve2 ,", ["pve1", "pve2"]),
        ([" pve1 ", "", "p"], ["pve1", "p"]),
        (["pve1", 5, None, ["x"]], ["pve1"]),
        ([], []),
        ("", []),
        (None, []),
    ],
)
def test_the_member_nodes_come_as_a_list_or_as_text(hub, told, known):
    assert cluster_of(node("pve1", metadata={"clusterNodes": told})).known_nodes == known


@pytest.mark.parametrize("told", [5, 1.5, True, {"pve1": {}}])
def test_member_nodes_that_are_none_are_no_reason_to_fail(hub, told):
    assert cluster_of(node("pve1", metadata={"clusterNodes": told})).known_nodes == []


def test_the_latest_report_of_member_nodes_is_kept(hub):
    node("pve1", metadata={"clusterNodes": ["pve1"]})
    spoke = node("pve2", metadata={"clusterNodes": ["pve1", "pve2"]})
    node("pve3")
    assert cluster_of(spoke).known_nodes == ["pve1", "pve2"]


def test_a_node_is_not_confirmed_by_its_own_word(hub):
    node("pve1", fingerprint=FINGERPRINT)
    assert not Spoke.objects.get().confirmed


def test_a_refused_registration_makes_no_cluster(hub):
    issued = issue()
    revoke_token(token_id=issued.row.pk, by=BY_TEST, now=timezone.now())
    assert register(issued.secret, os="proxmox", proxmoxClusterName="pve").status_code == 410
    assert not Cluster.objects.exists()
