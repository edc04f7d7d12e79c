"""Lives: contacts that have the same id, one so long after the other that they have nothing to do with each other.

What happens within the longest pause of what was before is of the same contact. Nobody remembers contacts for ever; so that figures do not
depend on how long one was remembered, what comes later with its id is another one's, also where the first is still there.

    opened  reply  resolved                               reopened   reply
      |-------|-------|------- longer than the longest pause ---|-------|
      |--- a ticket --|                                         |-- another, of which the beginning is not known
"""

from __future__ import annotations

from heapq import merge

from streams.engine.contacts import Contact
from streams.engine.facts import CALL, PRESENT, QUEUED, Fact
from streams.engine.policy import Policy


class Lives:
    """Tells them apart under a policy."""

    def __init__(self, policy: Policy) -> None:
        self._pauses = {ticket: policy.longest_pause(ticket=ticket) for ticket in (False, True)}

    def may_part(self, facts: list[Fact], time: int) -> bool:
        """Tell whether a time is so far from a contact's facts that what happens then may be of another with the same id."""
        first: int = facts[0][0]
        last: int = facts[-1][0]
        return time - last > self._pauses[False] or first - time > self._pauses[False]

    def of(self, contacts: list[Contact], fact: Fact) -> list[tuple[list[Fact], Contact | None]]:
        """Return the facts of each life, oldest first, a new fact among them, and the contact whose they are already, if one's.

        A contact with a past keeps all that is after it.
        """
        whose = {id(one): contact for contact in contacts for one in contact.facts}
        lives: list[tuple[list[Fact], Contact | None]] = []
        ticket = False
        for one in merge(*(contact.facts for contact in contacts), [fact], key=lambda one: one[:3]):
            contact = whose.get(id(one))
            begins = contact is not None and contact.past is not None and one is contact.facts[0]
            if not lives or begins or one[0] - lives[-1][0][-1][0] > self._pauses[ticket]:
                lives.append(([], None))
                ticket = begins and contact is not None and contact.is_ticket
            facts, known = lives[-1]
            facts.append(one)
            lives[-1] = facts, known or contact
            if one[1] == QUEUED:
                ticket = (one[4] or CALL) not in PRESENT
        return lives
