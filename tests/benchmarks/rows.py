"""One function a row of the table: what is measured, against what, and how often."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from tests.benchmarks.figures import Figure, Plan, alone, compared
from tests.benchmarks.measure import Cost, Ratio, costs, cpu_seconds, in_turns, memory_bytes, percentile, ratio
from tests.benchmarks.servant import Servant
from tests.benchmarks.stage import AGENT, POSTGRESQL, Ground, Stage
from wireguard.keys import generate_private_key, public_key_of

POOL = 65_533  # what a /16 has for spokes
TODAYS_BEST = 3.8  # registrations a second, of the products there are
PAGE_PATHS = {
    "page: spokes": "/admin/spokes/spoke/",
    "page: overview": "/admin/",
    "page: clusters": "/admin/proxmox/cluster/",
}
REST_PATHS = {
    "REST: spokes": "/api/spoke/list?pageSize=100",
    "REST: tokens": "/api/installation/tokens?pageSize=100",
    "REST: clusters": "/api/proxmox/clusters?pageSize=100",
    "REST: hub status": "/api/hub/status?pageSize=100",
}


# --- Issue and register ---------------------------------------------------------------------------------------------


def register_growth(ground: Ground, plan: Plan) -> Iterator[Figure]:
    large, small = ground.running(plan.large), ground.running(plan.small)
    pairs = in_turns(lambda: _registered(large, plan), lambda: _registered(small, plan), plan.pairs)
    yield compared(
        f"register at {plan.large} ÷ at {plan.small}",
        [plan.large, plan.small],
        pairs,
        goal=1.15,
        floor=f"at {plan.small}",
    )


def _registered(stage: Stage, plan: Plan) -> Cost:
    """One registration. The look that follows newcomers two seconds later is a row of its own and left out here."""
    stage.client.ask("issue", count=plan.calls)
    group = lambda: stage.processes("web", "agent", "tunnel", "server")
    cost = costs(lambda: stage.client.ask("register", count=plan.calls), group)
    time.sleep(2.6)
    return cost.per(plan.calls)


def register_floor(ground: Ground, plan: Plan) -> Iterator[Figure]:
    stage = ground.running(plan.middle)
    url = stage.start_bare()
    everything: list[Cost] = []

    def registered() -> Cost:
        stage.client.ask("issue", count=plan.calls)
        web, rest = stage.processes("hubproject.gunicorn_conf"), stage.processes("agent", "tunnel")
        before = cpu_seconds(rest)
        cost = costs(lambda: stage.client.ask("register", count=plan.calls), lambda: web)
        everything.append(Cost(cost.cpu + cpu_seconds(rest) - before, cost.wall).per(plan.calls))
        time.sleep(2.6)
        return cost.per(plan.calls)

    # A processor that slept does the same work more slowly. So the floor's calls come as often as registrations, which
    # wait for the agent.
    pace = registered().wall
    without_pauses: list[Cost] = []

    def bare() -> Cost:
        without_pauses.append(called(every=0.0))
        return called(every=pace)

    def called(every: float) -> Cost:
        group = lambda: stage.processes("bare_server")
        calls = lambda: stage.client.ask("bare", url=url, count=plan.calls, every=every)
        return costs(calls, group).per(plan.calls)

    pairs = in_turns(registered, bare, plan.pairs)
    floor = f"trivial view and one commit, every {pace * 1000:.0f} ms"
    yield _to_floor("register, web ÷ trivial view and commit", plan, pairs, without_pauses, goal=2.5, floor=floor)
    both = [(whole, other) for whole, (_, other) in zip(everything[-plan.pairs :], pairs, strict=True)]
    yield _to_floor("register, web, agent and wg ÷ the same", plan, both, without_pauses, goal=4.5, floor=floor)


def _to_floor(
    name: str, plan: Plan, pairs: list[tuple[Cost, Cost]], without_pauses: list[Cost], *, goal: float, floor: str
) -> Figure:
    unrested = zip(pairs, without_pauses[-plan.pairs :], strict=True)
    share = ratio((one.cpu, other.cpu) for (one, _), other in unrested).median
    return compared(name, [plan.middle], pairs, goal=goal, floor=floor, note=f"{share:.2f} to calls without pauses")


def issue_when_full(ground: Ground, plan: Plan) -> Iterator[Figure]:
    """Full: what was never used is used up, and the one per cent that is free has rested."""
    full, empty = ground.stage(0), ground.stage(0)
    leased = POOL * 99 // 100 if plan.large >= 10_000 else plan.large
    full.fill(leased=leased, resting=max(POOL - leased, 0) if plan.large >= 10_000 else 1000, used_up=1)
    empty.fill(leased=leased // 99)
    for stage in (full, empty):
        stage.start_web()

    def issued(stage: Stage) -> Cost:
        group = lambda: stage.processes("web", "server")
        return costs(lambda: stage.client.ask("issue", count=plan.calls), group).per(plan.calls)

    pairs = in_turns(lambda: issued(full), lambda: issued(empty), plan.pairs)
    goal = 1.5 if ground.engine == POSTGRESQL else 1.25
    yield compared("issue at 99 % of a /16 ÷ at 1 %", [leased, leased // 99], pairs, goal=goal, floor="at 1 %")


def registrations_a_second(ground: Ground, plan: Plan) -> Iterator[Figure]:
    stage, count, clients = ground.running(plan.middle), plan.calls * 8, 8
    rates = []
    for _ in range(plan.pairs):
        stage.client.ask("issue", count=count)
        rates.append(count / stage.client.ask("register", count=count, clients=clients))
        time.sleep(2.6)
    yield Figure(
        f"registrations a second by 8 clients, {plan.middle} peers ÷ {TODAYS_BEST}",
        [plan.middle],
        alone([rate / TODAYS_BEST for rate in rates]),
        40,
        f"{TODAYS_BEST}/s",
        at_least=True,
        wall=1 / median(rates),
        note=f"{median(rates):.0f}/s",
    )


def arrival(ground: Ground, plan: Plan) -> Iterator[Figure]:
    stage = ground.running(plan.large)
    arrivals = stage.servant("tests.benchmarks.arriving", f"{stage.host.address}:51820", stage.public_key())
    wanted, bare = [], []
    for _ in range(plan.pairs * plan.calls // 2):
        wanted.append(arrivals.ask("wanted"))
        bare.append(arrivals.ask("bare"))
    arrivals.dismiss()
    yield Figure(
        f"commit → handshake answered, p95 at {plan.large}",
        [plan.large],
        Ratio(percentile(wanted, 0.95) * 1000, min(wanted) * 1000, max(wanted) * 1000, len(wanted)),
        50,
        f"`wg set` → handshake answered, p95 {percentile(bare, 0.95) * 1000:.1f} ms",
        unit=" ms",
        wall=median(wanted),
        note=f"median {median(wanted) * 1000:.1f} ms",
    )


# --- The agent ------------------------------------------------------------------------------------------------------


def look(ground: Ground, plan: Plan) -> Iterator[Figure]:
    stage = ground.stage(plan.large)
    keys = [generate_private_key() for _ in range(plan.talking)]
    stage.fill([public_key_of(key) for key in keys])
    looker = stage.servant("tests.benchmarks.looking")
    assert not looker.ask("bring_up")
    with _at_work(ground, stage, keys) as spokes:

        def looked() -> Cost:
            spokes.ask("talk", size=1000)
            time.sleep(1)
            group = lambda: stage.processes("tests.benchmarks.looking", "tunnel", "server")
            return costs(lambda: looker.ask("look"), group)

        # One sample is one look, and a tenth of a second: twice as many of them as of the others.
        pairs = in_turns(looked, lambda: _dumped(stage, looker), 2 * plan.pairs + 1)
    goal = 6 if ground.engine == POSTGRESQL else 3
    looker.dismiss()
    name = f"look at {plan.large} peers, {plan.talking} changed ÷ `wg show dump`"
    yield compared(name, [plan.large], pairs, goal=goal, floor="`wg show wg0 dump`")


@contextmanager
def _at_work(ground: Ground, stage: Stage, keys: list[str]) -> Iterator[Servant]:
    """So many of the first spokes, with sessions."""
    hub = f"{stage.host.address}:51820"
    spokes = Servant(ground.host("field"), "tests.benchmarks.spokes_at_work", hub, stage.public_key())
    addresses = [f"10.0.{(number + 2) // 256}.{(number + 2) % 256}" for number in range(len(keys))]
    spokes.ask("enlist", private_keys=keys, addresses=addresses)
    yield spokes
    spokes.dismiss()


def _dumped(stage: Stage, looker: Servant) -> Cost:
    """wg itself and what wireguard-go does for it."""
    tunnel, times = stage.processes("tunnel"), 3
    before, started = cpu_seconds(tunnel), time.monotonic()
    own = sum(looker.ask("bare", command=["wg", "show", "wg0", "dump"]) for _ in range(times))
    return Cost(own + cpu_seconds(tunnel) - before, time.monotonic() - started).per(times)


def start(ground: Ground, plan: Plan) -> Iterator[Figure]:
    stage = ground.stage(plan.large)
    keys = stage.fill()
    config = "".join(f"[Peer]\nPublicKey = {key}\nAllowedIPs = {ips}\n" for key, ips in keys)
    private_key = generate_private_key()
    stage.host.write("/run/bare.conf", f"[Interface]\nPrivateKey = {private_key}\nListenPort = 51999\n{config}")

    def started() -> Cost:
        began = time.monotonic()
        agent = stage.host.start(AGENT, env=stage.settings)
        stage.wait_for_agent()
        took = time.monotonic() - began
        assert len(stage.host.wg_dump()) == plan.large + 1
        agent.send_signal(15)
        agent.wait(30)
        stage.manage("hub_agent", "--down")
        return Cost(took, took)

    def bare() -> Cost:
        began = time.monotonic()
        stage.host.run(
            "set -e; wireguard-go wg9 >/dev/null 2>&1 </dev/null; wg setconf wg9 /run/bare.conf;"
            "ip address add 10.255.0.1/16 dev wg9; ip link set wg9 up",
            check=True,
        )
        took = time.monotonic() - began
        stage.host.run("ip link del wg9; sleep 0.2")
        return Cost(took * 1.2 + 0.6, took)

    pairs = in_turns(started, bare, plan.pairs)
    seconds, floor = median(one.wall for one, _ in pairs), median(other.wall for _, other in pairs)
    yield Figure(
        f"agent start → {plan.large} peers live ÷ (1.2 `wg setconf` + 0.6 s)",
        [plan.large],
        ratio((one.cpu, other.cpu) for one, other in pairs),
        1.0,
        f"wireguard-go and `wg setconf` {floor:.2f} s",
        wall=seconds,
        note=f"{seconds:.2f} s",
    )


def idle(ground: Ground, plan: Plan) -> Iterator[Figure]:
    stage, seconds = ground.running(plan.middle), 10.0
    time.sleep(3)
    shares = []
    for _ in range(min(plan.pairs, 3)):
        agent = stage.processes("agent")
        shares.append(costs(lambda: time.sleep(seconds), lambda: agent).cpu / seconds * 100)  # noqa: B023
    yield Figure(
        f"agent idle at {plan.middle} peers", [plan.middle], alone(shares), 1.0, "—", unit=" % of a core", wall=seconds
    )


def memory(ground: Ground, plan: Plan) -> Iterator[Figure]:
    stage = ground.running(plan.large)
    session = _asked(stage)["session"]
    for path in (*PAGE_PATHS.values(), *REST_PATHS.values()):
        stage.client.ask("get", path=path, count=3, cookie=session)
    time.sleep(11)  # a look is part of what it holds
    megabytes = memory_bytes(stage.processes("hubproject.gunicorn_conf", "agent")) / 1e6
    yield Figure(f"memory of web and agent at {plan.large}", [plan.large], alone([megabytes]), 200, "—", unit=" MB PSS")


# --- Pages and lists ------------------------------------------------------------------------------------------------


def _asked(stage: Stage) -> dict:
    return stage.script("tests.benchmarks.queries", json.dumps([*PAGE_PATHS.values(), *REST_PATHS.values()]))


def pages(ground: Ground, plan: Plan) -> Iterator[Figure]:
    large, small = ground.running(plan.large), ground.running(plan.small)
    asked = {stage.size: _asked(stage) for stage in (large, small)}
    for name, path in (PAGE_PATHS | REST_PATHS).items():

        def shown(stage: Stage, path: str = path) -> Cost:
            web = stage.processes("hubproject.gunicorn_conf")
            count = max(plan.calls // 4, 1)
            cookie = asked[stage.size]["session"]
            return costs(lambda: stage.client.ask("get", path=path, count=count, cookie=cookie), lambda: web).per(count)

        pairs = in_turns(lambda: shown(large), lambda: shown(small), plan.pairs)
        many, few = (asked[stage.size]["queries"][path] for stage in (large, small))
        queries = f"{many} queries" if many == few else f"{many} queries, at {plan.small} {few}"
        sizes = [plan.large, plan.small]
        yield compared(
            f"{name} at {plan.large} ÷ at {plan.small}", sizes, pairs, goal=1.3, floor=f"at {plan.small}", note=queries
        )


# --- The script -----------------------------------------------------------------------------------------------------

_UNTIL_SHAKEN = (
    "until wg show all latest-handshakes 2>&1 | awk '$NF > 0 { shaken = 1 } END { exit !shaken }'; do sleep 0.02; done"
)


def script(ground: Ground, plan: Plan) -> Iterator[Figure]:
    """From the fetch of the script to the first handshake, packages present; then `wg-quick up` of the same tunnel."""
    stage, seconds, bare = ground.running(plan.small), [], []
    for number in range(plan.pairs):
        command = stage.manage("issue_token", f"script-{number}").splitlines()[-1]
        spoke = ground.host("spoke")
        began = time.monotonic()
        running = spoke.start(command)
        spoke.run(_UNTIL_SHAKEN, check=True)
        seconds.append(time.monotonic() - began)
        assert running.wait(60) == 0, running.complaints()[-500:]
        spoke.run("wg-quick down wg0", check=True)
        began = time.monotonic()
        spoke.run(f"wg-quick up wg0 && {_UNTIL_SHAKEN}", check=True)
        bare.append(time.monotonic() - began)
        spoke.release()
    yield Figure(
        "script start → first handshake",
        [plan.small],
        alone(seconds),
        3.0,
        f"`wg-quick up` of the same {median(bare):.2f} s",
        unit=" s",
        wall=median(seconds),
    )


Row = Callable[[Ground, Plan], Iterator[Figure]]
# Those first that make a stage of their own; the stages that stay are idle for a while beside them.
ROWS: dict[str, Row] = {
    "look": look,
    "start": start,
    "issue": issue_when_full,
    "floor": register_floor,
    "growth": register_growth,
    "rate": registrations_a_second,
    "arrival": arrival,
    "pages": pages,
    "memory": memory,
    "idle": idle,
    "script": script,
}
