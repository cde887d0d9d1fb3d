from elevate_api.kit.db import Tx
from elevate_api.kit.problems import responses
from elevate_api.kit.routing import Router
from elevate_api.users import service
from elevate_api.users.errors import HandleTaken
from elevate_api.users.guards import CurrentUser
from elevate_api.users.schemas import Me, MeUpdate

router = Router(prefix="/api/me", tags=["me"])


@router.get("", response_model=Me)
async def get_me(user: CurrentUser) -> Me:
    """Who you are to us. The first call with a new token creates you."""
    return Me.model_validate(user)


@router.patch("", response_model=Me, responses=responses(HandleTaken))
async def update_me(change: MeUpdate, session: Tx, user: CurrentUser) -> Me:
    """Change what is yours to change."""
    return Me.model_validate(
        await service.update_own(session, user.id, change.model_dump(by_alias=False, exclude_unset=True))
    )
