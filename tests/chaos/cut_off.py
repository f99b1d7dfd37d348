"""The reply to a registration is cut off four times, each time in another way; the fifth arrives.

`python -m tests.chaos.cut_off PORT HOST PORT` is the proxy that cuts.
"""

import asyncio
import hashlib
import socket
import struct
import sys
from collections import Counter

from tests.chaos.history import NO_ANSWER
from tests.chaos.machine import HUB
from tests.chaos.stage import stage

TIMES = 4
_PORT = 9000


def four_times(engine: str, *, lives: int = 5) -> str:
    with stage(engine, calm=6) as hub:
        proxy = hub.host.start([sys.executable, "-m", "tests.chaos.cut_off", str(_PORT), HUB, "8000"])
        hub.host.run(f"until curl -s -o /dev/null http://{HUB}:{_PORT}/api/healthz; do sleep 0.1; done")
        crowd = hub.crowd(lives=lives, register_at=f"{HUB}:{_PORT}")
        hub.finish(crowd, gently=False)
        assert proxy.poll() is None, proxy.complaints()
        requests = hub.requests()
        pairs = {(one.token, one.key) for one in requests if one.act == "register" and "-calm" not in one.name}
        cut = sum(one.act == "register" and one.status == NO_ANSWER for one in requests)
        assert cut >= TIMES * len(pairs) > 0, f"{cut} replies cut for {len(pairs)} pairs"
        return f"{cut} replies to {len(pairs)} pairs cut off: {hub.verdict()}"


_seen: Counter[bytes] = Counter()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        body = await reader.readexactly(length)
        times = _seen[hashlib.sha256(body).digest()] if body else TIMES
        _seen[hashlib.sha256(body).digest()] += 1
        far_reader, far_writer = await asyncio.open_connection(sys.argv[2], int(sys.argv[3]))
        # One request a connection, so that the end of the answer is the end of the connection.
        far_writer.write(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + body)
        await far_writer.drain()
        if times > 0:
            answer = await far_reader.read()
            # Nothing of it, half of it, or all of it, after the answer was there; and below, before it was.
            writer.write({1: b"", 2: answer[: len(answer) // 2], 3: answer[:12]}.get(times, answer))
            await writer.drain()
        if times == 3:
            lingering = struct.pack("ii", 1, 0)  # a reset in place of an end
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
        far_writer.close()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def _proxy(port: int) -> None:
    server = await asyncio.start_server(_serve, HUB, port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_proxy(int(sys.argv[1])))
