"""The product's static files, found once: each client of a test has its own handler, which would look for them all."""

from typing import Any, ClassVar

from whitenoise.middleware import WhiteNoiseMiddleware


class FoundOnce(WhiteNoiseMiddleware):
    """Looking was a third of what the tests cost."""

    files: dict[str, Any]
    found: ClassVar[dict[str, Any]] = {}

    def add_files_from_finders(self) -> None:
        if not self.found:
            before = set(self.files)
            super().add_files_from_finders()
            self.found.update((url, file) for url, file in self.files.items() if url not in before)
        self.files = self.found | self.files
