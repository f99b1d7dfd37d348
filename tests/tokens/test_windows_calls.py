"""What the Windows script calls, in which order, and what of it is secret, as far as its syntax tree tells."""

import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from tests.tokens.powershell_tree import (
    COMMON_PARAMETERS,
    body_of,
    commands,
    find,
    functions,
    in_order,
    literal,
    parameters_of,
    text_of,
)
from tests.tokens.windows_texts import (
    CHECKED,
    INSTALL,
    SUM,
    TEXTS,
    TREES,
    each_command,
    each_script,
    each_text,
)

NEW = tomllib.loads((Path(__file__).parents[1] / "data/powershell.toml").read_text())


# ---- what it calls


@each_text
def test_every_command_exists_in_both_powershells(name):
    own = functions(TREES[name])
    for command in commands(TREES[name]):
        if command.name in own or command.name in {"&", "powershell"} or not command.name[0].isalpha():
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
def test_no_policy_is_changed_for_good(name):
    assert "Set-ExecutionPolicy" not in TEXTS[name]
    assert "Invoke-Expression" not in TEXTS[name]


# ---- what happens in which order


def order_of(name, start=None):
    root = TREES[name]
    return in_order(root, start or root)


def place(nodes, matches):
    return next(number for number, node in enumerate(nodes) if matches(node))


def is_command(name):
    return lambda node: node.type == "command" and text_of(node.children[0]) == name


def guards(root):
    """The `if`s that end the run, with what they ask."""
    return [
        (node, text_of(node.child_by_field_name("condition") or node.children[2]))
        for node in find(root, "if_statement")
        if find(node, "flow_control_statement") and "return" in text_of(node)
    ]


@each_command
def test_a_command_looks_before_it_fetches_so_that_no_token_is_lost(name):
    root = TREES[name]
    fetch = next(c.node for c in commands(root) if c.name == "Invoke-WebRequest")
    assert len([c for c in commands(root) if c.name == "Invoke-WebRequest"]) == 1
    before = [asked for node, asked in guards(root) if node.end_byte < fetch.start_byte]
    assert [
        word in asked for word, asked in zip(["FullLanguage", "IsInRole", "Is64BitProcess"], before, strict=False)
    ] == [True] * 3
    assert find(root, "if_statement")[0].start_byte < min(n.start_byte for n in find(root, "type_literal"))


def test_the_checked_command_also_asks_whether_a_file_could_be_run():
    root = TREES["checked command"]
    fetch = next(c.node for c in commands(root) if c.name == "Invoke-WebRequest")
    assert [
        asked for node, asked in guards(root) if node.end_byte < fetch.start_byte and "Get-ExecutionPolicy" in asked
    ]


def test_the_checked_command_runs_nothing_but_the_script_that_was_issued():
    root = TREES["checked command"]
    nodes = [c for c in commands(root) if c.name in {"Invoke-WebRequest", "Get-FileHash", "powershell", "Remove-Item"}]
    assert [c.name for c in nodes] == ["Invoke-WebRequest", "Get-FileHash", "powershell", "Remove-Item"]
    check = next(node for node, asked in guards(root) if "Get-FileHash" in asked)
    assert f"'{SUM}'" in text_of(check)
    assert check.end_byte < nodes[2].node.start_byte
    assert f"&sha256={SUM}'" in CHECKED


@each_script
def test_a_script_asks_for_the_language_before_anything_and_for_the_administrator_before_it_does_anything(name):
    nodes = order_of(name)
    first = place(nodes, lambda node: node.type == "if_statement")
    assert "FullLanguage" in text_of(nodes[first])
    assert not [n for n in nodes[:first] if n.type == "type_literal" and text_of(n) != "[string]"]
    asked = place(nodes, lambda node: node.type == "if_statement" and ".IsInRole(" in text_of(node))
    for act in ("New-Item", "Set-Acl", "Move-Item", "Copy-Item", "Remove-Item", "Get-Service"):
        if act in TEXTS[name]:
            acts = [number for number, node in enumerate(nodes) if is_command(act)(node)]
            assert all(asked < number for number in acts), act


def connect():
    root = TREES["install"]
    return order_of("install", body_of(functions(root)["Connect-Spoke"]))


