"""Static files: plain names in a clone; once collected, names that never mean anything else."""

import re
import shutil
from pathlib import Path

import pytest
from django.conf import settings
from django.templatetags.static import static

from hubproject.static_files import HashedOnceCollected

HASHED = r"[\w/-]+\.[0-9a-f]{12}\.(?:js|css|svg)"
OURS = Path(settings.BASE_DIR) / "hubproject" / "static"


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> HashedOnceCollected:
    """Our own files, as `collectstatic` leaves them."""
    place = tmp_path_factory.mktemp("collected")
    shutil.copytree(OURS, place, dirs_exist_ok=True)
    storage = HashedOnceCollected(location=str(place), base_url="/static/")
    names = [file.name for file in OURS.iterdir()]
    done = list(storage.post_process({name: (storage, name) for name in names}))
    assert not [problem for _, _, problem in done if isinstance(problem, Exception)]
    return HashedOnceCollected(location=str(place), base_url="/static/")


def test_nothing_has_to_be_collected_in_a_clone():
    assert static("hub.css") == "/static/hub.css"


def test_collected_files_bear_the_hash_of_what_is_in_them(collected):
    assert re.fullmatch(f"/static/{HASHED}", collected.url("hub.css"))
    assert collected.url("hub.css") != collected.url("hub.js")


def test_the_web_server_knows_such_names_for_what_they_are(collected):
    configuration = (Path(settings.BASE_DIR) / "deploy/nginx/wireguard-hub.conf").read_text()
    pattern = re.search(r'location ~ "(\^/static/.*)" \{', configuration)[1]
    assert re.search(pattern, collected.url("hub.js"))
    assert not re.search(pattern, "/static/hub.js")


def test_modules_import_each_other_by_those_names_too(collected):
    imported = []
    for name in (file.name for file in OURS.glob("*.js")):
        text = Path(collected.path(collected.stored_name(name))).read_text()
        imported += re.findall(r"""^\s*import\b[^'"]*['"]\./([^'"]+)""", text, re.MULTILINE)
    assert len(imported) > 10
    assert all(re.fullmatch(HASHED, name) for name in imported)
