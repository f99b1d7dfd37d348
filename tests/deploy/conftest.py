"""One hub behind one web server for all tests of the front: starting them takes longer than asking them."""

from collections.abc import Iterator

import pytest

from tests.deploy.front import Front, web_front


@pytest.fixture(scope="session")
def front() -> Iterator[Front]:
    with web_front() as front:
        yield front
