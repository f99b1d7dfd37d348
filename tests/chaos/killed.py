"""SIGKILL to web and agent at random moments of an enrolment load."""

import random
import time

from tests.chaos.stage import WORKERS, stage


def at_random_moments(engine: str, *, kills: int = 50, seed: int | None = None) -> str:
    """Workers, the whole of web, the agent: whoever the dice name, also while it is still starting."""
    seed = random.randrange(10**6) if seed is None else seed
    print(f"seed {seed}", flush=True)
    dice = random.Random(seed)
    with stage(engine, calm=6) as hub:
        hub.crowd(seed=seed, pause=0.2)
        for _ in range(kills):
            hub.wait_for_answers(dice.randint(0, 20), most_seconds=4)
            time.sleep(dice.uniform(0, 0.2))
            if dice.random() < 0.4:
                hub.services["agent"].kill()
            elif (number := dice.randint(0, WORKERS)) == 0:
                hub.services["web"].kill()
            else:
                hub.services["web"].kill_one(number)
        return f"{kills} kills: {hub.verdict()}"
