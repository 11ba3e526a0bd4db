"""How an endpoint becomes an operation of the OpenAPI document."""

from drf_spectacular.openapi import AutoSchema

from approvals.values.schema import Json


class OperationSchema(AutoSchema):
    """One operation; its body is needed unless its view says that it is optional."""

    def _get_request_body(self, direction: str = "request") -> dict[str, Json] | None:
        method, self.method = self.method, "POST" if self.method == "DELETE" else self.method  # which may have one, too
        try:
            body: dict[str, Json] | None = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        finally:
            self.method = method
        if body:
            body["required"] = not getattr(self.view, "body_is_optional", False)
        return body
