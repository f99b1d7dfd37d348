"""What a machine lacks is installed, stood in for, or named in one line: packages, repositories, a kernel module."""

import pytest

from tests.tokens.machine import CONNECTED, last_line, linux_script, needs_machine

pytestmark = needs_machine
MANAGERS = ("apt-get", "dnf", "yum", "zypper", "pacman", "apk")
TOOLS_ARRIVE = "mv /later/* /usr/sbin/"


@pytest.fixture
def bare(machine):
    """A machine without wg, wg-quick and package managers; /later has the tools."""
    machine.run("sh", "-c", "mkdir /later && cp /usr/sbin/wg /usr/sbin/wg-quick /later/ && cp /usr/bin/wg /bin/real-wg")
    machine.run("sed", "-i", "s|/usr/bin/wg|/bin/real-wg|", "/later/wg")
    for tool in ("wg", "wg-quick", *MANAGERS):
        machine.hide(tool)
    return machine


def is_a(machine, **release):
    machine.run("rm", "-f", "/etc/os-release")
    machine.put("etc/os-release", "".join(f'{key}="{value}"\n' for key, value in release.items()))


def calls(machine, manager):
    return [call for call in machine.calls(manager) if "--version" not in call]


# ---- another manager at work

LOCKED = {
    "apt-get": "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 42 (unattended-upgr)",
    "dnf": "Failed to obtain the transaction lock (logged in as: root).",
    "yum": "Existing lock /var/run/yum.pid: another copy is running as pid 42.",
    "zypper": "System management is locked by the application with pid 42 (zypper).",
    "pacman": "error: failed to init transaction (unable to lock database)",
    "apk": "ERROR: Unable to lock database: temporary error (try again later)",
}


@pytest.mark.parametrize("manager", MANAGERS)
def test_another_package_manager_is_waited_for_and_that_is_said_once(bare, manager):
    bare.put_tool(
        manager,
        f"""case $* in *--version*) exit ;; esac
echo x >>/record/tries
[ "$(wc -l </record/tries)" -gt 1 ] || {{ echo '{LOCKED[manager]}' >&2; exit 1; }}
{TOOLS_ARRIVE}""",
    )
    done = bare.pipe(linux_script())
    assert last_line(done.stdout) == CONNECTED
    assert done.stdout.count("Another package manager is at work; waiting for it.") == 1


def test_a_lock_that_is_held_for_too_long_is_named(bare):
    bare.put_tool("apt-get", f"echo '{LOCKED['apt-get']}' >&2; exit 100")
    done = bare.pipe(linux_script(), environment={"WIREGUARD_HUB_LOCK_SECONDS": "1"})
    assert done.returncode == 5
    assert "Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 42" in last_line(done.stderr)


# ---- repositories


def test_a_broken_source_does_not_stop_apt_from_installing_out_of_the_others(bare):
    bare.put_tool(
        "apt-get",
        f"case $1 in update) : >/fresh; echo 'E: The repository is broken'; exit 100 ;; esac\n"
        f"[ -e /fresh ] && {TOOLS_ARRIVE}",
    )
    assert last_line(bare.pipe(linux_script()).stdout) == CONNECTED


def test_zypper_may_complain_of_a_skipped_repository(bare):
    bare.put_tool("zypper", f"{TOOLS_ARRIVE}; exit 106")
    assert last_line(bare.pipe(linux_script()).stdout) == CONNECTED


def test_pacman_refreshes_its_lists_only_when_it_has_to(bare):
    bare.put_tool("pacman", f"case $1 in -Sy) {TOOLS_ARRIVE} ;; *) exit 1 ;; esac")
    assert last_line(bare.pipe(linux_script()).stdout) == CONNECTED
    assert [call.split()[1] for call in bare.calls("pacman")] == ["-S", "-Sy"]


@pytest.mark.parametrize("manager", ["dnf", "yum"])
def test_dnf_and_yum_go_round_broken_repositories_and_give_up_on_locks(bare, manager):
    bare.put_tool(manager, f"case $* in --version) echo 4.14.0 ;; *) {TOOLS_ARRIVE} ;; esac")
    bare.pipe(linux_script())
    (call,) = calls(bare, manager)
    assert call == (f"{manager} -y --setopt=exit_on_lock=1 install --setopt=*.skip_if_unavailable=1 wireguard-tools")


def test_dnf_5_is_not_told_what_it_does_not_know(bare):
    bare.put_tool("dnf", f"case $* in --version) echo 'dnf5 version 5.2.8' ;; *) {TOOLS_ARRIVE} ;; esac")
    bare.pipe(linux_script())
    assert calls(bare, "dnf") == ["dnf -y install --setopt=*.skip_if_unavailable=1 wireguard-tools"]


EPEL = {
    ("rocky", "8.10"): "epel-release",
    ("almalinux", "8.9"): "epel-release",
    ("centos", "7"): "epel-release",
    ("ol", "8.9"): "oracle-epel-release-el8",
    ("rhel", "8.10"): "https://dl.fedoraproject.org/pub/epel/epel-release-latest-8.noarch.rpm",
}


