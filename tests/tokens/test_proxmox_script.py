"""The Proxmox VE script on throw-away nodes whose Proxmox tools are stand-ins that print real-looking texts."""

import hashlib
import json
import ssl
from pathlib import Path

import pytest
from django.test import Client

from proxmox.models import Cluster
from spokes.models import Spoke
from tests.conftest import JSON, issue
from tests.tokens.machine import SHELLS, Machine, accepted, body_of, last_line, needs_machine, script_values
from tokens.scripts import render_script

pytestmark = needs_machine
DATA = Path(__file__).parent.parent / "data" / "proxmox"
CONNECTED = "Connected: web-1 is 10.0.1.5 on wg0, hub 203.0.113.1:51820."
FINGERPRINT = hashlib.sha256(ssl.PEM_cert_to_DER_cert((DATA / "etc/pve-root-ca.pem").read_text())).hexdigest()
PVESH = '[ "$*" = "get /cluster/status --output-format json" ] && cat /record/pvesh'
# "pvecm" on a node that stands alone.
PVECM = 'cat "/record/pvecm.$1" || { echo "Error: Corosync config does not exist" >&2; exit 2; }'
FILES = {"pve-root-ca.pem": "etc/pve", "corosync.conf": "etc/pve", "storage.cfg": "etc/pve"}
FILES |= {"interfaces": "etc/network", "sdn": "etc/network/interfaces.d"}


@pytest.fixture(scope="module", params=SHELLS)
def node(request, tmp_path_factory):
    """A Proxmox VE node, a machine for each shell; what it knows is set anew for each test."""
    machine = Machine(tmp_path_factory.mktemp("node"), request.param)
    machine.put_tool("pveversion", "cat /record/pveversion")
    machine.put_tool("pvesh", PVESH)
    machine.put_tool("pvecm", PVECM)
    definitions = body_of(proxmox_script()).rpartition('main "$@"')[0]
    machine.put("definitions.sh", f"{definitions}\nprepare_shell\nINTERFACE=wg0\nSTATE=/tmp\n")
    yield machine
    machine.close()


def proxmox_script(platform="proxmox", **changes):
    return render_script(platform, script_values(**changes))


def knows(machine, *, members="", pvesh="", pvecm="", version="8", etc=()):
    """Set what a node knows of itself; each names a file of tests/data/proxmox."""
    machine.run("sh", "-c", "rm -rf /etc/pve /etc/corosync /etc/network/interfaces* /record/pvesh /record/pvecm.*")
    machine.put("etc/pve/.version")
    machine.put("record/pveversion", (DATA / "pveversion" / f"{version}.txt").read_text())
    if members:
        machine.put("etc/pve/.members", (DATA / "members" / f"{members}.json").read_text())
    if pvesh:
        machine.put("record/pvesh", (DATA / "pvesh" / f"{pvesh}.json").read_text())
    for word in ("status", "nodes") if pvecm else ():
        machine.put(f"record/pvecm.{word}", (DATA / "pvecm" / f"{pvecm}.{word}.txt").read_text())
    for name in etc:
        machine.put(f"{FILES[name]}/{name}", (DATA / "etc" / name).read_text())


def ask(machine, *commands):
    """What functions of the body print on that machine."""
    done = machine.run("sh", text="\n".join([". /definitions.sh", *commands]) + "\n")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def report(machine):
    """The members of the registration that a node adds, and those of its metadata."""
    text = ask(machine, "print_platform_fields", "echo", "print_platform_metadata")
    fields, metadata = text.split("\n")
    return json.loads('{"":0' + fields + "}"), json.loads('{"":0' + metadata + "}")


def in_cluster(name, node, *members, quorate=True, version="8.1.3", **more):
    fields = {"": 0, "isProxmox": True, "proxmoxNodeName": node, "proxmoxVersion": version, "proxmoxClusterName": name}
    return fields | more, {"": 0, "isClustered": True, "clusterNodes": list(members), "quorate": quorate}


def alone(node):
    return (
        {"": 0, "isProxmox": True, "proxmoxNodeName": node, "proxmoxVersion": "8.1.3"},
        {"": 0, "isClustered": False},
    )


# ---- what a node says of itself

