"""A download cut at any byte does nothing: no command is started, and no file of the machine changes."""

import random
import re
import shutil
import subprocess

import pytest

from tests.tokens.machine import SHELLS, needs_machine, script_values
from tests.tokens.traced_machine import TracedMachine
from tokens.scripts import render_script, render_uninstall

pytestmark = needs_machine
NAME = "\U0001f680\u540d'\"\u2018\u2019" * 10
HOSTILE = {
    "token": "'; touch /pwned; '$(touch /pwned)`touch /pwned`\\",
    "spoke_name": NAME,
    "hub_endpoint": "%s%n\\'${IFS}\"$0",
    "dns_servers": ("$(id)", "'"),
    "callback_url": "https://hub.example.com/'\"`\\%20#&|<>;*?[a]~!",
}
assert len(NAME) == 60
RENDERINGS = {
    f"{platform}, {kind}": render_script(platform, script_values(**values))
    for platform in ("linux", "macos", "proxmox")
    for kind, values in {"plain": {}, "hostile": HOSTILE}.items()
}
UNINSTALLS = {"uninstall": render_uninstall("linux"), "uninstall of macos": render_uninstall("macos")}
SERVED = {name: text.encode() for name, text in (RENDERINGS | UNINSTALLS).items()}
# The other renderings differ from these in few words.
EACH_ITS_OWN = ["linux, hostile", "uninstall"]
EVERYTHING = [("dash", name) for name in SERVED] + [(s, name) for s in SHELLS for name in EACH_ITS_OWN if s != "dash"]
# The file is cut shorter and shorter, and run each time. What it leaves running would be seen as a command.
LOOP = """
while read -r cut; do
    /shim/real/truncate -s "$cut" /record/script
    /shim/real/sh </record/script
done >/dev/null 2>&1
"""


def run_prefixes(machine, script, lengths):
    """Run the script cut to each of these lengths; return what it started and what it changed."""
    (machine.root / "record/script").write_bytes(script)
    before = machine.files()
    machine.forget()
    loop = machine.start("/usr/bin/dash", "-c", LOOP)
    loop.communicate("".join(f"{length}\n" for length in sorted(lengths, reverse=True)))
    after = machine.files()
    assert (machine.root / "record/script").stat().st_size == min(lengths)
    return machine.commands(), {path for path in before | after if before.get(path) != after.get(path)}


def around(script, pattern, reach=3):
    return {
        place for found in re.finditer(pattern, script) for place in range(found.end() - reach, found.end() + reach)
    }


def critical(script):
    """Lengths that end where functions, here-documents, quotes and lines of the outermost script end."""
    inner = re.search(rb"(?s)<<'END_OF_SPOKE_SCRIPT'.*\nEND_OF_SPOKE_SCRIPT\n", script)
    outer = around(script, rb"\n") - (set(range(inner.start() + 200, inner.end() - 20)) if inner else set())
    return outer | around(script, rb"\n\}\n") | around(script, rb"<<") | set(range(len(script) - 120, len(script)))


# The whole command stands there without its line end, so it is the whole script.
def cuts(script, lengths):
    return {length for length in lengths if 0 <= length < len(script.rstrip())}


@pytest.fixture
def machine(request, tmp_path):
    machine = TracedMachine(tmp_path, request.param)
    yield machine
    machine.close()


@pytest.mark.parametrize("machine", SHELLS, indirect=True)
@pytest.mark.parametrize("name", EACH_ITS_OWN)
def test_a_cut_download_does_nothing(machine, name):
    script = SERVED[name]
    lengths = critical(script) if machine.shell == "dash" else set(range(len(script) - 120, len(script)))
    lengths |= set(random.Random(name).sample(range(len(script)), 300 if machine.shell == "dash" else 100))  # noqa: S311
    assert run_prefixes(machine, script, cuts(script, lengths)) == ([], set())


@pytest.mark.scripts_full
@pytest.mark.parametrize(("machine", "name"), EVERYTHING, indirect=["machine"])
def test_a_download_cut_at_every_byte_does_nothing(machine, name, record_property):
    script = SERVED[name]
    lengths = cuts(script, range(len(script)))
    record_property(f"cuts under {machine.shell}", len(lengths))
    assert run_prefixes(machine, script, lengths) == ([], set())


@pytest.mark.parametrize(
    ("change", "length"),
    [
        (lambda text: text.replace(b"\nmain() {", b"\nid -u\nmain() {"), -80),
        (lambda text: text.replace(b"\nmain() {", b"\n: >/stray\nmain() {"), -80),
        (lambda text: text.replace(b'set -- install "$@"\nmain "$@"', b'main install "$@"'), -1 - len(b' "$@"')),
    ],
    ids=["a command before main", "a file before main", "a last line that works when cut"],
)
def test_these_proofs_see_a_script_that_acts_too_early(tmp_path, change, length):
    machine = TracedMachine(tmp_path)
    script = SERVED["linux, plain"]
    assert change(script) != script
    assert run_prefixes(machine, change(script), [len(change(script)) + length]) != ([], set())
    machine.close()


# ---- what shells and shellcheck say of the renderings


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
@pytest.mark.parametrize(
    "name", EACH_ITS_OWN + [pytest.param(n, marks=pytest.mark.scripts_full) for n in SERVED if n not in EACH_ITS_OWN]
)
def test_shellcheck_has_nothing_to_say(name):
    texts = [SERVED[name], *inner_script(SERVED[name])]
    for text in texts:
        found = subprocess.run(["shellcheck", "-s", "sh", "-S", "style", "-"], input=text, capture_output=True)
        assert (found.returncode, found.stdout.decode()) == (0, "")


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
@pytest.mark.parametrize("name", SERVED)
def test_every_shell_accepts_the_grammar(name, shell):
    for text in [SERVED[name], *inner_script(SERVED[name])]:
        subprocess.run([*shell, "-n"], input=text, check=True)


def inner_script(script):
    return re.findall(rb"(?s)<<'END_OF_SPOKE_SCRIPT'[^\n]*\n(.*\n)END_OF_SPOKE_SCRIPT\n", script)
