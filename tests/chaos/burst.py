"""Ten thousand tokens at once, on PostgreSQL a quarter of that, issued with several keys while machines register."""

import sys

from tests.chaos.stage import stage

ISSUERS = 4


TOKENS = {"sqlite": 10_000, "postgresql": 2_500}


def of_tokens(engine: str, *, tokens: int = 0) -> str:
    tokens = tokens or TOKENS[engine]
    with stage(engine, calm=6) as hub:
        create = [sys.executable, "manage.py", "create_api_key", "--role", "admin", "--name"]
        made = [hub.host.run([*create, f"burst-{number}"], env=hub.settings, check=True) for number in range(2)]
        keys = [hub.keys["operator"], hub.keys["admin"], *(one.stdout.strip() for one in made)]
        machines = hub.crowd(clients=2, keys=keys)
        burst = hub.crowd(kind="issue", clients=ISSUERS, lives=tokens // ISSUERS, keys=keys)
        hub.finish(burst, gently=False, seconds=900)
        hub.finish(machines)
        issued = [one for one in hub.requests() if one.act == "issue" and one.status == 201 and "-issue" in one.name]
        assert len(issued) == tokens // ISSUERS * ISSUERS, f"{len(issued)} tokens"
        took = max(one.ended for one in issued) - min(one.began for one in issued)
        return f"{len(issued)} tokens in {took:.0f} s: {hub.verdict()}"
