"""What this app refuses."""

from hubproject.errors import HubError


class PublicKeyInUse(HubError):
    status = 409
    code = "PUBLIC_KEY_IN_USE"
    sentence = "Another spoke has that public key."
    recovery_hint = "Make a new key pair on this machine and register again. The token is still good."


class SpokeNotFound(HubError):
    status = 404
    code = "NOT_FOUND"
    sentence = "There is no such spoke."
    recovery_hint = "GET /api/spoke/list shows those there are."
