"""Calls that schemathesis makes up from the OpenAPI document, valid ones and broken ones, sent as everybody.

No answer may be a server error, and each must be one the document declares, in status, media type, headers and body;
what breaks the document must be refused. `python -m tests.prove.schema_walk URL CALLS viewer=KEY operator=KEY
admin=KEY` walks a running hub, which it leaves full of rubbish.
"""

import contextlib
import json
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.contract import validator_of

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ANONYMOUS = ""
# Parameters in paths that exist, by how those paths begin.
Known = Mapping[str, Sequence[Mapping[str, str]]]


@dataclass
class Walked:
    """What came of it: how often each status was answered, and each kind of breach once."""

    statuses: Counter[int] = field(default_factory=Counter)
    breaches: dict[tuple[str, str], str] = field(default_factory=dict)

    def line(self) -> str:
        """What `make prove` prints; raises AssertionError with every breach."""
        assert not self.breaches, "\n\n".join(f"{' '.join(key)}: {text}" for key, text in self.breaches.items())
        return f"{self.statuses.total()} generated calls: {dict(sorted(self.statuses.items()))}, none undeclared"


def walk(
    document: dict[str, Any],
    *,
    calls: int,
    keys: dict[str, str],
    base_url: str,
    app: Any = None,
    known: Known | None = None,
    number: int = 1,
) -> Walked:
    """Makes about `calls` calls as nobody and with each of the keys; `known` has parameters that exist.

    `number` seeds the generator: the same number makes the same calls. With `app`, a WSGI application, no network.
    """
    schema = schemathesis.openapi.from_dict(document)
    schema.app = app
    operations = [found.ok() for found in schema.get_all_operations()]
    each = max(1, calls // (2 * len(operations)))
    walked = Walked()
    roles = st.sampled_from([*keys, *keys, ANONYMOUS])

    def one(case: Case, role: str) -> None:
        headers = {"Authorization": f"Bearer {keys[role]}"} if role else {}
        answer = case.call(base_url=base_url, headers=headers)
        walked.statuses[answer.status_code] += 1
        for breach in _breaches(case, answer, headers):
            walked.breaches.setdefault((case.operation.label, type(breach).__name__), _told(case, role, answer, breach))

    generated = settings(
        max_examples=each,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            with contextlib.suppress(Unsatisfiable):  # where nothing can be broken, nothing is
                seed(number)(generated(given(case=_cases(operation, mode, known or {}), role=roles)(one)))()
    return walked


def _cases(operation: Any, mode: GenerationMode, known: Known) -> st.SearchStrategy[Case]:
    """Cases of an operation; valid ones mostly have ids that exist."""
    made_up = operation.as_strategy(generation_mode=mode)
    names = {parameter.name for parameter in operation.path_parameters}
    if mode is GenerationMode.NEGATIVE or not names:
        return made_up
    existing = [
        found for beginning, values in known.items() if operation.path.startswith(beginning) for found in values
    ]
    chosen = [{name: value for name, value in found.items() if name in names} for found in existing]
    return st.one_of(made_up, *[operation.as_strategy(generation_mode=mode, path_parameters=ids) for ids in chosen])


def _breaches(case: Case, answer: Any, headers: dict[str, str]) -> Iterable[Exception]:
    is_absent = _only_leaves_out(case) or _has_blank_value(answer.request.url)
    checks = CHECKS if is_absent else [*CHECKS, negative_data_rejection]
    try:
        case.validate_response(answer, checks=checks, headers=headers)
    except FailureGroup as group:
        return list(group.exceptions)
    return []


def _has_blank_value(url: str) -> bool:
    """Whether what was sent in the end has an empty text: some made-up values are written as one."""
    return any(not value for _, value in parse_qsl(urlsplit(url).query, keep_blank_values=True))


def _only_leaves_out(case: Case) -> bool:
    """Whether a broken request is broken only by null or an empty text for something optional, which means absent."""
    query = {name: value for name, value in (case.query or {}).items() if value not in (None, "")}
    if query != (case.query or {}):
        return True
    body = case.operation.body
    if not body or not isinstance(case.body, dict):
        return False
    sent = {name: value for name, value in case.body.items() if value not in (None, "")}
    return sent != case.body and validator_of(body[0].definition["schema"]).is_valid(sent)


def _told(case: Case, role: str, answer: Any, breach: Exception) -> str:
    sent = {"path": case.path_parameters, "query": case.query, "body": case.body}
    return (
        f"{breach}\nas {role or 'nobody'}: {json.dumps(sent, default=repr)[:1500]}\n"
        f"answered {answer.status_code}: {answer.text[:500]}"
    )


def walk_live(url: str, keys: dict[str, str], calls: int) -> Walked:
    """Walks a running hub, with the ids it has; `keys` are API keys by role."""
    get = _getter(url, keys["viewer"])
    known = {
        "/api/installation/token/": get("/api/installation/tokens?pageSize=3")["tokens"],
        "/api/spoke/": get("/api/spoke/list?pageSize=3")["spokes"],
        "/api/proxmox/": get("/api/proxmox/clusters?pageSize=3")["clusters"],
    }
    return walk(get("/api/schema"), calls=calls, keys=keys, base_url=url, known=known)


def _getter(url: str, key: str) -> Callable[[str], Any]:
    def get(path: str) -> Any:
        request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    return get


def main(url: str, calls: int, keys: dict[str, str]) -> int:
    """Walks the hub at `url`; 1 when it found a breach."""
    try:
        sys.stdout.write(f"{walk_live(url, keys, calls).line()}\n")
    except AssertionError as breaches:
        sys.stdout.write(f"{breaches}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), dict(pair.split("=", 1) for pair in sys.argv[3:])))
