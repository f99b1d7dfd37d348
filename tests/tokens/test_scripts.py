"""What is served, its checksum, and the commands people paste."""

import hashlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.template import Context
from django.template.base import Lexer, Node, TextNode, TokenType, VariableNode
from django.template.loader_tags import IncludeNode

from tests.tokens.machine import SHELLS, body_of, script_values
from tokens.quoting import UnquotableError
from tokens.scripts import (
    PLATFORMS,
    SCRIPTS,
    UndefinedScriptValueError,
    checked_commands,
    install_commands,
    render_script,
    script_engine,
    script_sha256,
)

TEMPLATES = Path(settings.BASE_DIR) / "templates" / "install"
SOURCES = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*") if path.is_file())
URL = "https://hub.example.com"
TOKEN = "Kd8jD_s9fN2mPlqR6tV8wX0yZ5aB3cE7gH4iJ-abcde"
SUM = "0123456789abcdef" * 4
SHELL_PLATFORMS = [platform for platform in PLATFORMS if SCRIPTS[platform].template.endswith(".sh")]
HOSTILE = "a'b $(touch /tmp/x) `id` \" \\ \u201cq\u201d \u540d {{ token }} {% now 'Y' %} END_OF_SPOKE_SCRIPT"


def nodes_of(source):
    return script_engine().get_template(source).nodelist.get_nodes_by_type(Node)


# ---- the rule: a `return` says what it returns


@pytest.mark.parametrize("part", sorted((TEMPLATES / "parts").glob("*.sh")), ids=lambda part: part.name)
def test_every_return_says_its_status(part):
    """Called from a trap, bash answers a bare `return` with the status of what was interrupted."""
    assert not re.search(r"^ *return$|[;&|{] *return *[;&|}]", without_awk(part.read_text()), re.MULTILINE)


def without_awk(text):
    return re.sub(r"awk [^']*'[^']*'", "", text)


# ---- the rule: no value without its quotes


@pytest.mark.parametrize("source", SOURCES)
def test_every_value_in_a_template_is_quoted_last(source):
    wanted = "ps_quote" if source.endswith(".ps1") else "sh_quote"
    for node in nodes_of(source):
        if isinstance(node, VariableNode):
            filters = [function.__name__ for function, _arguments in node.filter_expression.filters]
            assert filters[-1:] == [wanted], f"{source}:{node.token.lineno} {node.filter_expression.token}"


@pytest.mark.parametrize("source", SOURCES)
def test_templates_hold_nothing_but_text_values_and_includes(source):
    strangers = [n for n in nodes_of(source) if not isinstance(n, TextNode | VariableNode | IncludeNode)]
    assert not strangers


@pytest.mark.parametrize("source", SOURCES)
def test_values_stand_only_in_assignments(source):
    lines = [line for line in (TEMPLATES / source).read_text().splitlines() if "{{" in line]
    for line in lines:
        assert re.fullmatch(r' *([A-Z_]+6?=|[A-Za-z]+6? = )\{\{ [a-z_]+6?(\|join:" ")?\|(sh|ps) \}\}', line), line


@pytest.mark.parametrize("source", SOURCES)
def test_no_shell_text_is_taken_for_a_template_comment(source):
    tokens = Lexer((TEMPLATES / source).read_text()).tokenize()
    assert not [token for token in tokens if token.token_type == TokenType.COMMENT]


def test_the_rule_sees_an_unquoted_value():
    template = script_engine().from_string("A={{ token|sh }}\nB={{ token|sh|upper }}\nC={{ token }}")
    filters = [
        [function.__name__ for function, _ in node.filter_expression.filters][-1:]
        for node in template.nodelist.get_nodes_by_type(VariableNode)
    ]
    assert filters == [["sh_quote"], ["upper"], []]


# ---- rendering


def test_the_script_carries_every_value_in_single_quotes():
    body = body_of(render_script("linux", script_values(token=TOKEN, dns_servers=("1.1.1.1", "8.8.8.8"))))
    assert f"\n    TOKEN='{TOKEN}'\n" in body
    assert "\n    DNS_SERVERS='1.1.1.1 8.8.8.8'\n" in body
    assert "\n    PERSISTENT_KEEPALIVE='25'\n" in body


def test_the_token_stands_in_the_script_once():
    assert render_script("linux", script_values(token=TOKEN)).count(TOKEN) == 1


def test_template_language_in_a_value_is_plain_text():
    body = body_of(render_script("linux", script_values(spoke_name=HOSTILE)))
    line = next(line.strip() for line in body.splitlines() if "SPOKE_NAME=" in line)
    assert shlex.split(line) == ["SPOKE_NAME=" + HOSTILE]


@pytest.mark.parametrize("field", ["token", "spoke_name", "hub_endpoint", "callback_url"])
def test_a_value_with_a_line_end_is_refused(field):
    with pytest.raises(UnquotableError):
        render_script("linux", script_values(**{field: "x\nEND_OF_SPOKE_SCRIPT\ntouch /tmp/x"}))


