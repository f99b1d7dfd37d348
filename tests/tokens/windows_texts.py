"""What a Windows machine is given: the scripts and the lines to paste, with their syntax trees."""

import pytest

from tests.tokens.machine import script_values
from tests.tokens.powershell_tree import parse
from tokens.scripts import checked_commands, install_commands, render_script, render_uninstall

URL = "https://hub.example.com"
TOKEN = "Kd8jD_s9fN2mPlqR6tV8wX0yZ5aB3cE7gH4iJ-abcde"
SUM = "0123456789abcdef" * 4
INSTALL = render_script("windows", script_values())
UNINSTALL = render_uninstall("windows")
ONE_LINE = install_commands(URL, TOKEN)["windows"]
CHECKED = checked_commands(URL, TOKEN, {"windows": SUM})["windows"]
TEXTS = {"install": INSTALL, "uninstall": UNINSTALL, "command": ONE_LINE, "checked command": CHECKED}
TREES = {name: parse(text) for name, text in TEXTS.items()}
each_text = pytest.mark.parametrize("name", TEXTS)
each_script = pytest.mark.parametrize("name", ["install", "uninstall"])
each_command = pytest.mark.parametrize("name", ["command", "checked command"])
