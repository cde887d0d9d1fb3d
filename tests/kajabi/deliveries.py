"""Deliveries as Kajabi and relays send them (shared/integrations.md)."""

import json
from typing import Any

AI_1, AI_2, ALL = "elevate-ai-1-completed", "elevate-ai-2-completed", "learn_completed"
TOKEN, OTHER_TOKEN = "url-token-of-the-test-run", "another-url-token-for-rotation"
SECRET, OTHER_SECRET = "shared-secret-of-the-test-run", "another-shared-secret-in-use"
URL = f"/api/webhooks/kajabi/{TOKEN}"


def hook(contact: str, email: str | None = None, tag: str = AI_1, event: str = "tag_added", **attributes: Any) -> bytes:
    """As Kajabi's own hooks look."""
    resources = [
        {
            "id": contact,
            "type": "contacts",
            "attributes": {"name": "Siti", "email": email, "external_user_id": None, **attributes},
            "relationships": {"site": {"data": {"id": "2", "type": "sites"}}},
        },
        {"id": f"tag-{tag}", "type": "contact_tags", "attributes": {"name": tag}, "relationships": {}},
    ]
    return json.dumps({"id": contact, "event": event, "payload": resources}).encode()


def flat(contact: str | None, email: str | None, tag: str | None = AI_1, **fields: Any) -> bytes:
    """As relays look."""
    document = {
        "event_id": "evt-1",
        "event_type": "contact.tagged",
        "contact": {"id": contact, "email": email},
        "tag": {"name": tag},
        **fields,
    }
    return json.dumps(document).encode()