def test_a_name_that_no_value_has_is_an_error():
    template = script_engine().from_string("TOKEN={{ tokn|sh }}")
    with pytest.raises(UndefinedScriptValueError, match="tokn"):
        template.render(Context({"token": TOKEN}))


def test_an_unknown_platform_is_a_key_error():
    with pytest.raises(KeyError):
        render_script("amiga", script_values())


def test_rendering_does_not_depend_on_the_sites_templates(settings):
    settings.TEMPLATES = []
    assert render_script("linux", script_values()).startswith("#!/bin/sh\n")


def test_a_printed_value_object_does_not_show_the_token():
    assert TOKEN not in repr(script_values(token=TOKEN))


def test_every_platform_has_a_template_and_a_content_type():
    assert PLATFORMS == ("linux", "macos", "windows", "proxmox")
    types = {platform: script.content_type for platform, script in SCRIPTS.items()}
    assert types.pop("windows") == "text/plain"
    assert set(types.values()) == {"text/x-shellscript"}


def test_the_checksum_is_that_of_the_served_bytes():
    text = render_script("linux", script_values(spoke_name="n\u00e4me"))
    assert script_sha256(text) == hashlib.sha256(text.encode("utf-8")).hexdigest()
    assert script_sha256(text) == script_sha256(render_script("linux", script_values(spoke_name="n\u00e4me")))


# ---- the shape of the text


@pytest.mark.parametrize("platform", SHELL_PLATFORMS)
def test_the_last_line_calls_main_and_all_before_it_only_defines(platform):
    text = render_script(platform, script_values())
    *_, before, last = text.splitlines()
    assert (before, last) == ('set -- install "$@"', 'main "$@"')
    outer = text.replace(body_of(text), "")
    starts = [line for line in outer.splitlines() if re.match(r"[^\s#{}]", line)]
    assert all(
        re.fullmatch(r"\w+\(\) \{.*", line) for line in starts if line not in {before, last, "END_OF_SPOKE_SCRIPT"}
    )


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
@pytest.mark.parametrize("platform", SHELL_PLATFORMS)
@pytest.mark.parametrize("name", ["web-1", HOSTILE], ids=["plain", "hostile"])
def test_shellcheck_finds_nothing_to_say(name, platform, tmp_path):
    text = render_script(platform, script_values(spoke_name=name, token=name))
    (tmp_path / "outer.sh").write_text(text)
    (tmp_path / "body.sh").write_text(body_of(text))
    found = subprocess.run(
        ["shellcheck", "-s", "sh", "-S", "style", "outer.sh", "body.sh"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.parametrize("platform", SHELL_PLATFORMS)
@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
def test_every_shell_accepts_the_grammar(shell, platform):
    text = render_script(platform, script_values(spoke_name=HOSTILE))
    for script in (text, body_of(text)):
        subprocess.run([*shell, "-n"], input=script, text=True, check=True)


# ---- the commands


def test_the_install_command_is_curl_into_sh():
    assert install_commands(URL, TOKEN)["linux"] == (
        f"curl -fsS --proto '=https' '{URL}/api/installation/script/{TOKEN}?platform=linux' | sh"
    )


def test_a_plain_http_hub_is_fetched_by_http_alone():
    command = install_commands("http://203.0.113.1:8000/", TOKEN)["linux"]
    assert command == (
        f"curl -fsS --proto '=http' 'http://203.0.113.1:8000/api/installation/script/{TOKEN}?platform=linux' | sh"
    )


def test_the_checked_command_names_the_checksum_to_hub_and_machine():
    command = checked_commands(URL, TOKEN, {"linux": SUM})["linux"]
    assert f"'{URL}/api/installation/script/{TOKEN}?platform=linux&sha256={SUM}'" in command
    assert f'echo "{SUM}  $f" | sha256sum -c - &&' in command
    assert command.startswith(
        '(umask 077; f=$(mktemp "${TMPDIR:-/tmp}/spoke.XXXXXX") && curl -fsS --proto \'=https\' -o "$f" '
    )


@pytest.mark.parametrize("checksum", ["", SUM[:-1], SUM.upper(), SUM + "\n", "$(reboot)".ljust(64, "0")])
def test_nothing_but_a_checksum_gets_into_the_checked_command(checksum):
    with pytest.raises(ValueError, match="64"):
        checked_commands(URL, TOKEN, {"linux": checksum})


def test_a_hostile_public_url_stays_one_quoted_word():
    command = install_commands("https://hub.example.com/'$(reboot)'", TOKEN)["linux"]
    assert (
        shlex.split(command)[4] == f"https://hub.example.com/'$(reboot)'/api/installation/script/{TOKEN}?platform=linux"
    )
