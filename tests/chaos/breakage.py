"""The app that breaks a promise once all others are ready."""

from django.apps import AppConfig


class Breakage(AppConfig):
    name = "tests.chaos"
    label = "breakage"

    def ready(self) -> None:
        from tests.chaos.broken import break_promise

        break_promise()
