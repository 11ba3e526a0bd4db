"""What waits, for coroutines. `assent.sync` is made of it by `agents/sdk/make_sync.py`."""
