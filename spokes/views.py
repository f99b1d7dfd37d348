"""The REST calls of spokes."""

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from hubproject.access import ANYONE
from hubproject.api import NoFields, body_of, caller, now, page_of
from hubproject.limits import count_guesses
from hubproject.models import Role
from spokes.errors import SpokeNotFound
from spokes.filters import SpokeFilter, ordering_of
from spokes.models import Spoke, SpokeQuerySet
from spokes.serializers import (
    ListParameters,
    RegisterSpoke,
    SpokeOut,
    SpokePage,
    registration_out,
)
from spokes.services import confirm_node, register_spoke, remove_spoke, unconfirm_node
from tokens.errors import GUESSES
from wireguard.models import PeerStatus
from wireguard.services import get_hub


class SpokeViewSet(ViewSet):
    """Machines: how they join, who is there, how they are cut off."""

    roles = {
        "register": ANYONE,
        "list": Role.VIEWER,
        "status": Role.VIEWER,
        "remove": Role.OPERATOR,
        "confirm": Role.OPERATOR,
        "unconfirm": Role.OPERATOR,
    }

    def register(self, request: Request) -> Response:
        """Turns a token and a public key into a spoke; the same pair again gets the same answer."""
        body = RegisterSpoke(data=body_of(request))
        values = body.values()
        with count_guesses(request, GUESSES):
            registration = register_spoke(
                secret=values["token"],
                public_key=values["publicKey"],
                machine=body.machine(values),
                by=caller(request, "spoke"),
                now=now(),
            )
        answer = registration_out(registration)
        return Response(answer, status=201 if registration.is_new else 200, headers={"Cache-Control": "no-store"})

    def list(self, request: Request) -> Response:
        """The live spokes, a page at a time, with counts by status."""
        parameters, at = ListParameters.read(request), now()
        chosen = SpokeFilter(parameters, now=at)
        total = chosen.total
        order = ordering_of(parameters["ordering"])
        shown = Spoke.objects.with_status(at).order_by(*order)
        spokes, page = page_of(chosen.qs.order_by(*order), total, parameters, shown=shown)
        totals = {f"{name.value}Count": count for name, count in chosen.counts.items()}
        return Response(SpokePage({"spokes": spokes, "totalCount": total, **totals, **page}).data)

    def status(self, request: Request, spoke_id: UUID) -> Response:
        """One spoke with the live figures of its peer."""
        spoke = _live(spoke_id).with_status(now()).first()
        if spoke is None:
            raise SpokeNotFound
        seen = PeerStatus.objects.filter(peer=spoke.peer_id).first() or PeerStatus()
        peer = {
            "endpoint": seen.endpoint,
            "latestHandshake": seen.latest_handshake_at,
            "transferRx": seen.transfer_rx,
            "transferTx": seen.transfer_tx,
            "persistentKeepalive": get_hub().persistent_keepalive,
        }
        return Response({"spoke": SpokeOut(spoke).data, "wireguardPeer": peer})

    def confirm(self, request: Request, cluster_id: UUID, spoke_id: UUID) -> Response:
        """Confirms that a spoke is the node of the cluster it says it is."""
        NoFields(data=body_of(request)).values()
        confirm_node(cluster_id=cluster_id, spoke_id=spoke_id, by=caller(request), now=now())
        return Response({"success": True})

    def unconfirm(self, request: Request, cluster_id: UUID, spoke_id: UUID) -> Response:
        """Takes the confirmation back."""
        unconfirm_node(cluster_id=cluster_id, spoke_id=spoke_id, by=caller(request), now=now())
        return Response({"success": True})

    def remove(self, request: Request, spoke_id: UUID) -> Response:
        """Cuts a machine off: its peer goes, its address rests, its name is free."""
        is_off = remove_spoke(spoke_id=spoke_id, by=caller(request), now=now())
        message = "Spoke removed." if is_off else "Spoke removed; the agent has not confirmed yet that its peer is off."
        return Response({"success": True, "message": message, "peerRemoved": is_off}, status=200 if is_off else 202)


def _live(spoke_id: UUID) -> SpokeQuerySet:
    return Spoke.objects.live().filter(id=spoke_id)