THREE = ["pve1", "pve2", "pve3"]
RACKS = [f"rack{number:02d}-a-very-long-node-name-of-the-hall-behind-the-second-door" for number in range(1, 33)]
NODES = {
    "alone": ({"members": "standalone", "etc": ["pve-root-ca.pem"]}, alone("lonely")),
    "alone, told by pvesh": ({"pvesh": "standalone"}, alone("lonely")),
    "of three": ({"members": "three", "pvesh": "standalone"}, in_cluster("dc1-prod", "pve2", *THREE)),
    "with the CA of the cluster": (
        {"members": "three", "etc": ["pve-root-ca.pem"]},
        in_cluster("dc1-prod", "pve2", *THREE, proxmoxClusterFingerprint=FINGERPRINT),
    ),
    "without quorum": (
        {"members": "no-quorum", "version": "7"},
        in_cluster("dc1-prod", "pve2", *THREE, quorate=False, version="7.4-17"),
    ),
    "of thirty-two": (
        {"members": "thirty-two", "version": "9"},
        in_cluster("hall-west", RACKS[16], *RACKS, version="9.0.3"),
    ),
    "with broken .members": ({"members": "broken", "pvesh": "three"}, in_cluster("dc1-prod", "pve2", *THREE)),
    "with nothing but pvecm 6.4": (
        {"pvecm": "6.4", "version": "6.4"},
        in_cluster("attic-6", "six1", "six1", "six2", version="6.4-13"),
    ),
    "of a cluster called Name:, without quorum, pvecm 7": (
        {"members": "broken", "pvecm": "7", "version": "7"},
        in_cluster("Name:", "seven2", "seven2", quorate=False, version="7.4-17"),
    ),
    "with a QDevice, pvecm 8": ({"pvecm": "8"}, in_cluster("two-and-a-half", "eight1", "eight1", "eight2")),
    "called (local), pvecm 9": (
        {"pvecm": "9", "version": "9"},
        in_cluster("north wing", "(local)", "nine1", "(local)", "(local)", version="9.0.3"),
    ),
}


@pytest.mark.parametrize(("known", "expected"), NODES.values(), ids=NODES)
def test_a_node_says_what_it_is(node, known, expected):
    knows(node, **known)
    assert report(node) == expected


@pytest.mark.parametrize("members", ["standalone", "broken"])
def test_a_node_whose_corosync_is_down_is_still_of_its_cluster(node, members):
    knows(node, members=members, pvesh="standalone", etc=["corosync.conf"])
    fields, metadata = report(node)
    assert (fields["proxmoxClusterName"], metadata["isClustered"]) == ("dc1-prod", True)
    assert metadata["clusterNodes"] == ["pve1", "pve2"]


def test_a_node_that_knows_nothing_has_the_machines_name(node):
    knows(node)
    fields, metadata = report(node)
    assert fields["proxmoxNodeName"] == node.run("uname", "-n").stdout.strip().partition(".")[0]
    assert metadata == {"": 0, "isClustered": False}


def test_hostile_names_are_plain_text_that_the_hub_takes(node):
    knows(node, members="hostile")
    fields, metadata = report(node)
    assert fields["proxmoxNodeName"] == "$(touch /pwned)"
    assert fields["proxmoxClusterName"] == "`touch /pwned` 'B?ro' \"quoted\" back\\slash   name member x"
    assert metadata["clusterNodes"] == ["a.b.c", "knoten-??", "'; touch /pwned; '", '","x":"', '\\"' * 31 + "\\"]
    assert not node.exists("pwned")


def test_whatever_the_size_of_a_cluster_the_hub_takes_its_members(node):
    knows(node)
    names = ['"' * 70 + str(number) for number in range(300)]
    members = {"nodename": "n", "cluster": {"name": "c", "quorate": 1}, "nodelist": {n: {"id": 1} for n in names}}
    node.put("etc/pve/.members", json.dumps(members))
    _fields, metadata = report(node)
    assert set(metadata["clusterNodes"]) == {'"' * 63}
    assert 6000 < len(json.dumps(metadata)) < 7500


@pytest.mark.parametrize("cut", [0, 1, 60, 200])
def test_members_cut_at_any_place_are_not_half_believed(node, cut):
    knows(node, members="three", pvesh="three")
    node.put("etc/pve/.members", node.read("etc/pve/.members")[:cut])
    assert report(node) == in_cluster("dc1-prod", "pve2", *THREE)


@pytest.mark.parametrize(
    "damage", ["", "rubbish", "-----BEGIN CERTIFICATE-----\nMIIC*\n-----END CERTIFICATE-----\n", "cut"]
)
def test_a_broken_certificate_is_no_fingerprint(node, damage):
    knows(node, members="three", etc=["pve-root-ca.pem"])
    whole = node.read("etc/pve/pve-root-ca.pem")
    node.put("etc/pve/pve-root-ca.pem", whole[:600] if damage == "cut" else damage)
    assert report(node) == in_cluster("dc1-prod", "pve2", *THREE)


