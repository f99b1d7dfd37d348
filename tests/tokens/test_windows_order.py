"""In which order the Windows script does things, and what of it is secret, as far as its syntax tree tells."""

import re

import pytest

from tests.tokens.powershell_tree import (
    body_of,
    commands,
    enclosing,
    find,
    functions,
    in_order,
    literal,
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
)

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


WANTED = ["FullLanguage", "IsInRole", "Is64BitProcess", "OSVersion.Version.Major -lt 10"]


@each_command
def test_a_command_looks_before_it_fetches_so_that_no_token_is_lost(name):
    root = TREES[name]
    fetch = next(c.node for c in commands(root) if c.name == "Invoke-WebRequest")
    assert len([c for c in commands(root) if c.name == "Invoke-WebRequest"]) == 1
    before = [asked for node, asked in guards(root) if node.end_byte < fetch.start_byte]
    assert [word in asked for word, asked in zip(WANTED, before, strict=True)] == [True] * 4
    assert find(root, "if_statement")[0].start_byte < min(n.start_byte for n in find(root, "type_literal"))


@each_command
def test_a_fetch_that_fails_is_told_in_a_sentence_and_runs_nothing(name):
    root = TREES[name]
    refused = next(node for node in find(root, "catch_clause") if "LASTEXITCODE = 6; return" in text_of(node))
    fetch = next(c.node for c in commands(root) if c.name == "Invoke-WebRequest")
    assert refused.parent.parent.start_byte < fetch.start_byte < refused.start_byte
    assert "recoveryHint" in text_of(refused)
    run = next(c.node for c in commands(root) if text_of(c.node).startswith("& ([ScriptBlock]::Create"))
    assert refused.end_byte < run.start_byte


def test_the_checked_command_runs_nothing_but_the_script_that_was_issued():
    root = TREES["checked command"]
    wanted = ["Invoke-WebRequest", "Get-FileHash", "Remove-Item"]
    nodes = [c for c in commands(root) if c.name in wanted]
    assert [c.name for c in nodes] == wanted
    check = next(node for node, asked in guards(root) if "Get-FileHash" in asked)
    assert f"'{SUM}'" in text_of(check)
    assert check.end_byte < CHECKED.index("ReadAllText($f)") < nodes[2].node.start_byte < CHECKED.index("Create($t)")
    assert f"&sha256={SUM}'" in CHECKED


@each_script
def test_a_script_asks_for_the_language_before_anything_and_for_the_administrator_before_it_does_anything(name):
    nodes = order_of(name)
    first = place(nodes, lambda node: node.type == "if_statement")
    assert "FullLanguage" in text_of(nodes[first])
    assert not [n for n in nodes[:first] if n.type == "type_literal" and text_of(n) not in {"[string]", "[switch]"}]
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
    assert body.index("$stream.Flush($true)") < body.index("::Replace(") < body.index("Move-Item")


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
                assert "-not $Text -and ($Alone -or $PSCommandPath)" in text_of(block.parent)


@each_script
def test_an_interrupt_is_cleaned_up_gives_the_lock_back_and_ends_its_own_process_with_130(name):
    last = find(TREES[name], "finally_clause")[-1]
    outer = enclosing(last.parent, "finally_clause")
    assert "if (-not $Spoke.IsOver) { Undo-Run }" in text_of(outer).split("finally", 2)[1]
    assert not commands(last)
    unlock, end = find(last, "if_statement")
    assert "$Spoke.Lock.Dispose()" in text_of(unlock)
    assert "$Alone -and -not $Spoke.IsOver" in text_of(end)
    assert "[Environment]::Exit(130)" in text_of(end)


@each_script
def test_an_interrupt_says_how_to_go_on(name):
    undo = functions(TREES[name])["Undo-Run"]
    assert commands(undo)[-1].name == "Write-Stop"
    assert "$Spoke.Code = 130" in text_of(undo)
    assert "Get-CopyCommand 'resume'" in text_of(functions(TREES[name])["Write-Stop"])


def test_an_interrupt_starts_the_tunnel_again_that_was_there():
    own = functions(TREES["install"])
    start = text_of(own["Start-Tunnel"])
    assert start.index("HasStopped = Test-Service") < start.index("Install-Tunnel") < start.index("HasStopped = $false")
    assert "elseif ($Spoke.HasStopped) { Install-Tunnel }" in text_of(own["Undo-Run"])


@each_script
def test_an_interrupt_is_heard_while_a_program_runs(name):
    waits = [node for node in find(TREES[name], "invokation_expression") if "WaitForExit" in text_of(node)]
    (loop,) = [node for node in find(TREES[name], "while_statement") if "WaitForExit" in text_of(node)]
    assert [text_of(node) for node in waits] == ["$process.WaitForExit(100)"]
    assert "Get-Seconds" in [c.name for c in commands(loop)]


def test_the_copy_is_kept_before_the_lock_is_taken_so_that_no_token_is_lost():
    names = [c.name for c in commands(body_of(functions(TREES["install"])["Open-State"]))]
    assert names.index("New-PrivateFolder") < names.index("Save-Copy") < names.index("Lock-Home")
    assert "$Spoke.IsKept = $true" in text_of(functions(TREES["install"])["Save-Copy"])


@pytest.mark.parametrize("judge", ["Test-Connected", "Find-Trouble", "Wait-ForHub"])
def test_the_hub_is_asked_before_its_handshake_is_judged(judge):
    names = [c.name for c in commands(body_of(functions(TREES["install"])[judge]))]
    asked = "Test-Ping" if judge == "Wait-ForHub" else "Test-Answer"
    assert names.index(asked) < names.index("Test-Heard")


@each_script
def test_nothing_is_removed_from_where_the_window_stands(name):
    body = body_of(functions(TREES[name])["Uninstall-Spokes"])
    assert [c.name for c in commands(body)][:2] == ["Push-Location", "Remove-Spokes"]
    assert "Pop-Location" in text_of(find(body, "finally_clause")[0])
    nodes = order_of(name, body)
    assert place(nodes, is_command("Push-Location")) < place(nodes, is_command("Remove-Item"))


@each_script
def test_a_configuration_stays_as_long_as_its_service(name):
    body = text_of(functions(TREES[name])["Remove-Tunnel"])
    assert body.index("Stop-Tunnel") < body.index("if (Test-Service) { Stop-Run 3") < body.index("Remove-Item")


def test_routes_that_cannot_be_read_are_not_taken_for_none():
    assert "if ($routes.Count -eq 0) { Stop-Run 3" in text_of(functions(TREES["install"])["Read-Routes"])


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
    """The two other readings are in texts, of scripts."""
    reads = re.findall(r".*ReadAllText.*", INSTALL)
    scripts = [
        line for line in reads if re.search(r"ReadAllText\((' \+ \(Format-Literal \$Path\)|\$copy\.FullName)", line)
    ]
    assert len(scripts) == 2
    reads = [line for line in reads if line not in scripts]
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