def test_the_folder_belongs_to_administrators_before_anything_is_put_there():
    nodes = connect()
    closed = [number for number, node in enumerate(nodes) if is_command("New-PrivateFolder")(node)]
    acts = ["New-Item", "Set-Acl", "Get-Acl"]
    made = [place(nodes, is_command(act)) for act in acts]
    written = [
        number
        for number, node in enumerate(nodes)
        if any(is_command(word)(node) for word in ("Save-File", "Copy-Item", "Move-Item"))
        or (node.type == "command" and "System.IO.FileStream" in text_of(node))
    ]
    assert len(closed) == 2
    assert made == sorted(made)
    assert max(closed + made) < min(written)
    opened = place(nodes, lambda node: node.type == "assignment_expression" and "$Spoke.Log =" in text_of(node))
    assert max(closed) < opened


def test_only_system_and_administrators_get_in_by_their_ids():
    (access,) = [literal(node) for node in find(TREES["install"], "string_literal") if "(A;" in text_of(node)]
    assert access == "O:BAG:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
    assert re.search(r"'S-1-5-18', 'S-1-5-32-544' -cnotcontains", INSTALL)


@pytest.mark.parametrize("writer", ["New-Key", "Write-Config"])
def test_the_folder_is_looked_at_again_before_a_key_is_written(writer):
    body = body_of(functions(TREES["install"])[writer])
    names = [c.name for c in commands(body)]
    assert names.index("Assert-Private") < names.index("Save-File")


def test_the_key_is_on_the_disk_before_the_hub_hears_of_it_and_networks_are_compared_first():
    names = [c.name for c in commands(body_of(functions(TREES["install"])["Connect-Spoke"]))]
    order = [
        "Open-State",
        "Test-Connected",
        "Assert-Network",
        "Install-WireGuard",
        "New-Key",
        "Register-Spoke",
        "Write-Config",
    ]
    assert [name for name in names if name in order] == order
    body = text_of(functions(TREES["install"])["Save-File"])
    assert body.index("$stream.Flush($true)") < body.index("Move-Item")


def test_an_installer_is_run_only_after_its_signature_was_looked_at():
    names = [c.name for c in commands(body_of(functions(TREES["install"])["Install-ByMsi"]))]
    assert names.index("Assert-Signature") < names.index("Install-Msi")
    check = text_of(functions(TREES["install"])["Assert-Signature"])
    assert "-ne 'Valid'" in check
    assert "-cne 'WireGuard LLC'" in check


def test_a_window_that_the_script_was_pasted_into_stays_open():
    for root in (TREES["install"], TREES["uninstall"]):
        for node in find(root, "flow_control_statement"):
            if text_of(node).startswith("exit"):
                block = node.parent.parent
                assert (block.type, block.parent.type) == ("statement_block", "if_statement")
                assert "$PSCommandPath -and -not $Text" in text_of(block.parent)


# ---- secrets


def private_uses(root):
    return [node for node in find(root, "variable") if text_of(node).lower() == "$private"]


def test_the_private_key_reaches_no_argument_list():
    """Of a program, because others can read it; nor of a command, because policies may have those logged."""
    root = TREES["install"]
    for node in private_uses(root):
        above, inside = node, False
        while above is not None and above.type != "function_statement":
            inside = inside or above.type == "script_block_expression"
            assert inside or above.type not in {"command_elements", "argument_list"}, text_of(above)
            above = above.parent
    assert {text_of(f) for f in functions(root).values() for n in private_uses(f)} == {
        text_of(functions(root)[name]) for name in ("New-Key", "Format-Config")
    }


def test_the_private_key_is_read_in_two_places_and_made_in_one():
    reads = re.findall(r".*ReadAllText.*", INSTALL)
    assert [line.strip() for line in reads] == [
        "if ($InputFile) { $process.StandardInput.Write([System.IO.File]::ReadAllText($InputFile)) }",
        "$private = [System.IO.File]::ReadAllText($Spoke.KeyFile).Trim()",
    ]
    assert re.findall(r".*'genkey'.*", INSTALL) == [
        "            $private = (Invoke-Program $Spoke.Wg 'genkey').Output.Trim()"
    ]


def test_no_argument_of_a_program_holds_a_key_or_the_token():
    for command in commands(TREES["install"]):
        if command.name in {"Invoke-Program", "Test-Program"}:
            arguments = " ".join(map(text_of, command.arguments[1:2]))
            assert not re.search(r"(?i)private|token|\.KeyFile", arguments), arguments


def test_what_is_said_names_no_secret():
    for command in commands(TREES["install"]):
        if command.name in {"Write-Host", "Write-Line", "Write-Note", "Write-Step", "Stop-Run"}:
            said = " ".join(
                text_of(n) for a in command.arguments for n in find(a, "member_access") + find(a, "variable")
            )
            assert not re.search(r"(?i)\$private|Spoke\.Token|Spoke\.Body|\$Text\b", said), said
