"""The rules that hold in one building, ready to be applied: its options, its crews and vendors, its versions."""

from collections.abc import Iterable, Sequence

from core.request import ResolutionOption
from core.rules import SINGLE_KEYS, CataloguedOption, RuleBook
from deployments.decision_simulation.gates import Gate, lacks_licence, licence_gate
from deployments.decision_simulation.offers import Offers
from deployments.decision_simulation.options import Catalogue, Match, Subject
from deployments.decision_simulation.policy import emergency_options
from deployments.decision_simulation.workforce import ServerModel, server_models


class House:
    """One building's rules, or the general ones."""

    def __init__(self, rules: RuleBook, own_autonomy: bool = False) -> None:
        """`own_autonomy`: whether a document of the building itself states what the system may do by itself."""
        self.rules, self.own_autonomy = rules, own_autonomy
        emergency = emergency_options(rules)
        # An emergency action is never withheld: whoever is called brings what it needs.
        self._withheld = {
            entry.template.option_id: licence_gate(entry.template, rules)
            for entry in rules.options
            if lacks_licence(entry.template, rules) and entry.template.option_id not in emergency
        }
        licensed = self._licensed(rules)
        self.catalogue = Catalogue(licensed)
        self.offers = Offers(licensed, self.catalogue)
        self._everything = Catalogue(rules) if self._withheld else self.catalogue
        self.servers: dict[str, ServerModel] = server_models(rules)

    def pick(self, subject: Subject) -> tuple[Match, ...]:
        """The catalogued options that fit and that somebody may carry out, best first."""
        return self.catalogue.pick(subject)

    def withheld(self, subject: Subject) -> tuple[Gate, ...]:
        """A gate for each option that would fit but that nobody holds the licence for."""
        if not self._withheld:
            return ()
        ids = [match.entry.template.option_id for match in self._everything.pick(subject)]
        return tuple(self._withheld[option_id] for option_id in ids if option_id in self._withheld)

    def document_versions(
        self, building_id: str | None, servers: Iterable[str], options: Sequence[ResolutionOption]
    ) -> dict[str, int]:
        """The version of each document whose rules a decision used or whose sections its options cite."""
        building = self.rules.buildings.get(building_id or "")
        keys = [*SINGLE_KEYS, "options", f"buildings:{building_id}"]
        keys += [f"jurisdictions:{building.jurisdiction}"] if building else []
        keys += [f"{kind}:{server}" for server in sorted(servers) for kind in ("crews", "vendors")]
        keys += [f"parts:{part}" for option in options for part in self._parts(option.option_id)]
        used = {self.rules.sources[key] for key in keys if key in self.rules.sources}
        used |= {citation.doc_id for option in options for citation in option.citations}
        versions = self.rules.document_versions
        return {document: versions[document] for document in sorted(used) if document in versions}

    def _parts(self, option_id: str) -> tuple[str, ...]:
        entry = self.catalogue.get(option_id)
        return entry.template.parts if entry else ()

    def _licensed(self, rules: RuleBook) -> RuleBook:
        held: tuple[CataloguedOption, ...] = tuple(
            entry for entry in rules.options if entry.template.option_id not in self._withheld
        )
        return rules if len(held) == len(rules.options) else rules.model_copy(update={"options": held})
