"""What the Windows script calls, as far as its syntax tree tells."""

import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from tests.tokens.powershell_tree import (
    COMMON_PARAMETERS,
    body_of,
    commands,
    enclosing,
    find,
    functions,
    literal,
    parameters_of,
    parse,
    text_of,
)
from tests.tokens.windows_texts import (
    TEXTS,
    TREES,
    each_script,
    each_text,
)

NEW = tomllib.loads((Path(__file__).parents[1] / "data/powershell.toml").read_text())


@each_text
def test_every_command_exists_in_both_powershells(name):
    own = functions(TREES[name])
    for command in commands(TREES[name]):
        if command.name in own or command.name == "&" or not command.name[0].isalpha():
            continue
        known = NEW[command.name]
        assert is_not_newer(known["windows_powershell"], "5.1")
        assert is_not_newer(known["powershell"], "7.0")
        for parameter in command.parameters:
            if parameter not in COMMON_PARAMETERS:
                windows, newer = known["parameters"][parameter] or ["1.0", "7.0"]
                assert is_not_newer(windows, "5.1")
                assert is_not_newer(newer, "7.0")
        assert command.positional() <= known["positional"], text_of(command.node)


OF_WINDOWS = {"DnsClient", "NetTCPIP", "ScheduledTasks"}


@each_script
def test_every_command_of_windows_own_modules_is_told_what_to_do_with_errors(name):
    """Their functions do not see the preference of who calls them, and would go on."""
    of_windows = [c for c in commands(TREES[name]) if NEW.get(c.name, {}).get("module") in OF_WINDOWS]
    assert len(of_windows) >= 5
    assert [text_of(c.node) for c in of_windows if "ErrorAction" not in c.parameters] == []


def is_not_newer(version, than):
    return [*map(int, version.split("."))] <= [*map(int, than.split("."))]


def test_the_list_names_nothing_that_is_not_called():
    called: defaultdict[str, set[str]] = defaultdict(set)
    for root in TREES.values():
        for command in commands(root):
            called[command.name].update(command.parameters)
    assert set(NEW) <= set(called)
    for name, known in NEW.items():
        assert set(known["parameters"]) <= called[name], name


def test_what_is_called_without_a_name_is_one_of_four():
    calls = [c for root in TREES.values() for c in commands(root) if not c.name[0].isalnum()]
    started = {re.sub(r"\s+", " ", text_of(c.node))[:24] for c in calls}
    assert started == {"& $Content", "& { # First of all, beca", "& { $ErrorActionPreferen", "& ([ScriptBlock]::Create"}


@each_script
def test_every_function_is_called_with_what_it_takes(name):
    root = TREES[name]
    own = functions(root)
    called = set()
    for command in commands(root):
        if command.name not in own:
            continue
        called.add(command.name)
        takes = parameters_of(own[command.name])
        assert set(command.parameters) <= set(takes), text_of(command.node)
        assert len(command.arguments) <= len(takes), text_of(command.node)
    if name == "install":
        assert called == set(own)


@each_script
def test_no_command_is_called_by_an_alias(name):
    assert all("-" in c.name for c in commands(TREES[name]) if c.name[0].isalpha())


@each_script
def test_programs_are_started_by_their_full_path(name):
    paths = {
        text_of(c.arguments[0])
        for c in commands(TREES[name])
        if c.name in {"Invoke-Program", "Test-Program"} and text_of(c.arguments[0]) != "$Path"
    }
    assert paths <= {"$Spoke.Wg", "$Spoke.WireGuard", "$winget.FullName", "$choco", "$msiexec", "$sc"}


@each_text
def test_every_download_parses_nothing_and_follows_no_redirect(name):
    for command in commands(TREES[name]):
        if command.name == "Invoke-WebRequest":
            assert {"UseBasicParsing", "MaximumRedirection"} <= set(command.parameters)
            assert "-MaximumRedirection 0 " in text_of(command.node)
    if name == "install":
        assert "$request.AllowAutoRedirect = $false" in TEXTS[name]


@each_text
def test_tls_12_is_on_before_anything_is_fetched(name):
    text = TEXTS[name]
    tls = text.index("SecurityProtocol -bor ")
    fetches = [text.find(word) for word in ("Invoke-WebRequest", "[System.Net.WebRequest]")]
    assert all(tls < fetch for fetch in fetches if fetch >= 0)


@each_text
def test_tls_12_is_added_only_to_a_choice_that_is_not_left_to_windows(name):
    (added,) = [n for n in find(TREES[name], "assignment_expression") if "SecurityProtocol -bor " in text_of(n)]
    assert re.match(r"if \(\[int\] \S+::SecurityProtocol\)", text_of(enclosing(added, "if_statement")))


@each_text
def test_a_proxy_may_ask_who_is_there_before_anything_is_fetched(name):
    asked = TEXTS[name].index("$proxy.Credentials =" if name in {"install", "uninstall"} else "$p.Credentials =")
    fetches = [text.start() for text in re.finditer("Invoke-WebRequest|CallbackUrl\\)", TEXTS[name])]
    assert all(asked < fetch for fetch in fetches)


@each_text
def test_no_policy_is_changed_for_good(name):
    assert "Set-ExecutionPolicy" not in TEXTS[name]
    assert "Invoke-Expression" not in TEXTS[name]


@each_text
def test_no_file_is_run_for_a_group_policy_may_forbid_it(name):
    assert not re.search(r"(?i)powershell\S* .*-File\b|\.ps1'? \(?'?(resume|status|uninstall)", TEXTS[name])


def test_the_line_that_runs_a_kept_file_is_the_same_in_cmd_and_powershell_and_has_a_process_of_its_own():
    body = body_of(functions(TREES["install"])["Format-Run"])
    line = "".join(literal(node) for node in find(body, "string_literal"))
    assert "$" not in line
    assert line.count('"') == 2
    assert line.endswith(' -Alone"')
    callers = {name for name, function in functions(TREES["install"]).items() if "Format-Run " in text_of(function)}
    assert callers == {"Format-Run", "Get-CopyCommand", "Format-Task"}


@pytest.mark.parametrize("path", ["C:\\Program Files\\a'b", "C:\\\u2018x\u2019 '' \u201a\u201b'", "'"])
def test_a_path_stands_in_that_line_as_one_literal(path):
    replace = text_of(functions(TREES["install"])["Format-Literal"])
    pattern, result = re.search(r"-creplace ('.+?'), ('.+?')\)", replace).groups()
    pattern, result = (literal(find(parse(text), "string_literal")[0]) for text in (pattern, result))
    written = "'" + re.sub(pattern, result.replace("$1", r"\1"), path) + "'"
    (read,) = find(parse(f"& (Read-It({written})) resume"), "string_literal")
    assert literal(read) == path
