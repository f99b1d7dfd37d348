"""PostgreSQL stopped, restarted as after a power cut, and out of connections."""

import sys
import time

from tests.chaos.stage import PG, stage

_HOG = """
import contextlib, psycopg, sys, time
held, until = [], time.monotonic() + float(sys.argv[3])
while time.monotonic() < until:
    with contextlib.suppress(psycopg.Error):
        held.append(psycopg.connect(host=sys.argv[1], user="hub", dbname=sys.argv[2]))
        continue
    time.sleep(0.05)
print(len(held))
"""


def away(*, seconds: float = 8, restarts: int = 3) -> str:
    with stage("postgresql", calm=6) as hub:
        hub.crowd(pause=0.2)
        time.sleep(2)
        hub.postgres("stop")
        time.sleep(seconds)
        hub.postgres("start")
        for _ in range(restarts):
            time.sleep(2)
            hub.postgres("restart")
        time.sleep(3)
        # Whoever loses his connection now gets none again.
        for service in hub.services.values():
            service.kill()
        name = hub.settings["DATABASE_URL"].rpartition("/")[2]
        hog = hub.host.run([sys.executable, "-c", _HOG, PG, name, str(seconds)], check=True)
        assert int(hog.stdout) > 20, hog.stdout
        return (
            f"stopped for {seconds:g} s, {restarts} restarts, {hog.stdout.strip()} connections taken: {hub.verdict()}"
        )
