"""The one admin site. In a module of its own: Django imports it before any `admin` module can register with it."""

from django.contrib import admin


class HubAdminSite(admin.AdminSite):
    site_header = site_title = "WireGuard hub"
    index_title = "Overview"
