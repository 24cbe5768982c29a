"""Kinds of messages and ways to be told, in the words of people."""

from collections.abc import Mapping

from core.execution_labels import ChannelName, NoticeKind
from web.wording import N_

KINDS: Mapping[NoticeKind, str] = {
    NoticeKind.EMERGENCY: N_("Danger"),
    NoticeKind.REQUEST: N_("How your requests go"),
    NoticeKind.VISIT: N_("Visits to your home"),
    NoticeKind.REMINDER: N_("Reminders"),
    NoticeKind.COMMENT: N_("Messages that somebody wrote to you"),
    NoticeKind.INCIDENT: N_("Faults in your building"),
    NoticeKind.ANNOUNCEMENT: N_("Announcements"),
    NoticeKind.WORK: N_("Work that needs you"),
}
CHANNELS: Mapping[ChannelName, str] = {
    ChannelName.EMAIL: N_("Mail"),
    ChannelName.SMS: N_("Text message"),
    ChannelName.CHAT: N_("Chat"),
}
"""Of those that push; the inbox holds every message in any case."""
