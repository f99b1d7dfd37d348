"""Many processes that do the same thing at the same instant: `python -m tests.races.crowd SCENARIO`.

One process prepares the database and forks the crowd, before any of them has a connection. They meet at a barrier
before each round, so that every round is as close a race as the machine can give. What each of them met in each round,
and what then stands in the database, is printed as JSON.
"""

import importlib
import json
import multiprocessing
import sys
from multiprocessing.connection import Connection
from typing import Any

import django
from django.db import connection, connections

PATIENCE = 300.0


def take_part(scenario: Any, number: int, barrier: Any, answers: Connection) -> None:
    met = []
    for what in scenario.rounds:
        barrier.wait(PATIENCE)
        try:
            met.append(scenario.act(what, number))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test decides whether it may be
            met.append(type(error).__name__)
    answers.send(met)


def wait_long_for_sqlite() -> None:
    """SQLite's lock knows no queue, and the product gives up waiting after ten seconds.

    Whether the last of a crowd is served in ten seconds is a matter of the machine, and not of who wins.
    """
    if connection.vendor == "sqlite":
        connection.settings_dict["OPTIONS"]["timeout"] = PATIENCE


def run(scenario: Any) -> dict[str, Any]:
    """For each round what each process met, and the facts afterwards."""
    scenario.prepare()
    connections.close_all()
    wait_long_for_sqlite()
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(scenario.processes)
    readers = []
    for number in range(scenario.processes):
        reader, writer = context.Pipe(duplex=False)
        context.Process(target=take_part, args=(scenario, number, barrier, writer)).start()
        writer.close()
        readers.append(reader)
    met = [reader.recv() for reader in readers]
    return {"rounds": list(zip(*met, strict=True)), "facts": scenario.facts()}


if __name__ == "__main__":
    django.setup()
    scenarios = importlib.import_module("tests.races.scenarios")
    json.dump(run(getattr(scenarios, sys.argv[1])()), sys.stdout)
