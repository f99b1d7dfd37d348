"""The user guide: its marks become HTML, and its pictures are there and small."""

import re

from hubproject.guide import FILE, blocks_of
from tests.browser.guide import FOLDER, MOST_BYTES, PICTURES
from tests.browser.pages import PAGES

TEXT = """# Title

Press **Add** or `n`, <b>now</b>.

1. One
   and a half
2. Two

- Here

## Next step

![A picture](user-guide/one.png)

    wg show
"""


def test_its_marks_become_blocks_and_nothing_else_becomes_html():
    kinds = [block.kind for block in blocks_of(TEXT)]
    assert kinds == ["paragraph", "steps", "list", "heading", "picture", "command"]
    paragraph, steps, *_, heading, picture, command = blocks_of(TEXT)
    assert paragraph.text == "Press <b>Add</b> or <code>n</code>, &lt;b&gt;now&lt;/b&gt;."
    assert steps.items == ("One and a half", "Two")
    assert (heading.text, heading.anchor) == ("Next step", "next-step")
    assert (picture.text, picture.file) == ("A picture", "one.png")
    assert command.text == "wg show"


def test_its_pictures_are_those_that_are_made_and_small_enough_to_keep():
    named = re.findall(r"\(user-guide/([\w-]+)\.png\)", FILE.read_text())
    assert sorted(named) == sorted(PICTURES) == sorted(path.stem for path in FOLDER.glob("*.png"))
    assert max(path.stat().st_size for path in FOLDER.glob("*.png")) <= MOST_BYTES
    assert set(PICTURES.values()) <= {page.name for page in PAGES}
