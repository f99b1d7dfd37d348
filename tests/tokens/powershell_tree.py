"""Syntax trees of PowerShell, and in which order a script acts: all that can be seen where no PowerShell runs."""

from collections.abc import Iterator
from dataclasses import dataclass

import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_powershell.language()))
COMMON_PARAMETERS = {"ErrorAction": "1.0", "Confirm": "1.0"}


def parse(text: str) -> Node:
    return _PARSER.parse(text.encode()).root_node


def is_sound(text: str) -> bool:
    return not parse(text).has_error


def walk(node: Node) -> Iterator[Node]:
    """Every node, in the order of the text."""
    yield node
    for child in node.children:
        yield from walk(child)


def text_of(node: Node) -> str:
    return node.text.decode()


def find(node: Node, kind: str) -> list[Node]:
    return [found for found in walk(node) if found.type == kind]


def enclosing(node: Node, kind: str) -> Node:
    """The node itself or the nearest around it that is of this kind; there has to be one."""
    return node if node.type == kind else enclosing(node.parent, kind)


@dataclass(frozen=True)
class Command:
    node: Node
    name: str
    parameters: tuple[str, ...]
    arguments: tuple[Node, ...]

    def positional(self) -> int:
        """How many values have no parameter's name before them; switches are told apart by SWITCHES."""
        given = [name for name in self.parameters if name not in SWITCHES]
        return len(self.arguments) - len(given)


SWITCHES = {"Compress", "Directory", "File", "Force", "NoProfile", "Off", "Recurse", "UseBasicParsing"}


def commands(node: Node) -> list[Command]:
    return [_command(found) for found in find(node, "command")]


def _command(node: Node) -> Command:
    name = node.child_by_field_name("command_name")
    elements = next((child for child in node.children if child.type == "command_elements"), None)
    parts = [part for part in (elements.children if elements else []) if part.type != "command_argument_sep"]
    return Command(
        node=node,
        name=text_of(name) if name else "&",
        parameters=tuple(text_of(part)[1:] for part in parts if part.type == "command_parameter"),
        arguments=tuple(part for part in parts if part.type != "command_parameter"),
    )


def functions(root: Node) -> dict[str, Node]:
    return {text_of(found.children[1]): found for found in find(root, "function_statement")}


def parameters_of(function: Node) -> list[str]:
    return [text_of(find(parameter, "variable")[0])[1:] for parameter in find(function, "script_parameter")]


def literal(node: Node) -> str:
    """What PowerShell reads in a single-quoted literal: any of its five quotes, doubled, is one."""
    inside, value, place = text_of(node)[1:-1], "", 0
    while place < len(inside):
        value += inside[place]
        place += 2 if inside[place] in "'\u2018\u2019\u201a\u201b" else 1
    return value


def in_order(root: Node, start: Node) -> list[Node]:
    """Every node of `start` as it is run: every branch taken, each of the script's own functions followed once."""
    known, seen, nodes = functions(root), set(), []

    def run(part: Node) -> None:
        for node in _without_functions(part):
            nodes.append(node)
            if node.type == "command":
                name = _command(node).name
                if name in known and name not in seen:
                    seen.add(name)
                    run(body_of(known[name]))

    run(start)
    return nodes


def body_of(function: Node) -> Node:
    return next(child for child in function.children if child.type == "script_block")


def _without_functions(node: Node) -> Iterator[Node]:
    # What is in a command's arguments runs before the command; an `if` comes before what it guards.
    if node.type == "function_statement":
        return
    if node.type != "command":
        yield node
    for child in node.children:
        yield from _without_functions(child)
    if node.type == "command":
        yield node
