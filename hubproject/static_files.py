"""Names of static files: with a hash of the content once `collectstatic` has run, plain ones until then."""

from whitenoise.storage import CompressedManifestStaticFilesStorage

# How our modules import each other. Those of others are whole files that import nothing.
_IMPORT = (
    r"""(?m)^(?P<matched>import (?P<names>[^'"]*)'(?P<url>\./[\w-]+\.js)')$""",
    "import %(names)s'%(url)s'",
)


class HashedOnceCollected(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise has no types
    """An installed release collects its files, whose names then never mean anything else; a clone collects nothing."""

    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("*.js", (_IMPORT,)))

    def stored_name(self, name: str) -> str:
        return str(super().stored_name(name)) if self.hashed_files else name
