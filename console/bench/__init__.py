"""`manage.py bench`: how fast and how large Assent is on this machine, on real servers, seen from outside.

The servers are its own, in a directory that is deleted afterwards. Whoever asks runs in other processes than whoever
answers; everything stays on the loopback interface and is bounded in count and time.

    stage.py    PostgreSQL, Redis, clock and Daphne for the measurements     seed.py    what lies in their database
    wire.py     a small HTTP and socket client                               load.py    the process that asks
    person.py   the process that decides                                     memory.py  what a running Assent takes
    crowd.py    thousands that wait, and who takes webhooks                  hooks.py    webhooks that go out
    routing.py  proposals that are routed, one by one                         past.py    a million approvals before them
    pages.py   a million that wait, a million decided        paths.py   the pages over them
    deadlines.py deadlines of one second
    measures.py each measurement, many.py those of crowds                     report.py  the table
"""
