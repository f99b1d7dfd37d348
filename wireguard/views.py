"""The REST calls of the hub."""

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from hubproject.access import ANYONE, role_of, setup_code_matches
from hubproject.api import NoFields, body_of, caller, now, page_of, without_unchanged
from hubproject.errors import NotAuthenticated, PermissionRefused
from hubproject.models import Role
from wireguard.models import AgentState, Peer
from wireguard.serializers import HubConfigOut, HubStatusOut, InitializeHub, StatusParameters, UpdateHub
from wireguard.services import COLUMNS, get_hub, initialize_hub, release_hold, update_hub


class HubViewSet(ViewSet):
    """The hub's set-up and what the agent says of it."""

    # Before there is a hub, the setup code opens `initialize`; the view itself sees to that.
    roles = {
        "initialize": ANYONE,
        "config": Role.VIEWER,
        "update": Role.ADMIN,
        "status": Role.VIEWER,
        "release": Role.ADMIN,
    }

    def initialize(self, request: Request) -> Response:
        """Makes the hub's keys and configuration, once."""
        actor = _initializer(request)
        values = InitializeHub(data=body_of(request)).values()
        given = {COLUMNS[name]: value for name, value in values.items()}
        hub = initialize_hub(**given, by=caller(request, actor), now=now())
        return Response({"success": True, "hubConfig": HubConfigOut(hub).data}, status=201)

    def config(self, request: Request) -> Response:
        """The hub's configuration, without its private key."""
        return Response(HubConfigOut(get_hub()).data)

    def update(self, request: Request) -> Response:
        """Changes any of the writable fields."""
        shown = HubConfigOut(get_hub()).data
        values = UpdateHub(data=without_unchanged(body_of(request), shown, UpdateHub)).values()
        hub = update_hub(**values, by=caller(request), now=now())
        return Response({"success": True, "hubConfig": HubConfigOut(hub).data})

    def status(self, request: Request) -> Response:
        """The interface and its peers as the agent last saw them."""
        parameters = StatusParameters.read(request)
        hub, agent = get_hub(), AgentState.current()
        live = Peer.objects.filter(live_key__isnull=False)
        total = live.count()
        columns = ["endpoint", "latest_handshake_at", "transfer_rx", "transfer_tx"]
        rows = live.order_by("id").values("public_key", "allowed_ips", *(f"status__{name}" for name in columns))
        peers, page = page_of(rows, total, parameters)
        for peer in peers:
            peer["persistent_keepalive"] = hub.persistent_keepalive
        word = agent.word(generation=hub.generation, now=now())
        answer = HubStatusOut(
            {
                "interface": hub.interface_name,
                "interfaceUp": agent.interface_up and word != "down",
                "publicKey": hub.public_key,
                "listenPort": hub.listen_port,
                "peerCount": total,
                "generation": hub.generation,
                "appliedGeneration": agent.applied_generation,
                "syncedAt": agent.synced_at,
                "agent": word,
                "hold": agent.hold,
                "differences": [*filter(None, [agent.problem]), *agent.differences],
                "peers": peers,
                **page,
            }
        )
        return Response(answer.data)

    def release(self, request: Request) -> Response:
        """Ends the hold after a restore: the interface becomes what the database says."""
        NoFields(data=body_of(request)).values()
        release_hold(by=caller(request), now=now())
        return Response({"success": True})


def _initializer(request: Request) -> str | None:
    """Who may initialise: an admin, or whoever has the setup code. Returns the actor when it is not the user."""
    role = role_of(request.user)
    if role is not None and role.includes(Role.ADMIN):
        return None
    code = request.headers.get("X-Setup-Code", "")
    if code and setup_code_matches(code):
        return "setup-code"
    if role is not None:
        raise PermissionRefused
    if code:
        raise NotAuthenticated(
            "That setup code is wrong.", recovery_hint=f"Run `{settings.PROGRAM} setup_code` on the hub for a new one."
        )
    raise NotAuthenticated