def test_what_hangs_is_left_behind(node):
    """Without quorum the file system and everything that asks it may hang."""
    knows(node, etc=["corosync.conf"])
    node.run("mkfifo", "/etc/pve/.members")
    # With what hangs alone: what answers may take its time.
    impatient = (
        'timeout() { shift 3; case $* in *.members | pvesh*) set -- 0.2 "$@" ;; *) set -- 60 "$@" ;; esac;'
        ' command timeout -k 0.2 "$@"; }'
    )
    node.put_tool("pvesh", "sleep 100")
    fields = ask(node, impatient, "print_platform_fields")
    node.put_tool("pvesh", PVESH)
    assert '"proxmoxClusterName":"dc1-prod"' in fields


# ---- what it needs for itself

USED = {
    "172.20.0.2/31": "172.20.0.2 (corosync, node pve2)",
    "172.21.0.1/32": "172.21.0.1 (corosync, node pve1)",
    "172.21.0.2/32": "172.21.0.2 (corosync, node pve2)",  # by a name
    "172.22.0.0/16": "172.22.0.9 (corosync, node QDevice)",
    "172.23.0.1/32": "172.23.0.1 (storage tank)",
    "172.23.0.2/32": "172.23.0.2 (storage office)",  # by a name
    "172.23.0.3/32": "172.23.0.3 (storage san)",
    "172.23.0.4/32": "172.23.0.4 (storage backups)",
    **{f"172.23.0.{last}/32": f"172.23.0.{last} (storage ceph-far)" for last in range(5, 10)},
    "172.23.0.11/32": "172.23.0.11 (storage bricks)",
    "172.24.0.0/24": "172.24.0.2/24 (bridge vmbr0)",
    "172.25.1.0/24": "172.25.0.1/23 (bridge vmbr1)",
    "172.26.15.0/24": "172.26.0.1/20 (bridge vmbr2)",
    "172.27.9.0/24": "172.27.0.1/16 (bridge vnet7)",
    "172.25.2.0/24": "",
    "172.20.0.4/30": "",
    "172.23.0.64/26": "",
}
GETENT = "case $2 in nas.example) echo '172.23.0.2 STREAM nas';; pve2-ring1.example) echo '172.21.0.2 STREAM p';; esac"


def test_links_storage_and_bridges_are_found_and_named(node):
    knows(node, members="three", etc=["corosync.conf", "storage.cfg", "interfaces", "sdn"])
    node.put_tool("getent", GETENT)
    question = 'taken=$(echo "$used" | overlapping {} wg0); [ -z "$taken" ] || name_network $taken; echo'
    questions = [question.format(network) for network in USED]
    found = ask(node, "used=$(list_platform_networks)", *questions).split("\n")[:-1]
    assert dict(zip(USED, found, strict=True)) == USED


def test_a_spoke_may_reach_its_storage_through_the_tunnel(node):
    """What was added after the machine joined is no reason to refuse the next run."""
    knows(node, members="three", etc=["storage.cfg"])
    assert ask(node, "MARK='# x'", "is_ours() { :; }", "list_platform_networks") == ""


def test_a_hostile_storage_name_goes_into_no_command(node):
    knows(node)
    node.put(
        "etc/pve/storage.cfg", "nfs: *;$(touch /pwned)\n\tserver 172.23.0.1\n\nnfs: b\n\tserver -x$(touch /pwned)\n"
    )
    assert ask(node, "list_platform_networks") == "172.23.0.1 dev storage:____touch\n"
    assert not node.exists("pwned")


# ---- whole runs


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    machine.put_tool("pveversion", "cat /record/pveversion")
    machine.put_tool("pvesh", PVESH)
    machine.put_tool("pvecm", PVECM)
    yield machine
    machine.close()


@pytest.mark.parametrize("platform", ["proxmox", "linux"])
def test_both_commands_enrol_a_node_as_one(machine, platform):
    knows(machine, members="three", etc=["pve-root-ca.pem"])
    done = machine.pipe(proxmox_script(platform))
    assert (done.returncode, done.stderr, last_line(done.stdout)) == (0, "", CONNECTED)
    (request,) = machine.requests()
    assert (request["os"], request["isProxmox"], request["proxmoxClusterName"]) == ("proxmox", True, "dc1-prod")
    assert request["proxmoxClusterFingerprint"] == FINGERPRINT
    assert ("joins as one" in done.stdout) == (platform == "linux")


def test_a_machine_without_proxmox_is_told_which_command_to_take(tmp_path):
    machine = Machine(tmp_path)
    done = machine.pipe(proxmox_script())
    machine.close()
    assert (done.returncode, machine.calls("curl")) == (3, [])
    assert last_line(done.stderr) == "Stopped: This command is for Proxmox VE nodes: paste the one for Linux here."


OF_PROXMOX = [
    "etc/resolv.conf",
    "etc/network/interfaces",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/pve-enterprise.list",
    "etc/pve/firewall/cluster.fw",
    "etc/wireguard/proxmox/wg0.conf",
]


