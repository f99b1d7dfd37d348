"""What an operator types about a cluster."""

from django import forms


class DescribeForm(forms.Form):
    """Where a cluster stands and what it is for; an empty text clears it."""

    datacenter = forms.CharField(label="Datacentre", max_length=100, required=False)
    description = forms.CharField(max_length=500, required=False)
