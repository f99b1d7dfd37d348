"""The kernel's own switches for passing packets on. Nothing has to be remembered: what was there can still be read.

IPv4 has a switch for each interface: a hub becomes a router for spokes alone, and the switch goes with the interface.
IPv6 has but one for the whole machine, `all`. Writing it overwrites the switch of each interface, where it has another
meaning: an interface that forwards is deaf to router advertisements, and the machine may lose its default route. So
these are put back at once, `default` with them. And `all` on while `default` is off says later that it was us: whoever
else turns `all` on turns on `default` with it, and then it is no longer ours to turn off.
"""

import contextlib
from pathlib import Path

_SWITCHES = Path("/proc/sys/net")


def is_forwarding(name: str, version: int) -> bool:
    """Whether packets of this IP version that arrive by the interface are passed on. OSError when it is not there."""
    return _read(version, name if version == 4 else "all") == "1"


def start_forwarding(name: str, version: int) -> None:
    """Pass on what arrives by the interface. OSError where the machine does not allow it."""
    if version == 4:
        _write(4, name, "1")
    elif _read(6, "all") == "0":
        _write_all_but_keep_interfaces("1", without=name)


def stop_forwarding(name: str, version: int) -> None:
    """Go back to what the machine does by itself. OSError where the machine does not allow it."""
    if version == 4:
        if (_SWITCHES / "ipv4/conf" / name).exists():
            _write(4, name, _read(4, "all"))
    elif (_SWITCHES / "ipv6").exists() and (_read(6, "all"), _read(6, "default")) == ("1", "0"):
        _write_all_but_keep_interfaces("0", without=name)


def _write_all_but_keep_interfaces(value: str, *, without: str) -> None:
    others = [entry.name for entry in (_SWITCHES / "ipv6/conf").iterdir() if entry.name not in {"all", without}]
    # `default` first: until it is back, an interruption would leave a machine that seems to have wanted it so.
    others.sort(key=lambda other: other != "default")
    kept = {other: settings for other in others if (settings := _settings_of(other)) is not None}
    for other, (_, accept_ra) in kept.items():
        if accept_ra == "1":
            _restore(other, "accept_ra", "2")  # or the kernel forgets the default routes it has learnt, at once
    _write(6, "all", value)
    for setting, column in (("forwarding", 0), ("accept_ra", 1)):
        for other, settings in kept.items():
            _restore(other, setting, settings[column])


def _settings_of(interface: str) -> tuple[str, str] | None:
    """Its `forwarding` and `accept_ra`; None when it has just gone."""
    try:
        return _read(6, interface), _read(6, interface, "accept_ra")
    except FileNotFoundError:
        return None


def _restore(interface: str, setting: str, value: str) -> None:
    with contextlib.suppress(FileNotFoundError):  # it may have gone by now
        _write(6, interface, value, setting)


def _read(version: int, interface: str, setting: str = "forwarding") -> str:
    return _file(version, interface, setting).read_text().strip()


def _write(version: int, interface: str, value: str, setting: str = "forwarding") -> None:
    file = _file(version, interface, setting)
    if file.read_text().strip() != value:
        file.write_text(value)


def _file(version: int, interface: str, setting: str) -> Path:
    return _SWITCHES / f"ipv{version}/conf" / interface / setting