def test_what_belongs_to_proxmox_stays_byte_for_byte(machine):
    """The fabric's wg0 is down at the moment; the name is its own all the same."""
    knows(machine, members="three", etc=["corosync.conf", "storage.cfg", "interfaces"])
    for path in OF_PROXMOX[2:]:
        machine.put(path, f"# {path}\n")
    (machine.root / "etc/pve/firewall/cluster.fw").chmod(0o640)
    paths = [machine.root / path for path in OF_PROXMOX]
    before = [(path.read_bytes(), path.stat()) for path in paths]
    machine.put_tool("resolvconf")
    machine.answers(accepted(dns=["10.0.1.1"]))
    done = machine.pipe(proxmox_script())
    assert last_line(done.stdout) == CONNECTED.replace("wg0", "wg1")
    assert [(path.read_bytes(), path.stat()) for path in paths] == before
    assert "DNS" not in machine.read("etc/wireguard/wg1.conf")


def test_a_node_without_quorum_whose_etc_pve_is_read_only_connects(machine):
    knows(machine, members="no-quorum", etc=["pve-root-ca.pem", "storage.cfg"])
    machine.run("mount", "--bind", "/etc/pve", "/etc/pve")
    machine.run("mount", "-o", "remount,ro,bind", "/etc/pve")
    assert machine.run("touch", "/etc/pve/x").returncode == 1
    done = machine.pipe(proxmox_script())
    assert (last_line(done.stdout), done.stderr) == (CONNECTED, "")
    assert machine.requests()[0]["metadata"]["quorate"] is False


def test_a_link_of_corosync_in_the_hubs_network_is_refused_by_name(machine):
    knows(machine, members="three", etc=["corosync.conf"])
    done = machine.pipe(proxmox_script(network_cidr="172.20.0.0/24"))
    assert (done.returncode, machine.calls("curl"), machine.configs()) == (3, [], [])
    assert last_line(done.stderr) == (
        "Stopped: The hub's network 172.20.0.0/24 overlaps 172.20.0.1 (corosync, node pve1), "
        "which this machine already uses."
    )


def test_the_enterprise_repository_without_a_subscription_stops_nothing(machine):
    """apt-get update fails with 401, and the package comes from Debian's own repository."""
    knows(machine, members="standalone")
    machine.run("sh", "-c", "mkdir /later && mv /usr/sbin/wg /usr/sbin/wg-quick /later/ && cp /usr/bin/wg /bin/real-wg")
    machine.run("sed", "-i", "s|/usr/bin/wg|/bin/real-wg|", "/later/wg")
    machine.hide("wg")
    machine.hide("wg-quick")
    machine.put_tool(
        "apt-get",
        "case $* in update*) : >/record/updated; echo 'E: 401 Unauthorized' >&2; exit 100 ;; esac\n"
        "[ -e /record/updated ] || exit 100\nmv /later/* /usr/sbin/",
    )
    done = machine.pipe(proxmox_script())
    assert (done.returncode, last_line(done.stdout)) == (0, CONNECTED)


# ---- the real hub takes exactly what a node sends


@pytest.mark.django_db
def test_the_hub_makes_the_clusters_and_nodes_that_the_machines_are(hub, machine):
    machine.run("sh", "-c", "mkdir -p /etc/pve")
    told = {
        "n1": {"members": "three", "etc": ["pve-root-ca.pem"]},
        "n2": {"pvesh": "three", "etc": ["pve-root-ca.pem"]},
        "n3": {"pvecm": "9", "version": "9"},
        "n4": {"members": "thirty-two"},
        "n5": {"members": "hostile"},
        "n6": {"members": "standalone", "etc": ["pve-root-ca.pem"]},
    }
    for name, known in told.items():
        knows(machine, **known)
        secret = issue(name).secret
        assert machine.pipe(proxmox_script(token=secret)).returncode == 0
        body = (machine.root / "record/requests").read_text().splitlines()[-1]
        answer = Client().post("/api/spoke/register", body, content_type=JSON)
        assert answer.status_code == 201, answer.content
        machine.run("sh", "-c", "rm -f /etc/wireguard/*.conf /record/link.* /record/handshake.*")
    dc1 = Cluster.objects.get(cluster_name="dc1-prod")
    assert (dc1.fingerprint, dc1.known_nodes) == (FINGERPRINT, THREE)
    assert [node.name for node in dc1.nodes.order_by("name")] == ["n1", "n2"]
    assert Cluster.objects.get(cluster_name="north wing").known_nodes == ["nine1", "(local)", "(local)"]
    assert Cluster.objects.get(cluster_name="hall-west").known_nodes == RACKS
    assert Spoke.objects.get(name="n5").proxmox_node_name == "$(touch /pwned)"
    assert Spoke.objects.get(name="n6").proxmox_cluster is None
    assert Cluster.objects.count() == 4
