"""What this app refuses."""

from hubproject.errors import HubError

ASK_FOR_ANOTHER = "Issue a new install command in the dashboard."


class InvalidTokenFormat(HubError):
    code = "INVALID_TOKEN_FORMAT"
    sentence = "That is not an installation token: it must be 43 letters, digits, '-' or '_'."
    recovery_hint = "Copy the whole install command again."


class InvalidPlatform(HubError):
    code = "INVALID_PLATFORM"
    sentence = "There is no install script for that platform."
    recovery_hint = "Use the command as the hub shows it; nothing was claimed."


class NotAnInstaller(HubError):
    code = "NOT_AN_INSTALLER"
    sentence = "This request does not come from an installer, so the token was left alone."
    recovery_hint = "Run the install command on the machine itself; nothing was claimed."


class TokenNotFound(HubError):
    status = 404
    code = "TOKEN_NOT_FOUND"
    sentence = "The hub knows no such installation token."
    recovery_hint = ASK_FOR_ANOTHER


# What a client is told who does not have a token. Saying so too often is guessing.
GUESSES = (InvalidTokenFormat, TokenNotFound)


class TokenRefused(HubError):
    """A token that exists and is good no more. Subclasses say why."""

    status = 410
    recovery_hint = ASK_FOR_ANOTHER


class TokenAlreadyUsed(TokenRefused):
    code = "TOKEN_ALREADY_USED"
    sentence = "The installation token has been used; it works once."


class TokenExpired(TokenRefused):
    code = "TOKEN_EXPIRED"
    sentence = "The installation token has expired."


class TokenRevoked(TokenRefused):
    code = "TOKEN_REVOKED"
    sentence = "The installation token was revoked."


class TokenCannotBeRevoked(HubError):
    code = "TOKEN_ALREADY_USED"
    sentence = "The machine has registered with this token, so there is nothing left to revoke."
    recovery_hint = "Remove the spoke instead."


class TokenCannotBeReissued(HubError):
    code = "TOKEN_ALREADY_USED"
    sentence = "The machine has registered; a new token for the same spoke would be a second machine."
    recovery_hint = "Remove the spoke, then issue a new install command."


class ScriptChanged(HubError):
    status = 409
    code = "SCRIPT_CHANGED"
    sentence = "The install script is not the one whose checksum was given: the hub was upgraded or moved since."
    recovery_hint = "Issue a new install command; nothing was claimed."


class AddressAlreadyAllocated(HubError):
    status = 409
    code = "IP_ALREADY_ALLOCATED"
    sentence = "That address is taken."
    recovery_hint = "Choose another one, or leave it empty to take the next free address."


class SpokeNameInUse(HubError):
    status = 409
    code = "SPOKE_NAME_IN_USE"
    sentence = "That name belongs to a spoke or an open install command."
    recovery_hint = "Choose another name, or remove that one first."


class PoolExhausted(HubError):
    status = 503
    code = "POOL_EXHAUSTED"
    sentence = "No address is free."
    recovery_hint = "Remove a spoke or revoke an open install command, or set up a larger network."
