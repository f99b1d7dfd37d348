"""Clusters on the admin site."""

from django.contrib import admin

from hubproject.readonly_admin import ReadOnlyAdmin
from proxmox.models import Cluster


@admin.register(Cluster)
class ClusterAdmin(ReadOnlyAdmin):
    list_display = ["cluster_name", "datacenter", "description", "created_at"]
    search_fields = ["cluster_name", "datacenter"]
