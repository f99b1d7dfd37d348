"""The agent, for one look at a time: started in a machine of the lab by `tests.benchmarks.servant`."""

import resource
import subprocess
import threading

import django

django.setup()

from tests.benchmarks.servant import serve
from wireguard.agent import Agent, keep_garbage_collection_rare
from wireguard.backends import WgBackend
from wireguard.wakeup import wakeup_for_database


class Looker:
    def __init__(self) -> None:
        self.agent = Agent(WgBackend(), wakeup_for_database(), threading.Event())
        keep_garbage_collection_rare()

    def bring_up(self) -> str:
        self.agent.turn()
        self._finish()
        return self.agent._keeper.problem

    def look(self) -> str:
        self.agent._keeper._next_look = 0.0
        self.agent.turn()
        self._finish()
        return self.agent._keeper.problem

    def _finish(self) -> None:
        while self.agent._keeper.is_looking:
            self.agent._keeper.wait_for_look()
            self.agent.turn()

    def bare(self, command: list[str]) -> float:
        """What a program costs by itself, in seconds of CPU."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def profile(self, path: str) -> None:
        """The next look, function by function, for a person."""
        import cProfile
        import time

        profile = cProfile.Profile(time.process_time)
        self.agent._keeper._next_look = 0.0
        profile.runcall(self.agent.turn)
        self.agent._keeper.wait_for_look()
        profile.runcall(self.agent.turn)
        profile.dump_stats(path)


if __name__ == "__main__":
    looker = Looker()
    serve(bring_up=looker.bring_up, look=looker.look, bare=looker.bare, profile=looker.profile)
