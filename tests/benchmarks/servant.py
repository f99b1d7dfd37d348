"""A Python module that runs in a machine of the lab and does what it is asked: a line of JSON in, one out."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from tests.journeys.lab import ENVIRONMENT, REPOSITORY, Host


class Servant:
    """The asking end. `module` is run with these arguments, and calls `serve`. A secret is its first line of input."""

    def __init__(
        self, host: Host, module: str, *arguments: str, env: dict[str, str] | None = None, secret: str = ""
    ) -> None:
        command = [*host.enter(), "env", f"--chdir={REPOSITORY}", sys.executable, "-m", module, *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT | (env or {}), text=True
        )
        if secret:
            assert self._process.stdin is not None
            self._process.stdin.write(f"{secret}\n")

    def ask(self, what: str, **given: Any) -> Any:
        """The answer; AssertionError with what went wrong there."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, given]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the servant ended with {self._process.wait()}"
        answer, problem = json.loads(line)
        assert not problem, problem
        return answer

    def dismiss(self) -> None:
        self._process.communicate()


def serve(**tasks: Callable[..., Any]) -> None:
    """Does what it is asked until the end of its input."""
    for line in sys.stdin:
        what, given = json.loads(line)
        try:
            answer = [tasks[what](**given), ""]
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is told
            answer = [None, f"{what}: {problem!r}"]
        print(json.dumps(answer), flush=True)
