"""The filters `sh` and `ps`: every value in templates/install passes through one of them, last."""

from django import template

from tokens.quoting import ps_quote, sh_quote

register = template.Library()
register.filter("sh", sh_quote)
register.filter("ps", ps_quote)
