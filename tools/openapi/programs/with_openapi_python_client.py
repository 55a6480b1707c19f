"""The same with the client of openapi-python-client."""

import json
import os
import uuid

from openapi_python_client_api import AuthenticatedClient
from openapi_python_client_api.api.locks import (
    create_lock,
    get_audit_ndjson,
    get_lock_details,
    list_lock_events,
    open_lock,
)
from openapi_python_client_api.models import CreateLockRequest, OpenLockRequest, Problem
from openapi_python_client_api.types import UNSET

client = AuthenticatedClient(
    base_url=os.environ["BASE_URL"], token=os.environ["API_KEY"], prefix="", auth_header_name="X-API-Key"
)

request = {"index": 1, "uuid": str(uuid.uuid4()), "ownerId": "ann", "keys": []}
created = create_lock.sync(75, client=client, body=CreateLockRequest.from_dict(request))
opened = open_lock.sync(75, client=client, body=OpenLockRequest(reason="parcel"), idempotency_key="opening-75")

types = []
cursor = UNSET
while cursor is not None:
    page = list_lock_events.sync(75, client=client, limit=1, cursor=cursor)
    types += [event.type_ for event in page.events]
    cursor = page.next_cursor

refused = get_lock_details.sync_detailed(76, client=client)
problem = refused.parsed
audit = get_audit_ndjson.sync(75, client=client)

print(
    json.dumps(
        {
            "created": created.event.type_,
            "offline": opened.offline,
            "types": types,
            "refused": [isinstance(problem, Problem), refused.status_code, problem.error],
            "audited": len(audit.strip().split("\n")),
        }
    )
)
