"""The calls of installation tokens, as /api/schema tells them."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from hubproject.api import Done, DoneWithMessage, NoFields
from hubproject.errors import RateLimited
from hubproject.schema import (
    EXAMPLE_ID,
    EXAMPLE_KEY,
    EXAMPLE_TIME,
    KEY_PATTERN,
    NO_STORE,
    PLATFORMS,
    Choices,
    answer,
    call,
    declare,
    describe,
    describe_details,
    field,
    path_id,
    text_of,
)
from tokens import scripts
from tokens.errors import (
    AddressAlreadyAllocated,
    InvalidPlatform,
    InvalidTokenFormat,
    NotAnInstaller,
    PoolExhausted,
    ScriptChanged,
    SpokeNameInUse,
    TokenAlreadyUsed,
    TokenCannotBeReissued,
    TokenCannotBeRevoked,
    TokenExpired,
    TokenNotFound,
    TokenRevoked,
)
from tokens.models import State
from tokens.serializers import STATUSES, IssueToken, TokenListParameters, TokenOut, TokenPage
from tokens.views import InstallationTokenViewSet
from wireguard.errors import HubNotInitialized

EXAMPLE_TOKEN = "q1Zb3nZ0Jm5wVtY8xPz2aKs7dLf4gHc6eRi9oUy-TbE"  # noqa: S105 - opens nothing
EXAMPLE_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
SECRET_FORMAT = "^[A-Za-z0-9_-]{43}$"  # noqa: S105
SHA256_FORMAT = "^[0-9a-f]{64}$"
EXAMPLE_COMMAND = (
    f"curl -fsS --proto '=https' 'https://hub.example.com/api/installation/script/{EXAMPLE_TOKEN}?platform=linux' | sh"
)
TOKEN_ID = path_id("token_id", "The token's id, which is not its secret.", EXAMPLE_ID)
TOKEN_REFUSALS = (TokenNotFound, TokenAlreadyUsed, TokenExpired, TokenRevoked)


def _by_platform(name: str) -> type[serializers.Serializer[Any]]:
    """A text for each platform there is a script for."""
    return type(name, (serializers.Serializer,), {platform: serializers.CharField() for platform in scripts.PLATFORMS})


Commands = _by_platform("Commands")
Checksums = _by_platform("Checksums")


class TokenWithSecret(TokenOut):
    """A token as only its issue shows it."""

    token = serializers.CharField()
    scriptSha256 = Checksums()

    class Meta(TokenOut.Meta):
        fields = [*TokenOut.Meta.fields, "token", "scriptSha256"]


class Issued(Done):
    """The answer of issue and reissue."""

    token = TokenWithSecret()
    installCommands = Commands()
    checkedCommands = Commands()


describe(
    IssueToken,
    "IssueToken",
    spokeName=field(
        "The machine's name: unique among spokes and open tokens, without regard to case.",
        "laptop-001",
        pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
    ),
    customIP=field("A free host address of the network, with or without prefix length; else the next.", "10.0.1.5"),
    expiresInHours=field("How long it is valid, at most TOKEN_EXPIRATION_HOURS, which is the default.", 24, minimum=1),
    platform=field("What the machine is expected to be; it decides nothing.", "linux", choices=PLATFORMS),
)
describe(
    TokenOut,
    "Token",
    id=field("The token's id, which is not its secret.", EXAMPLE_ID),
    tokenPrefix=field("The first six characters of the secret, to know it by.", EXAMPLE_TOKEN[:6]),
    spokeId=field("The id the spoke will have.", EXAMPLE_ID),
    spokeName=field("The name the spoke will have.", "laptop-001"),
    allowedIPs=field(
        "The address leased with it, with the network's prefix length; a second one where the hub has an IPv6 prefix.",
        ["10.0.1.5/24"],
    ),
    state=field(
        "`issued`; `claimed`: its script was fetched; `redeemed`: its machine has registered; `expired`; `revoked`.",
        "issued",
        choices=Choices("TokenState", tuple(State.values)),
    ),
    used=field("Whether it was claimed or redeemed.", False),
    usedAt=field("When it was; null while it was not.", None),
    createdAt=field("When it was issued.", EXAMPLE_TIME),
    expiresAt=field("From when on it is worth nothing.", "2026-03-02T12:00:00Z"),
    hubEndpoint=field("`host:port` of the hub, as it was at issue.", "hub.example.com:51820"),
    hubPublicKey=field("The hub's public key, as it was at issue.", EXAMPLE_KEY, pattern=KEY_PATTERN),
    networkCIDR=field("The VPN's network, as it was at issue.", "10.0.1.0/24"),
    dns=field("The DNS servers, as they were at issue.", []),
    persistentKeepalive=field("Seconds between keepalives, as they were at issue.", 25),
    claimedFrom=field("The address its script was fetched from; null while it was not.", None),
)
describe(
    TokenWithSecret,
    "TokenWithSecret",
    token=field("The secret. It is shown here once and kept as a hash.", EXAMPLE_TOKEN, pattern=SECRET_FORMAT),
    scriptSha256=field("The SHA-256 of the script, by platform."),
)
describe(
    Commands,
    "Commands",
    **{
        name: field(f"The line to paste on a machine of the platform {name}.", EXAMPLE_COMMAND)
        for name in scripts.PLATFORMS
    },
)
describe(
    Checksums,
    "Checksums",
    **{
        name: field(f"For {name}, in lower-case hex.", EXAMPLE_SHA256, pattern=SHA256_FORMAT)
        for name in scripts.PLATFORMS
    },
)
describe(
    Issued,
    "Issued",
    token=field("The token."),
    installCommands=field("What to paste on the machine."),
    checkedCommands=field("The same, running the script only when it is the one issued, byte for byte."),
)
describe(
    TokenPage,
    "TokenList",
    tokens=field("The tokens of this page, newest first."),
    totalCount=field("How many tokens fit the search and the status.", 1),
    unusedCount=field("How many of those that fit the search are issued and still good.", 1),
    usedCount=field("How many are claimed or redeemed.", 0),
    expiredCount=field("How many have expired.", 0),
    revokedCount=field("How many were revoked.", 0),
)
describe(
    TokenListParameters,
    "TokenListParameters",
    status=field("Only tokens of this status.", "unused", choices=Choices("TokenStatus", tuple(STATUSES))),
    search=field("A part of the spoke's name, the start of the address, or the token's prefix.", "laptop"),
)
describe_details(TokenExpired, expiresAt=field("When it expired.", EXAMPLE_TIME, type="string", format="date-time"))

PLATFORM = OpenApiParameter(
    "platform",
    {"type": "string", "enum": list(PLATFORMS.values), "example": "linux"},
    required=True,
    description="What the machine is.",
)
SHA256 = OpenApiParameter(
    "sha256",
    {"type": "string", "pattern": SHA256_FORMAT, "example": EXAMPLE_SHA256},
    description="Fetch the script only when this is its checksum; else nothing is claimed.",
)
SECRET = OpenApiParameter(
    "token",
    {"type": "string", "pattern": SECRET_FORMAT, "example": EXAMPLE_TOKEN},
    OpenApiParameter.PATH,
    description="The token's secret.",
)

declare(
    InstallationTokenViewSet,
    tag="Installation",
    issue=call(
        "issueToken",
        "Issue an install command",
        {201: answer("The token with its secret, and the commands that use it.", Issued)},
        description="Leases an address and a name, and makes the one-time token that goes with them.",
        body=IssueToken,
        parameters=[NO_STORE],
        refuses=[HubNotInitialized, AddressAlreadyAllocated, SpokeNameInUse, PoolExhausted, RateLimited],
    ),
    list=call(
        "listTokens",
        "List tokens",
        {200: answer("A page of tokens, without their secrets.", TokenPage)},
        query=TokenListParameters,
    ),
    one=call(
        "getToken",
        "Show a token",
        {200: answer("The token, without its secret.", TokenOut)},
        parameters=[TOKEN_ID],
    ),
    reissue=call(
        "reissueToken",
        "Issue it again",
        {201: answer("The new token with its secret, and the commands that use it.", Issued)},
        description="A new secret for the same spoke name, id and address; the old command stops working.",
        parameters=[TOKEN_ID, NO_STORE],
        body=NoFields,
        refuses=[
            HubNotInitialized,
            TokenCannotBeReissued,
            AddressAlreadyAllocated,
            SpokeNameInUse,
            RateLimited,
        ],
    ),
    revoke=call(
        "revokeToken",
        "Revoke a token",
        {200: answer("It is worth nothing any more.", DoneWithMessage)},
        description="Makes a token worthless before its machine has registered, and frees its address.",
        parameters=[TOKEN_ID],
        refuses=[HubNotInitialized, TokenCannotBeRevoked],
    ),
    script=call(
        "getInstallScript",
        "Fetch the install script, once",
        {
            (200, "text/x-shellscript", "text/plain"): answer(
                "The script, or for a browser a page that says where to paste the command.", text_of("#!/bin/sh\n…")
            ),
            (200, "text/html"): text_of("<!DOCTYPE html>…"),
        },
        description="Claims the token: a second fetch is refused. A request that accepts `text/html` gets a page and "
        "claims nothing; HEAD, range and prefetch requests and link previews are refused and claim nothing.",
        parameters=[SECRET, PLATFORM, SHA256],
        refuses=[InvalidTokenFormat, InvalidPlatform, NotAnInstaller, ScriptChanged, RateLimited, *TOKEN_REFUSALS],
    ),
    uninstall=call(
        "getUninstallScript",
        "Fetch the uninstall script",
        {
            (200, "text/x-shellscript", "text/plain"): answer(
                "The script; it holds nothing secret.", text_of("#!/bin/sh\n…")
            )
        },
        parameters=[PLATFORM],
        refuses=[InvalidPlatform],
    ),
)
