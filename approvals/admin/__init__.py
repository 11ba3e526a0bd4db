"""What admins configure, and the records that they look at.

Saving policy publishes one version of it; records are changed by nobody here.
"""

from approvals.admin import people, policy, records  # noqa: F401  # registers their pages
