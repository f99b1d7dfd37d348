"""The arithmetic behind the figures: whose CPU counts, how pairs are taken, what is called the median."""

import json
import os
import subprocess
import sys
import time

import pytest

from tests.benchmarks.__main__ import as_json, table
from tests.benchmarks.figures import Figure, Plan
from tests.benchmarks.measure import Cost, Ratio, cpu_seconds, descendants, in_turns, memory_bytes, percentile, ratio

BURN = "import time; end = time.process_time() + {seconds}\nwhile time.process_time() < end: pass"


def test_cpu_of_a_group_is_that_of_its_processes_and_of_the_children_they_waited_for():
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN.format(seconds=0.2)!r}]); input()"
    with subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        before = cpu_seconds([os.getpid()])
        deadline = time.monotonic() + 30
        while cpu_seconds([process.pid]) < 0.2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert cpu_seconds([process.pid]) >= 0.2
        assert cpu_seconds([process.pid, os.getpid()]) > cpu_seconds([process.pid]) + before
        process.communicate(b"\n")


def test_a_process_that_is_gone_counts_nothing():
    done = subprocess.Popen(["true"])
    done.wait()
    assert cpu_seconds([done.pid]) == 0


def test_descendants_are_found_at_any_depth():
    with subprocess.Popen(["sh", "-c", "sh -c 'sleep 30; :'; :"], process_group=0) as process:
        deadline = time.monotonic() + 30
        while len(descendants(process.pid)) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(descendants(process.pid)) == 3
        os.killpg(process.pid, 15)


def test_memory_is_what_a_process_holds():
    assert 1e6 < memory_bytes([os.getpid()]) < 2e9


def test_pairs_are_taken_in_turns_and_the_rehearsal_is_thrown_away():
    order: list[str] = []

    def noted(name: str, cpu: float):
        def act() -> Cost:
            order.append(name)
            return Cost(cpu * len(order), 1.0)

        return act

    pairs = in_turns(noted("one", 1.0), noted("other", 1.0), 2)
    assert order == ["other", "one", "one", "other", "other", "one"]
    assert pairs == [(Cost(3.0, 1.0), Cost(4.0, 1.0)), (Cost(6.0, 1.0), Cost(5.0, 1.0))]


def test_a_ratio_is_the_median_of_pairs_and_not_of_sums():
    assert ratio([(1.0, 1.0), (3.0, 1.0), (100.0, 50.0)]) == Ratio(2.0, 1.0, 3.0, 3)


@pytest.mark.parametrize(("share", "value"), [(0.95, 19), (0.5, 10), (1.0, 20), (0.01, 1)])
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(share, value):
    assert percentile([float(number) for number in range(20, 0, -1)], share) == value


@pytest.mark.parametrize(("median", "at_least", "is_met"), [(3.0, False, True), (3.1, False, False), (3.1, True, True)])
def test_a_goal_is_a_bound_from_above_or_from_below(median, at_least, is_met):
    figure = Figure("look", [10], Ratio(median, 1.0, 9.0, 7), 3.0, "bare `wg`", at_least=at_least)
    line = json.loads(as_json(figure, "sqlite"))
    assert (line["met"], line["median"], line["pairs"], line["engine"]) == (is_met, median, 7, "sqlite")
    assert ("not met" in table([("sqlite", figure)])) != is_met


def test_sizes_have_a_small_a_middle_and_a_large_one():
    plan = Plan((100, 1000, 10_000))
    assert (plan.small, plan.middle, plan.large, plan.talking) == (100, 1000, 10_000, 4000)
