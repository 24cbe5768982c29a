"""Who a caller is, as their token says."""

from dataclasses import dataclass

from core.labels import ApprovalTier, Role

POLICY = "policy"
"""Who has done what policy does in a resident's place."""


@dataclass(frozen=True)
class Principal:
    """The holder of a valid token."""

    sub: str
    """For a resident the resident id."""
    role: Role
    buildings: frozenset[str] | None = None
    """The buildings that staff may act for; None for all."""
    approval_tier: ApprovalTier | None = None
    """The highest tier that this person may stand for; None for what their role may."""

    @property
    def is_resident(self) -> bool:
        """A resident sees their own requests only."""
        return self.role is Role.RESIDENT

    def covers(self, building_id: str) -> bool:
        """Whether this building is theirs to act for."""
        return self.buildings is None or building_id in self.buildings
