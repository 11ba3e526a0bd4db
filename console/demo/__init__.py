"""What a newcomer finds: people of every role, agents, requests that wait, and two months of decisions.

Everything goes through the functions that the product itself uses; nothing is inserted past them.
"""
