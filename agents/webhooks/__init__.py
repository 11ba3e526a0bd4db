"""Webhooks (Standard Webhooks 1.0): what the outbox holds for an agent's endpoints, sent so that nobody can misuse it.

addresses.py  where a webhook may go            post.py    one POST, to the address that was checked
signing.py    secrets, several while one is     sender.py  takes turns among endpoints, keeps the books
              replaced by the next              admin.py   the pages
"""
