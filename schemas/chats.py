"""Chats: the events of a contact in writing while both sides are there (docs/events.md).

``chat.started`` again after ``chat.ended`` reopens the chat. A bot that hands over to people says so with a ``chat.transferred`` of
kind ``handover``, which is no transfer between people.
"""

from __future__ import annotations

from schemas.contacts import Answered, Ended, Entered, FlowedOut, Left, WrittenTransferred, Wrote


class ChatStarted(Entered, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="chat.started"):
    """The customer opened a chat, or it entered another queue: a queue visit begins."""


class ChatAnswered(Answered, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="chat.answered"):
    """A human agent joined. ``wait_seconds`` stands in when the start of the visit is lost."""


class ChatMessage(Wrote, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="chat.message"):
    """A message. The first public one of a human agent is the first response."""


class ChatAbandoned(Left, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="chat.abandoned"):
    """The customer left while waiting."""


class ChatFlowedOut(FlowedOut, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="chat.flowed_out"):
    """The chat left the queue unanswered, and the customer had not left."""


class ChatTransferred(
    WrittenTransferred, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="chat.transferred"
):
    """The chat was handed on; by a bot to people where ``kind`` is ``handover``. A new queue visit may follow."""


class ChatEnded(Ended, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="chat.ended"):
    """The conversation is over. ``resolved`` left out counts as resolved; only a clear false does not."""


ChatEvent = ChatStarted | ChatAnswered | ChatMessage | ChatAbandoned | ChatFlowedOut | ChatTransferred | ChatEnded
