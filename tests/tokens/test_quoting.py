"""A value reaches the shell that runs a script exactly as it was, or not at all."""

import re
import shlex
import shutil
import subprocess
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens.quoting import UnquotableError, ps_quote, sh_quote

SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]
HOSTILE = [
    "",
    "'",
    "''",
    "a'b",
    "\\'",
    '"; touch /tmp/x; "',
    "$(touch /tmp/x)",
    "`touch /tmp/x`",
    "${IFS}*?[a]~!#&|<>",
    "-n",
    " a  b ",
    "END_OF_SPOKE_SCRIPT",
    "\u2018\u2019\u201a\u201b",
    "n\u00e9\u540d\U0001f680",
]
quotable = st.text(st.sampled_from("'\"\\$`\u2018\u2019") | st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]))


@given(quotable)
def test_a_quoted_value_is_one_word_with_the_same_text(value):
    assert shlex.split(sh_quote(value)) == [value]


@given(quotable)
def test_every_quoted_value_starts_and_ends_with_a_single_quote(value):
    assert re.fullmatch(r"'.*'", sh_quote(value))


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_real_shells_read_back_what_was_quoted(shell):
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed")
    script = "printf '%s\\n' " + " ".join(map(sh_quote, HOSTILE))
    printed = subprocess.run([*shell, "-c", script], capture_output=True, check=True, text=True).stdout
    assert printed == "".join(value + "\n" for value in HOSTILE)


def test_a_safe_value_is_quoted_too():
    assert sh_quote("web-1") == "'web-1'"
    assert ps_quote("web-1") == "'web-1'"


def test_a_number_is_written_in_plain_digits():
    assert sh_quote(51820) == "'51820'"


def test_a_single_quote_is_closed_escaped_and_opened_again():
    assert sh_quote("a'b") == "'a'\\''b'"


def test_powershell_gets_every_kind_of_quote_doubled():
    assert ps_quote("a'b\u2018c\u2019d\u201ae\u201bf") == ("'a''b\u2018\u2018c\u2019\u2019d\u201a\u201ae\u201b\u201bf'")


@given(quotable)
def test_powershell_reads_back_what_was_quoted(value):
    inside = ps_quote(value)[1:-1]
    assert re.fullmatch(r"(?:[^'‘’‚‛]|(['‘’‚‛])\1)*", inside)  # noqa: RUF001
    assert re.sub(r"(['‘’‚‛])\1", r"\1", inside) == value  # noqa: RUF001


@pytest.mark.parametrize("quote", [sh_quote, ps_quote])
@pytest.mark.parametrize(
    "character", ["\n", "\r", "\0", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"], ids=ascii
)
def test_control_characters_line_ends_and_lone_surrogates_are_refused(quote, character):
    with pytest.raises(UnquotableError, match=f"U\\+{ord(character):04X}"):
        quote(f"web{character}1")


@given(st.characters(categories=["Cc", "Cs", "Zl", "Zp"]))
def test_no_refused_character_ever_comes_out(character):
    assert unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
    with pytest.raises(UnquotableError):
        sh_quote(character)
