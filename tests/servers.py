"""A pytest plugin: real PostgreSQL and Valkey for the whole run, in a folder that goes with it.

Loaded before Django's settings are, which read where the servers are. Where DATABASE_URL is set, those servers serve;
but of several processes that share the tests each has servers of its own, since what one publishes others would hear.
"""

import atexit
import os
import secrets
import tempfile
from pathlib import Path

from console.embedded import Servers

if "DATABASE_URL" not in os.environ or ("PYTEST_XDIST_WORKER" in os.environ and "ASSENT_TEST_SERVERS" in os.environ):
    folder = tempfile.TemporaryDirectory(prefix="assent-", ignore_cleanup_errors=True)
    servers = Servers(Path(folder.name), durable=False)
    servers.__enter__()
    atexit.register(folder.cleanup)
    atexit.register(servers.stop)
    os.environ |= {
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "ASSENT_DATA": folder.name,
        "ASSENT_TEST_SERVERS": folder.name,
    }
if "ASSENT_DATA" in os.environ:
    Path(os.environ["ASSENT_DATA"], "static").mkdir(exist_ok=True)  # else its server warns
os.environ.setdefault("SECRET_KEY", secrets.token_hex(32))
os.environ.setdefault("DATABASE_POOL", "40")  # twenty that race, each on a connection of its own, and who watches them
# Playwright's synchronous interface keeps an event loop in the test's own thread, where Django would refuse to query.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
os.environ |= {"DEBUG": "0", "ALLOW_HTTP": "1", "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1", "ASSENT_TEST": "1"}
