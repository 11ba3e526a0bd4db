"""Columns that Django does not bring along."""

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.types.json import Json as AsJson

from approvals.values.compact import compact


class OrderedJSONField(models.JSONField):
    """JSON that comes back with the keys of its objects in the order in which they were written.

    PostgreSQL's `json` keeps the text; `jsonb` sorts keys, and the order of a schema's fields is its author's. There is
    no comparison and no index on it: what asks inside of it casts it to jsonb.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "json"

    def from_db_value(self, value: object, expression: object, connection: BaseDatabaseWrapper) -> object:
        return value  # psycopg has read it; Django asks for text of jsonb alone

    def get_db_prep_value(self, value: object, connection: BaseDatabaseWrapper, prepared: bool = False) -> AsJson:
        return AsJson(value if prepared else self.get_prep_value(value), dumps=compact)
