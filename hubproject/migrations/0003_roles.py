"""The roles viewer, operator and admin as groups."""

from django.db import migrations

from hubproject.roles import give_permissions


class Migration(migrations.Migration):

    dependencies = [
        ('hubproject', '0002_audit_chain'),
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
        ('wireguard', '0001_initial'),
        ('tokens', '0001_initial'),
        ('proxmox', '0001_initial'),
        ('spokes', '0001_initial'),
    ]

    operations = [migrations.RunPython(give_permissions, migrations.RunPython.noop)]
