# Made by agents/sdk/make_sync.py of assent/aio/__init__.py: change that one.

"""What waits, for code without an event loop."""
