"""The crontab for machines without systemd names commands that exist, at times that cron understands."""

from pathlib import Path

from django.core.management import get_commands, load_command_class

LINES = (Path(__file__).parents[2] / "deploy/cron/wireguard-hub").read_text().splitlines()
RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def jobs() -> list[list[str]]:
    return [line.split() for line in LINES if line[:1].isdigit()]


def test_each_line_runs_a_command_of_ours_with_arguments_it_takes():
    for *_, user, program, command, options in [
        [*job[:8], job[8:]] if len(job) > 8 else [*job[:8], []] for job in jobs()
    ]:
        assert (user, program) == ("root", "wireguard-hub")
        load_command_class(get_commands()[command], command).create_parser("", command).parse_args(options)


def test_each_time_is_one_that_cron_understands():
    for job in jobs():
        for field, (least, most) in zip(job[:5], RANGES, strict=True):
            assert field == "*" or least <= int(field) <= most


def test_what_the_runbook_promises_is_there():
    at = {" ".join(job[7:]): job[:5] for job in jobs()}
    assert at["backup"] == ["0", "2", "*", "*", "*"]
    assert at["purge_tokens"][1:] == ["*", "*", "*", "*"]
    assert {"backup --verify", "verify_audit", "check_certificate", "check_permissions"} <= at.keys()


def test_cron_takes_the_file():
    assert all(line.startswith("#") or not line or "=" in line or line[0].isdigit() for line in LINES)
    assert not any("%" in line for line in LINES if line[:1].isdigit())  # a new line to cron
