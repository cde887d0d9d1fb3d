from sqlalchemy import select

from elevate_api.activities.models import Activity
from elevate_api.kit.repository import Repository


class ActivityRepository(Repository):
    async def all(self) -> list[Activity]:
        """Every stage in the order of the programme."""
        statement = select(Activity).order_by(Activity.position, Activity.code)
        return list((await self._session.execute(statement)).scalars())

    async def get(self, code: str) -> Activity | None:
        return await self._session.get(Activity, code)
