"""Items of the conversation as the realtime protocol writes them. No I/O."""

from collections.abc import Callable
from typing import Final

from voicechat.conversation import Item, ItemStatus, Kind, Role
from voicechat.events import ItemAdded, ItemDeleted, ItemRetrieved, ItemTruncated
from voicechat.transport.fields import Fields
from voicechat.transport.realtime.formats import milliseconds

Message = dict[str, object]
"""One JSON object that a client is sent."""

ItemEvent = ItemAdded | ItemRetrieved | ItemDeleted | ItemTruncated

LONGEST_NAME: Final = 128
"""Characters of a tool's name."""

_PARTS: Final = {
    Role.SYSTEM: ("input_text", "text"),
    Role.USER: ("input_text", "input_audio", "input_image", "text"),
    Role.ASSISTANT: ("output_text", "output_audio", "text", "audio"),
}
"""Of a message's content, by who said it. `text` and `audio` are the names of the beta, which some clients kept."""

_MCP: Final = ("mcp_approval_request", "mcp_approval_response", "mcp_call", "mcp_list_tools")


def write(item: Item) -> Message:
    """Sound is never repeated in an item; its words are, once they are known."""
    return {
        "id": item.id,
        "object": "realtime.item",
        "type": str(item.kind),
        "status": str(item.status),
        **_body(item),
    }


def begun(item: Item) -> Message:
    """The item as long as there is nothing in it."""
    empty: Message = {"arguments": ""} if item.kind is Kind.CALL else {"content": []}
    return {**write(item), "status": str(ItemStatus.IN_PROGRESS), **empty}


def tell(event: ItemEvent) -> list[Message]:
    """What happens to the history."""
    kind = "conversation.item"
    match event:
        case ItemAdded():
            entry: Message = {"previous_item_id": event.previous, "item": write(event.item)}
            return [{"type": f"{kind}.added", **entry}, {"type": f"{kind}.done", **entry}]
        case ItemRetrieved():
            return [{"type": f"{kind}.retrieved", "item": write(event.item)}]
        case ItemDeleted():
            return [{"type": f"{kind}.deleted", "item_id": event.item}]
        case ItemTruncated():
            where: Message = {"item_id": event.item.id, "content_index": 0}
            return [{"type": f"{kind}.truncated", **where, "audio_end_ms": milliseconds(event.end)}]


def _body(item: Item) -> Message:
    match item.kind:
        case Kind.CALL:
            return {"call_id": item.call, "name": item.name, "arguments": item.text}
        case Kind.OUTPUT:
            return {"call_id": item.call, "output": item.text}
        case Kind.MESSAGE:
            return {"role": str(item.role), "content": [_content(item)]}


def _content(item: Item) -> Message:
    side = "output" if item.role is Role.ASSISTANT else "input"
    if item.spoken:
        return {"type": f"{side}_audio", "transcript": item.text or None}
    return {"type": f"{side}_text", "text": item.text}


def read(fields: Fields, new_id: Callable[[], str]) -> Item:
    """What a client wants in the history; where it gives no id, a new one is taken. Raises BadMessage."""
    kind = fields.text("type")
    if kind in _MCP:
        fields.refuse("type", "tools of MCP servers are run by this server without asking", "unsupported_content")
    kind = Kind(fields.one_of("type", *Kind))
    id = fields.name_of("id") if fields.has("id") else new_id()
    status = ItemStatus(fields.one_of("status", *ItemStatus)) if fields.has("status") else ItemStatus.COMPLETED
    match kind:
        case Kind.CALL:
            call = fields.name_of("call_id") if fields.has("call_id") else f"call_{id}"
            arguments = fields.text("arguments").strip() or "{}"
            name = fields.text("name", longest=LONGEST_NAME)
            return Item(id, Role.ASSISTANT, arguments, status=status, kind=kind, call=call, name=name)
        case Kind.OUTPUT:
            output, call = fields.text("output"), fields.name_of("call_id")
            return Item(id, Role.USER, output, status=status, kind=kind, call=call)
        case Kind.MESSAGE:
            return _read_message(fields, id, status)


def _read_message(fields: Fields, id: str, status: ItemStatus) -> Item:
    """The words of several parts become one text, a line each."""
    role = Role(fields.one_of("role", *Role))
    parts = fields.inners("content")
    if not parts:
        fields.refuse("content", "this field is required", "missing_field")
    texts = [_read_part(part, role) for part in parts]
    spoken = any(part.text("type").endswith("audio") for part in parts)
    return Item(id, role, "\n".join(text for text in texts if text), spoken, status)


def _read_part(part: Fields, role: Role) -> str:
    """The words of one part of a message."""
    kind = part.one_of("type", *_PARTS[role])
    if kind == "input_image":
        part.refuse("type", "pictures are not understood here", "unsupported_content")
    if not kind.endswith("audio"):
        return part.text("text")
    if not part.has("transcript"):
        part.refuse("type", "sound is taken through input_audio_buffer.append alone", "unsupported_content")
    return part.text("transcript")
