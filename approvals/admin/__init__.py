"""What admins configure, and the records that they look at.

What is saved as policy is a draft, in force when it is published; records are changed by nobody here.
"""

from approvals.admin import absences, autonomy, channels, keys, people, policy, records, rules, versions  # noqa: F401  # registers their pages