@pytest.mark.parametrize(("release", "package"), EPEL.items(), ids=lambda value: str(value[0]))
def test_enterprise_linux_gets_the_tools_from_epel_where_its_own_repositories_lack_them(bare, release, package):
    is_a(bare, ID=release[0], VERSION_ID=release[1])
    bare.put_tool(
        "yum",
        f"case $* in *epel*) : >/epel ;; *wireguard-tools) [ -e /epel ] && {TOOLS_ARRIVE} ;; esac",
    )
    done = bare.pipe(linux_script())
    assert last_line(done.stdout) == CONNECTED
    assert "The packages are in EPEL, so that repository is added." in done.stdout
    assert [call.split()[-1] for call in calls(bare, "yum")] == ["wireguard-tools", package, "wireguard-tools"]


def test_amazon_linux_2_has_a_command_of_its_own_for_epel(bare):
    is_a(bare, ID="amzn", VERSION_ID="2")
    bare.put_tool("amazon-linux-extras", ": >/epel")
    bare.put_tool("yum", f"[ -e /epel ] && {TOOLS_ARRIVE}")
    assert last_line(bare.pipe(linux_script()).stdout) == CONNECTED
    assert bare.calls("amazon") == ["amazon-linux-extras install -y epel"]


@pytest.mark.parametrize("release", [("fedora", "41"), ("amzn", "2023")])
def test_a_distribution_that_has_the_tools_itself_gets_no_foreign_repository(bare, release):
    is_a(bare, ID=release[0], VERSION_ID=release[1])
    bare.put_tool("dnf", "exit 1")
    done = bare.pipe(linux_script())
    assert (done.returncode, len(calls(bare, "dnf"))) == (5, 1)


# ---- the kernel


@pytest.fixture
def old(machine):
    """A machine whose kernel has no WireGuard, nor wireguard-go."""
    machine.put("record/old-kernel", "Error: Unknown device type.\n")
    for tool in ("wireguard-go", "boringtun", "boringtun-cli", *MANAGERS):
        machine.hide(tool)
    return machine


def kernel(machine, version):
    machine.put_tool("uname", f"case $1 in -s) echo Linux ;; *) echo {version} ;; esac")


def refusal(machine):
    done = machine.pipe(linux_script())
    assert (done.returncode, machine.requests(), machine.configs()) == (3, [], [])
    return last_line(done.stderr).removeprefix("Stopped: ")


@pytest.mark.parametrize("version", ["3.10.0-1160.el7.x86_64", "4.19.0-27-amd64", "5.5.19"])
def test_an_old_kernel_is_to_be_updated(old, version):
    kernel(old, version)
    assert refusal(old) == (
        f"This kernel has no WireGuard ({version}): update it (Linux 5.6 or newer has it), or install wireguard-go."
    )


def test_a_container_is_helped_from_its_host(old):
    kernel(old, "6.1.0-28-amd64")
    old.put("run/systemd/container", "lxc")
    assert refusal(old).startswith("This container finds no WireGuard: run modprobe wireguard on its host")


def test_a_container_that_may_not_make_interfaces_is_told_what_it_lacks(old):
    kernel(old, "6.1.0-28-amd64")
    old.put("record/old-kernel", "RTNETLINK answers: Operation not permitted\n")
    assert refusal(old) == "This container may not make network interfaces: give it the capability NET_ADMIN."


def test_wsl_1_is_to_be_converted(old):
    kernel(old, "4.4.0-19041-Microsoft")
    assert refusal(old) == "This is WSL 1, which has no WireGuard: convert it with wsl --set-version NAME 2."


def test_boringtun_stands_in_and_its_service_is_told_so(old):
    old.put("run/systemd/system/.keep")
    old.put_tool("boringtun-cli")
    assert last_line(old.pipe(linux_script()).stdout) == CONNECTED
    file = f"etc/systemd/system/wg-quick@wg0.service.d/wireguard-hub-spoke-{old.state.name}.conf"
    assert old.read(file).splitlines()[1:] == [
        "[Service]",
        "Environment=WG_QUICK_USERSPACE_IMPLEMENTATION=/usr/sbin/boringtun-cli WG_SUDO=1",
    ]
    assert old.calls("systemctl")[0] == "systemctl daemon-reload"


@pytest.mark.parametrize("release", [("centos", "7"), ("rocky", "8.10")])
def test_enterprise_linux_gets_the_kernels_module_from_elrepo(old, release):
    is_a(old, ID=release[0], VERSION_ID=release[1])
    old.put_tool("modprobe")
    old.put_tool("yum", "case $* in *kmod-wireguard) [ -e /elrepo ] && rm /record/old-kernel ;; *) : >/elrepo ;; esac")
    assert last_line(old.pipe(linux_script()).stdout) == CONNECTED
    assert [call.split()[-1] for call in calls(old, "yum")] == ["elrepo-release", "kmod-wireguard"]


def test_a_probe_that_a_killed_run_left_is_no_kernel_without_wireguard(machine):
    machine.put("record/link.wghub-probe")
    assert last_line(machine.pipe(linux_script()).stdout) == CONNECTED
    assert not machine.exists("record/link.wghub-probe")
