"""What this app refuses."""

from hubproject.errors import HubError


class ClusterNotFound(HubError):
    status = 404
    code = "NOT_FOUND"
    sentence = "There is no such cluster."
    recovery_hint = "GET /api/proxmox/clusters shows those there are."


class ClusterNotEmpty(HubError):
    code = "CLUSTER_NOT_EMPTY"
    sentence = "The cluster still has nodes."
    recovery_hint = "Remove its nodes first."
