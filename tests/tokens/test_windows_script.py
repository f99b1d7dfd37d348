"""The Windows script, as far as its text tells: no PowerShell runs here."""

import base64
import random
from xml.etree import ElementTree

import pytest
from django.test import Client

from tests.tokens.machine import script_values
from tests.tokens.powershell_tree import (
    commands,
    find,
    is_sound,
    literal,
    parse,
    text_of,
    walk,
)
from tests.tokens.windows_texts import (
    CHECKED,
    INSTALL,
    ONE_LINE,
    SUM,
    TEXTS,
    TOKEN,
    TREES,
    UNINSTALL,
    URL,
    each_script,
    each_text,
)
from tokens.scripts import checked_commands, install_commands, render_script, script_sha256

FIELDS = {
    "Token": "token",
    "HubEndpoint": "hub_endpoint",
    "HubPublicKey": "hub_public_key",
    "SpokeName": "spoke_name",
    "SpokeIP": "spoke_ip",
    "SpokeIP6": "spoke_ip6",
    "NetworkCIDR": "network_cidr",
    "NetworkCIDR6": "network_cidr6",
    "CallbackUrl": "callback_url",
}


# ---- the text


@each_text
def test_the_grammar_of_powershell_accepts_every_text(name):
    assert not TREES[name].has_error


def test_a_broken_text_is_seen():
    assert not is_sound(INSTALL.replace("function Stop-Run {", "function Stop-Run {{", 1))


@each_text
def test_every_text_is_ascii_with_line_feeds(name):
    assert TEXTS[name].isascii()
    assert "\r" not in TEXTS[name]
    assert "\t" not in TEXTS[name]


def test_each_command_is_one_line():
    assert "\n" not in ONE_LINE + CHECKED


def here_strings(root):
    return [text_of(node)[3:-3] for node in find(root, "string_literal") if text_of(node).startswith("@'")]


def test_the_task_and_the_program_that_the_script_writes_are_sound():
    task, program = here_strings(TREES["install"])
    root = ElementTree.fromstring(task)  # noqa: S314
    space = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
    assert root.findtext(f".//{space}UserId") == "S-1-5-18"
    assert root.findtext(f".//{space}Interval") == "PT5M"
    program = program.replace("FOLDER", "'C:\\Program Files\\WireGuardHub'")
    assert is_sound(program)
    (run,) = [c for c in commands(parse(program)) if c.parameters[:2] == ("Verb", "Text")]
    assert "Alone" in text_of(run.node)


@each_script
def test_a_download_cut_short_is_no_script(name):
    """All that does something is in one pair of braces, whose end is the end of the text."""
    text = TEXTS[name].rstrip("\n")
    start = text.index("\n& {\n")
    outside = parse(text[:start])
    assert not commands(outside)
    assert text.endswith("\n}")
    for cut in {*range(start + 4, len(text), 997), len(text) - 1}:
        assert parse(text[:cut]).has_error, cut


@pytest.mark.scripts_full
@each_script
def test_a_download_cut_anywhere_is_no_script(name):
    text = TEXTS[name].rstrip("\n")
    for cut in range(text.index("\n& {\n") + 4, len(text), 7):
        assert parse(text[:cut]).has_error, cut


# ---- the values


def hostile(seed):
    """A value of every kind of character that means something to PowerShell, cmd or a template."""
    chance = random.Random(seed)  # noqa: S311
    pieces = [
        *"'\u2018\u2019\u201a\u201b\"\u201c\u201d`$%(){}[];|&<>#@,=:\\/ ?*~^!-",
        "$(calc)",
        "'@",
        "@'",
        "''",
        "%TEMP%",
    ]
    pieces += [
        "\u540d",
        "\U0001f680",
        "\u00e9",
        "\ufeff",
        "{{ token }}",
        "{% now %}",
        "; exit",
        "-Text",
        "--%",
        "a",
        "0",
        "\u00a0",
    ]
    return "".join(chance.choice(pieces) for _ in range(chance.randrange(24)))


def read_values(root):
    """The entries of the table at the head: each a bare name and one literal."""
    table = next(node for node in find(root, "hash_literal_body") if "Token = " in text_of(node))
    entries = {}
    for entry in (child for child in table.children if child.type == "hash_entry"):
        found = find(entry, "string_literal")
        assert len(found) == 1
        assert text_of(entry).endswith(text_of(found[0]))
        entries[text_of(entry).split(" ", 1)[0]] = literal(found[0])
    return entries


def shape_of(root):
    return [node.type for node in walk(root) if node.type != "verbatim_string_characters"]


def values_come_back(seeds):
    """Nine values a seed. Whatever they hold, the tree around them is the same."""
    plain = shape_of(TREES["install"])
    for seed in seeds:
        values = {field: hostile(f"{seed} {field}") for field in FIELDS.values()}
        root = parse(render_script("windows", script_values(**values)))
        assert not root.has_error, seed
        read = read_values(root)
        assert {field: read[name] for name, field in FIELDS.items()} == values, seed
        assert shape_of(root) == plain, seed


def test_every_value_is_one_literal_that_reads_as_it_was():
    values_come_back(range(23))


@pytest.mark.scripts_full
def test_thousands_of_hostile_values_read_as_they_were():
    values_come_back(range(560))


def test_hostile_values_are_hostile():
    seen = "".join(hostile(f"{seed} {field}") for seed in range(23) for field in FIELDS.values())
    assert all(seen.count(quote) > 10 for quote in "'\u2018\u2019\u201a\u201b`$%")


def test_values_stand_in_the_head_alone():
    text = render_script("windows", script_values(token=TOKEN, spoke_name="laptop-of-kim"))
    assert (text.count(TOKEN), text.count("laptop-of-kim")) == (1, 1)


def test_a_hostile_public_url_stays_one_literal():
    url = "https://hub.example.com/'\u2019$(calc)"
    for line in (install_commands(url, TOKEN)["windows"], checked_commands(url, TOKEN, {"windows": SUM})["windows"]):
        root = parse(line)
        assert not root.has_error
        assert any(literal(node).startswith(url + "/api/") for node in find(root, "string_literal"))


# ---- what is served


def test_the_commands_name_the_platform_and_the_token():
    assert f"'{URL}/api/installation/script/{TOKEN}?platform=windows'" in ONE_LINE
    assert f"'{URL}/api/installation/script/{TOKEN}?platform=windows&sha256={SUM}'" in CHECKED


def test_the_checksum_that_is_issued_is_what_get_file_hash_shows():
    assert script_sha256(INSTALL) == script_sha256(render_script("windows", script_values()))
    assert len(base64.b16decode(script_sha256(INSTALL).upper())) == 32


def test_anyone_may_fetch_the_uninstall_script():
    answer = Client().get("/api/installation/uninstall?platform=windows")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain")
    assert answer.content.decode() == UNINSTALL


def test_the_uninstall_script_holds_no_value():
    assert "$Spoke = @{}\n" in UNINSTALL
    assert "Token" not in UNINSTALL.replace("$Spoke.Token", "")
