"""Hostile machines and hubs that refuse: one clear line each, and nothing half done."""

import json
import re

import pytest

from tests.tokens.machine import (
    CONNECTED,
    SHELLS,
    STATE_HOME,
    accepted,
    body_of,
    last_line,
    linux_script,
    needs_machine,
)

pytestmark = needs_machine
PROXY = "http://user:secret@proxy.example:3128"


def mode(path):
    return path.stat().st_mode & 0o777


# ---- the hub refuses or cannot be trusted

REFUSALS = {
    "TOKEN_ALREADY_USED": (410, "The installation token has been used; it works once."),
    "TOKEN_EXPIRED": (410, "The installation token has expired."),
    "TOKEN_REVOKED": (410, "The installation token was revoked."),
    "TOKEN_NOT_FOUND": (404, "The hub knows no such installation token."),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_token_that_is_no_good_is_told_in_one_line_and_nothing_is_made(machine, code):
    status, sentence = REFUSALS[code]
    machine.answers((status, json.dumps({"error": sentence, "code": code, "recoveryHint": "Issue a new one."})))
    done = machine.pipe(linux_script())
    assert (done.returncode, last_line(done.stderr)) == (6, f"Stopped: The hub refused: {sentence} Issue a new one.")
    assert machine.configs() == machine.calls("wg-quick") == []
    assert len(machine.requests()) == 1


BAD_CERTIFICATE = "curl: (60) SSL certificate problem: certificate is not yet valid"


def bad_certificate(machine):
    machine.put_tool("curl", f"echo '{BAD_CERTIFICATE}\nMore details here: https://curl.se/' >&2; exit 60")


def test_a_certificate_that_is_not_accepted_is_not_tried_again(machine):
    bad_certificate(machine)
    done = machine.pipe(linux_script())
    assert done.returncode == 6
    assert last_line(done.stderr).startswith(
        f"Stopped: The hub's certificate was not accepted ({BAD_CERTIFICATE}): see that root certificates are here"
    )
    assert len(machine.calls("curl")) == 1


def test_with_a_clock_in_1970_the_clock_is_what_is_wrong(machine):
    bad_certificate(machine)
    machine.put_tool("date", 'exec /usr/bin/date -d @86400 "$@"')
    done = machine.pipe(linux_script())
    assert done.returncode == 6
    assert "the clock of this machine says 1970-01-02, set it right, then try again." in last_line(done.stderr)


def test_a_wget_that_checks_no_certificate_is_not_used(build):
    machine = build("busybox")
    machine.hide("curl")
    machine.hide("ssl_client")
    (machine.root / "usr/sbin/wget").symlink_to("/usr/bin/busybox")
    done = machine.pipe(linux_script())
    assert (done.returncode, last_line(done.stderr)) == (
        3,
        "Stopped: The wget of this machine does not check the hub's certificate: install curl.",
    )


def test_a_machine_without_curl_and_wget_is_told(machine):
    machine.hide("curl")
    machine.hide("wget")
    done = machine.pipe(linux_script())
    assert (done.returncode, last_line(done.stderr)) == (
        3,
        "Stopped: Neither curl nor wget is on this machine: install one of them.",
    )


# ---- nothing can be written


def full(machine, place, size):
    """Lay a file system of `size` over a place of the machine."""
    machine.run("mount", "-t", "tmpfs", "-o", f"mode=700,size={size}", "tmpfs", place)


def test_a_disk_too_full_for_the_script_is_told_and_no_piece_of_it_stays(machine):
    full(machine, "/var/lib", "16k")
    done = machine.pipe(linux_script())
    assert done.returncode == 3
    assert "could not be saved" in last_line(done.stderr)
    assert "reissue the token in the dashboard" in last_line(done.stderr)
    assert list((machine.root / STATE_HOME).iterdir()) == []


def test_a_disk_too_full_for_more_than_the_script_is_told_and_the_script_stays(machine):
    full(machine, "/var/lib", f"{len(body_of(linux_script()).encode()) // 4096 * 4 + 4}k")
    done = machine.pipe(linux_script())
    assert done.returncode == 3
    assert "is the disk full?" in last_line(done.stderr)
    command = re.search(r"To try again as root: (sh \S+) resume", done.stderr)[1].split()
    machine.run("mount", "-o", "remount,size=1m", "/var/lib")
    assert last_line(machine.run(*command, "resume").stdout) == CONNECTED


def test_a_disk_too_full_for_the_configuration_leaves_none_and_the_next_run_finishes(machine):
    full(machine, "/etc/wireguard", "4k")
    machine.run("sh", "-c", "head -c 4096 /dev/zero >/etc/wireguard/big")
    done = machine.pipe(linux_script())
    assert (done.returncode, machine.configs()) == (3, ["big"])
    machine.run("rm", "/etc/wireguard/big")
    assert last_line(machine.run_again().stdout) == CONNECTED


def test_an_answer_that_cannot_be_stored_is_the_disk_and_not_the_hub(machine):
    machine.put_tool("curl", "echo 'curl: (23) Failure writing output to destination' >&2; exit 23")
    done = machine.pipe(linux_script())
    assert done.returncode == 3
    assert last_line(done.stderr).endswith("cannot be written: is the disk full?")


@pytest.mark.parametrize("shell", SHELLS)
def test_an_answer_that_cannot_even_be_begun_is_said_in_every_shell(build, shell):
    machine = build(shell)
    machine.put("record/silent-hub")
    machine.pipe(linux_script())
    (machine.state / "answer.json").unlink()
    (machine.state / "answer.json").mkdir()
    done = machine.run_again()
    assert (done.returncode, last_line(done.stderr).endswith(" cannot be written: is the disk full?")) == (3, True)


def test_a_key_that_was_cut_short_is_never_used(machine):
    machine.put_tool("sync")
    machine.run("mv", "/usr/sbin/wg", "/usr/sbin/good-wg")
    machine.put_tool("wg", '[ $1 != genkey ] && exec good-wg "$@"; good-wg genkey | head -c 20')
    done = machine.pipe(linux_script())
    assert (done.returncode, machine.requests()) == (3, [])
    assert "private key could not be written" in last_line(done.stderr)
    machine.run("mv", "/usr/sbin/good-wg", "/usr/sbin/wg")
    assert last_line(machine.run_again().stdout) == CONNECTED


def test_a_read_only_etc_is_found_before_the_hub_hears_of_the_machine(machine):
    machine.run("sh", "-c", "mount --bind /etc /etc && mount -o remount,bind,ro /etc")
    done = machine.pipe(linux_script())
    assert (done.returncode, last_line(done.stderr)) == (3, "Stopped: /etc/wireguard cannot be written.")
    assert machine.requests() == []


def test_a_user_whose_tmp_runs_nothing_can_finish_all_the_same(machine):
    machine.run("mount", "-o", "remount,noexec", "/tmp")
    machine.hide("sudo")
    machine.hide("doas")
    done = machine.pipe(linux_script(), user=65534)
    command = re.search(r"finish with: (sh /tmp/\S+ install)$", last_line(done.stderr))[1]
    assert last_line(machine.run(*command.split()).stdout) == CONNECTED


# ---- strange surroundings


@pytest.mark.parametrize("shell", SHELLS)
def test_neither_locale_nor_umask_nor_odd_variables_change_anything(build, shell):
    machine = build(shell)
    machine.put("script.sh", linux_script())
    odd = {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "IFS": "0", "CDPATH": "/", "POSIXLY_CORRECT": "1"}
    done = machine.run("sh", "-c", "umask 000; exec sh </script.sh", environment=odd)
    # Bash itself has a word to say about a locale that is not there.
    assert re.sub(".*setlocale.*\n", "", done.stderr) == ""
    assert last_line(done.stdout) == CONNECTED
    assert mode(machine.root / "etc/wireguard/wg0.conf") == 0o600
    assert {mode(path) for path in machine.state.iterdir()} == {0o600}
    assert mode(machine.state) == 0o700


def test_a_machine_without_a_name_is_no_less_a_machine(machine):
    machine.hide("hostname")
    assert last_line(machine.pipe(linux_script()).stdout) == CONNECTED


def test_a_hostile_kernel_version_stays_text(machine):
    machine.put_tool(
        "uname", "case $1 in -s) echo Linux ;; *) printf '6.1\"}\\\\ $(touch /pwned) \\303\\274\\t' ;; esac"
    )
    assert last_line(machine.pipe(linux_script()).stdout) == CONNECTED
    assert machine.requests()[0]["metadata"]["kernelVersion"] == '6.1"}\\ $(touch /pwned) '
    assert not machine.exists("pwned")


def test_a_machine_with_ipv6_alone_joins_a_hub_that_has_it(machine):
    machine.put("record/addresses", "")
    machine.put("record/routes", "")
    machine.put("record/addresses6", "2: eth0    inet6 2001:db8:7::2/64 scope global\n")
    machine.answers(accepted(endpoint="[2001:db8::1]:51820"))
    done = machine.pipe(linux_script(hub_endpoint="[2001:db8::1]:51820"))
    assert last_line(done.stdout).endswith("hub [2001:db8::1]:51820.")
    assert "Endpoint = [2001:db8::1]:51820\n" in machine.read("etc/wireguard/wg0.conf")


def test_output_that_nobody_reads_any_longer_does_not_stop_the_work(machine):
    machine.put("script.sh", linux_script())
    machine.run("bash", "-c", "sh </script.sh 2>/dev/null | head -n 1")
    assert machine.configs() == ["wg0.conf"]
    assert machine.exists("record/link.wg0")


def test_labels_are_restored_under_selinux(machine):
    machine.put("sys/fs/selinux/enforce", "1")
    machine.put_tool("restorecon")
    machine.pipe(linux_script())
    assert "restorecon /etc/wireguard/wg0.conf" in machine.calls("restorecon")


# ---- proxies


def test_the_proxies_of_a_user_reach_the_elevated_run_and_no_argument(machine):
    machine.hide("sudo")
    machine.hide("doas")
    proxies = {"https_proxy": PROXY, "no_proxy": "localhost", "ALL_PROXY": "bad\nvalue"}
    done = machine.pipe(linux_script(), user=65534, environment=proxies)
    command = re.search(r"finish with: (sh \S+ install)$", last_line(done.stderr))[1].split()
    assert mode(machine.root / f"{command[1][1:]}.proxies") == 0o600
    with (machine.root / f"{command[1][1:]}.proxies").open("a") as proxies_file:
        proxies_file.write("WG_COLOR_MODE=evil\n")
    machine.put("record/environments")
    assert last_line(machine.run(*command).stdout) == CONNECTED
    seen = machine.read("record/environments")
    assert f"https_proxy={PROXY}\0" in seen
    assert "no_proxy=localhost\0" in seen
    assert "ALL_PROXY" not in seen
    assert "evil" not in seen
    assert "secret" not in " ".join(machine.calls())
    assert list((machine.root / "tmp").iterdir()) == []


def test_a_proxy_of_the_moment_counts_more_than_a_kept_one(machine):
    machine.put("copy.sh", body_of(linux_script()))
    machine.put("copy.sh.proxies", f"https_proxy={PROXY}\nPATH=/evil\n")
    machine.run("sh", "/copy.sh", "install", environment={"https_proxy": "http://other:1"})
    seen = machine.read("record/environments")
    assert "https_proxy=http://other:1\0" in seen
    assert PROXY not in seen
    assert "/evil" not in seen
