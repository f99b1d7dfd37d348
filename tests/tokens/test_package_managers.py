"""On every distribution the right package manager is asked for the right packages, and for nothing else."""

from pathlib import Path

import pytest

from tests.tokens.machine import Machine, body_of, linux_script, needs_machine

pytestmark = needs_machine
DATA = Path(__file__).parent.parent / "data" / "os_release"
MANAGERS = ["apt-get", "dnf", "yum", "zypper", "pacman", "apk", "amazon-linux-extras"]
# Where EPEL is needed, nothing of WireGuard is found before it is there.
MANAGER = r"""
case " $* " in
*' --version '*) echo "$(cat /record/version)"; exit ;;
*epel*) : >/record/epel ;;
*' wireguard-tools '*) [ ! -e /record/needs-epel ] || [ -e /record/epel ] || exit 1; : >/record/installed ;;
esac
"""
DNF4, DNF5 = "4.14.0", "dnf5 version 5.2.12.0"
APT = ["apt-get"], "apt-get install -y --no-install-recommends --no-upgrade wireguard-tools iproute2"
SKIP = "--setopt=*.skip_if_unavailable=1"
YUM = ["yum"], f"yum -y --setopt=exit_on_lock=1 install {SKIP} wireguard-tools iproute"
DNF = ["dnf", "yum"], f"dnf -y --setopt=exit_on_lock=1 install {SKIP} wireguard-tools iproute"
DNF_5 = ["dnf", "yum"], f"dnf -y install {SKIP} wireguard-tools iproute"
ZYPPER = ["zypper"], "zypper --non-interactive install --no-recommends wireguard-tools iproute2"
PACMAN = ["pacman"], "pacman -S --noconfirm --needed wireguard-tools iproute2"
APK = ["apk"], "apk add --no-cache wireguard-tools iproute2"
FEDORA_EPEL = "https://dl.fedoraproject.org/pub/epel/epel-release-latest-{}.noarch.rpm"

# What is there, what installs, and what brings EPEL where that is needed.
DISTRIBUTIONS = {
    **dict.fromkeys(
        ["debian-11", "debian-12", "debian-13", "ubuntu-20.04", "ubuntu-22.04", "ubuntu-24.04"], (*APT, "")
    ),
    **dict.fromkeys(["mint-21.3", "pop-22.04", "raspbian-12", "kali-2025"], (*APT, "")),
    "rhel-7": (*YUM, FEDORA_EPEL.format(7)),
    "rhel-8": (*DNF, FEDORA_EPEL.format(8)),
    **dict.fromkeys(["rhel-9", "rhel-10", "rocky-9", "almalinux-9", "oracle-9", "amazon-2023"], (*DNF, "")),
    **dict.fromkeys(["rocky-8", "almalinux-8"], (*DNF, "epel-release")),
    "oracle-8": (*DNF, "oracle-epel-release-el8"),
    "centos-7": (*YUM, "epel-release"),
    "amazon-2": (["yum", "amazon-linux-extras"], YUM[1], "amazon-linux-extras install -y epel"),
    "fedora-40": (*DNF, ""),
    "fedora-42": (*DNF_5, ""),
    **dict.fromkeys(["opensuse-leap", "opensuse-tumbleweed", "sles-15"], (*ZYPPER, "")),
    **dict.fromkeys(["arch", "manjaro"], (*PACMAN, "")),
    "alpine-3.20": (*APK, ""),
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    machine = Machine(tmp_path_factory.mktemp("machine"))
    definitions = body_of(linux_script()).rpartition('main "$@"')[0]
    ready = "have_all_tools() { [ -e /record/installed ]; }\nprepare_shell\nSTATE=/tmp\nLOG=/tmp/log\n"
    machine.put("definitions.sh", f"{definitions}\n{ready}")
    for name in ("wg", "wg-quick", "ip"):
        machine.hide(name)
    yield machine
    machine.close()


def is_like(machine, distribution, managers):
    """Make the machine one of that distribution, with these package managers."""
    machine.run("sh", "-c", "rm -f /etc/os-release /record/calls /record/epel /record/needs-epel /record/installed")
    machine.put("etc/os-release", (DATA / distribution).read_text())
    machine.put("record/version", DNF5 if distribution == "fedora-42" else DNF4)
    for name in MANAGERS:
        machine.hide(name)
    for name in managers:
        machine.put_tool(name, MANAGER)


def install(machine):
    """Install what is missing; return what was said and the calls of managers."""
    done = machine.run("sh", text=". /definitions.sh\ninstall_packages\n")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout, [call for call in machine.calls() if "--version" not in call]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_every_distribution_is_asked_by_its_own_manager(machine, distribution):
    managers, wanted, epel = DISTRIBUTIONS[distribution]
    is_like(machine, distribution, managers)
    if epel:
        machine.put("record/needs-epel")
    said, calls = install(machine)
    if epel:
        first, added, last = calls
        assert (first, last) == (wanted, wanted)
        assert added == epel or added == wanted.replace("wireguard-tools iproute", epel)
    else:
        assert calls == [wanted]
    assert f"      {wanted.split()[0]}: {' '.join(wanted.split()[-2:])}\n" in said


def test_there_is_a_text_for_every_distribution_and_the_other_way_round():
    assert {path.name for path in DATA.iterdir()} == set(DISTRIBUTIONS)
    assert len(DISTRIBUTIONS) >= 25


FOREIGN = {
    "fedora-40": "apt-get",
    "opensuse-tumbleweed": "dnf",
    "arch": "apt-get",
    "debian-13": "dnf",
    "rocky-9": "apt-get",
}


@pytest.mark.parametrize("distribution", FOREIGN)
def test_a_manager_that_is_there_for_other_purposes_is_left_alone(machine, distribution):
    """Many distributions have others' managers as packages, to build images with."""
    managers, wanted, _epel = DISTRIBUTIONS[distribution]
    is_like(machine, distribution, [*managers, FOREIGN[distribution]])
    assert install(machine)[1] == [wanted]


def test_an_unknown_distribution_uses_the_manager_it_has(machine):
    is_like(machine, "alpine-3.20", ["pacman"])
    machine.put("etc/os-release", "ID=somebodys-own\n")
    assert install(machine)[1] == [PACMAN[1]]


def test_hostile_words_in_os_release_are_not_run(machine):
    is_like(machine, "rocky-8", ["dnf"])
    machine.put("etc/os-release", "ID=\"$(touch /pwned)\"\nVERSION_ID='`touch /pwned`'\nID_LIKE=rhel;touch /pwned\n")
    assert install(machine)[1] == [DNF[1]]
    assert not machine.exists("pwned")
