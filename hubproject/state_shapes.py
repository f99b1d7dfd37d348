"""How each state is drawn, for whatever shows one: template tags, and lists that build their own lines."""

# Shape, tone and word of every state. A shape and a word tell states apart where colours cannot.
STATES = {
    "active": ("disc", "ok", "Active"),
    "pending": ("half", "warn", "Pending"),
    "inactive": ("ring", "off", "Inactive"),
    "not_enrolled": ("dashed", "off", "Not enrolled"),
    "healthy": ("disc", "ok", "All Active"),
    "degraded": ("triangle", "warn", "Degraded"),
    "critical": ("diamond", "bad", "Critical"),
    "down": ("square", "bad", "All Inactive"),
    "empty": ("dashed", "off", "No nodes"),
    "issued": ("dashed", "off", "Waiting"),
    "claimed": ("half", "warn", "Fetched"),
    "redeemed": ("disc", "ok", "Registered"),
    "expired": ("struck", "off", "Expired"),
    "revoked": ("struck", "off", "Revoked"),
    "stopped": ("triangle", "warn", "Stopped"),
}
