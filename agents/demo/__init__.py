"""A support agent in LangGraph that asks Assent before it acts.

What is real: the graph, its checkpoints on disk, the processes that end while a person thinks, the resumption by
another process, the mail. What is not: the thinking. No language model is called; a script takes its place, so that
the demo runs anywhere, costs nothing and does the same twice.

    supervisor.py   lives; holds the mailbox, notices decisions, starts the two short-lived processes below
    graph.py        the workflow: plan, ask, then act or stop
    steps.py        `propose`: as far as the interrupt, then ask Assent and end; `resume`: on from there

Nothing here imports Django: an agent has an address, a key, and its own files.
"""
