from elevate_api.kit.schemas import Schema


class BadgeOut(Schema):
    code: str
    name: str
    description: str
    icon_url: str | None
