"""The events of flows, knowledge bases, sessions and users → these as they stood. Any prefix is a valid state."""

from collections.abc import Callable, Mapping, Sequence

from perdure.domain import changes
from perdure.domain.events import Event
from perdure.domain.states import FlowState, KnowledgeBaseState, SessionState, UserState
from perdure.domain.vocabulary import typed

ChangedState = FlowState | KnowledgeBaseState | SessionState | UserState


def fold_changes(events: Sequence[Event]) -> ChangedState:
    """The state after the last of `events`, which are an aggregate's first ones in order; at least one.

    A session's messages are not in its events: they are left empty here.
    """
    state: ChangedState | None = None
    for event in events:
        state = after(state, event)
    if state is None:
        msg = "there is no state before the first event"
        raise ValueError(msg)
    return state


def after(state: ChangedState | None, event: Event) -> ChangedState:
    """The state after one more event; None is that before the first."""
    return _FOLDS[event.aggregate_type](state, event)


def _flow(state: ChangedState | None, event: Event) -> FlowState:
    told = typed(event)
    was = state.flow if isinstance(state, FlowState) else {}
    known = isinstance(told, changes.FlowCreated | changes.FlowUpdated | changes.FlowDeleted)
    return FlowState(
        aggregate_id=event.aggregate_id,
        version=event.version,
        timestamp=event.timestamp,
        is_deleted=isinstance(told, changes.FlowDeleted),
        flow=told.flow if known else was,
    )


def _knowledge_base(state: ChangedState | None, event: Event) -> KnowledgeBaseState:
    told = typed(event)
    was = state if isinstance(state, KnowledgeBaseState) else None
    base = was.knowledgebase if was else {}
    documents = {str(each["id"]): each for each in was.documents} if was else {}
    match told:
        case changes.DocumentAdded() | changes.DocumentReady() | changes.DocumentFailed():
            base = told.knowledgebase
            documents[str(told.document["id"])] = told.document
        case changes.DocumentDeleted():
            base = told.knowledgebase
            documents.pop(str(told.document["id"]), None)
        case changes.KnowledgeBaseDeleted():
            base, documents = told.knowledgebase, {}
        case (
            changes.KnowledgeBaseCreated()
            | changes.KnowledgeBaseUpdated()
            | changes.ReindexStarted()
            | changes.ReindexCompleted()
            | changes.ReindexFailed()
            | changes.ReindexCancelled()
        ):
            base = told.knowledgebase
        case _:
            pass
    return KnowledgeBaseState(
        aggregate_id=event.aggregate_id,
        version=event.version,
        timestamp=event.timestamp,
        is_deleted=isinstance(told, changes.KnowledgeBaseDeleted),
        knowledgebase=base,
        documents=list(documents.values()),
    )


def _session(state: ChangedState | None, event: Event) -> SessionState:
    told = typed(event)
    was = state if isinstance(state, SessionState) else None
    if was is None or isinstance(told, changes.SessionCreated):
        # A session that is made again under the id of a deleted one knows nothing of it.
        was = SessionState(
            aggregate_id=event.aggregate_id,
            version=event.version,
            timestamp=event.timestamp,
            is_deleted=False,
            chatflow_id=told.chatflow_id if isinstance(told, changes.SessionCreated) else None,
            memory_config=None,
            summary=None,
            begun_at=event.timestamp,
            messages=[],
        )
    changed: dict[str, object] = {"version": event.version, "timestamp": event.timestamp}
    match told:
        case changes.SessionCleared():
            changed |= {"summary": None, "begun_at": event.timestamp}
        case changes.SessionDeleted():
            changed |= {"is_deleted": True, "summary": None, "begun_at": event.timestamp}
        case changes.SessionMemoryChanged():
            changed["memory_config"] = told.memory_config
        case changes.SessionSummarized():
            changed["summary"] = told.summary
        case _:
            pass
    return was.model_copy(update=changed)


def _user(state: ChangedState | None, event: Event) -> UserState:
    told = typed(event)
    was = state if isinstance(state, UserState) else None
    keys = dict(was.api_keys) if was else {}
    if isinstance(told, changes.ApiKeyCreated):
        keys[told.api_key_id] = told.name
    elif isinstance(told, changes.ApiKeyDeleted):
        keys.pop(told.api_key_id, None)
    is_active = was.is_active if was else True
    if isinstance(told, changes.UserActivated | changes.UserDeactivated):
        is_active = isinstance(told, changes.UserActivated)
    return UserState(
        aggregate_id=event.aggregate_id,
        version=event.version,
        timestamp=event.timestamp,
        email=told.email if isinstance(told, changes.UserCreated) else was.email if was else None,
        is_active=is_active,
        has_password=isinstance(told, changes.PasswordSet) or (was is not None and was.has_password),
        api_keys=keys,
    )


_FOLDS: Mapping[str, Callable[[ChangedState | None, Event], ChangedState]] = {
    "Flow": _flow,
    "KnowledgeBase": _knowledge_base,
    "Session": _session,
    "User": _user,
}
