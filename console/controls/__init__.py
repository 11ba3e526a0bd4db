"""Controls made from a JSON Schema and a value, and the value's edit read back from what was typed in them.

The browser says which controls were touched; what was not touched is taken from the stored value and cannot change. A
control that cannot hold its value holds it as JSON, for that field alone.
"""
