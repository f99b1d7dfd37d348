"""What this app refuses."""

from django.conf import settings

from hubproject.errors import HubError


class HubNotInitialized(HubError):
    status = 409
    code = "HUB_NOT_INITIALIZED"
    sentence = "The hub has not been set up yet."
    recovery_hint = f"Run `{settings.PROGRAM} init_hub`, or POST /api/hub/initialize with the setup code."


class HubAlreadyInitialized(HubError):
    status = 409
    code = "HUB_ALREADY_INITIALIZED"
    sentence = "The hub has been set up before."
    recovery_hint = "Use GET /api/hub/config to see it."


class SealingKeyUnusable(HubError):
    status = 500
    code = "SEALING_KEY_UNUSABLE"
    sentence = "The sealing key cannot be used."
    recovery_hint = "Put the right key in HUB_SEALING_KEY or sealing.key; a new one is never made in its place."


class NetworkInUse(HubError):
    status = 409
    code = "NETWORK_IN_USE"
    sentence = "The networks cannot change while spokes or open install commands have addresses in them."
    recovery_hint = (
        "Remove the spokes and revoke the open install commands first; expired ones are freed by purge_tokens."
    )


class InvalidPublicKey(HubError):
    code = "INVALID_PUBLIC_KEY"
    sentence = "That is not a public key of WireGuard."
    recovery_hint = "Send what `wg pubkey` prints: 44 characters that end in '='. The token is still good."
