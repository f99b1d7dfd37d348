"""What the groups viewer, operator and admin may do in Django's own terms; migrations apply it.

A migration that adds a model ends with `migrations.RunPython(give_permissions)`, else its page stays shut for viewers.
"""

from typing import Any

from django.contrib.auth.management import create_permissions
from django.db.models import Q

OUR_APPS = ["hubproject", "wireguard", "tokens", "proxmox", "spokes"]
# Rows of the machinery, shown to nobody.
HIDDEN = Q(content_type__app_label="hubproject", content_type__model__in=["setup", "audithead"])


def _any_of(*models: str) -> Q:
    chosen = Q()
    for label in models:
        app, model = label.split(".")
        chosen |= Q(content_type__app_label=app, content_type__model=model)
    return chosen


VIEWS = Q(content_type__app_label__in=OUR_APPS, codename__startswith="view_") & ~HIDDEN
OPERATES = _any_of("tokens.installationtoken", "spokes.spoke", "proxmox.cluster")
ADMINISTERS = _any_of("wireguard.hubconfig", "hubproject.apikey", "auth.user")
PERMISSIONS = {"viewer": VIEWS, "operator": VIEWS | OPERATES, "admin": VIEWS | OPERATES | ADMINISTERS}


def give_permissions(apps: Any, schema_editor: Any) -> None:
    """Makes the three groups with their permissions, which Django itself would make only after the last migration."""
    for label in [*OUR_APPS, "auth"]:
        _create_permissions(apps.get_app_config(label), apps, schema_editor.connection.alias)
    for name, chosen in PERMISSIONS.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.set(apps.get_model("auth", "Permission").objects.filter(chosen))


def _create_permissions(app_config: Any, apps: Any, database: str) -> None:
    app_config.models_module = True  # a migration's app has none, and Django would take it for an app without models
    create_permissions(app_config, apps=apps, using=database, verbosity=0)
    app_config.models_module = None
