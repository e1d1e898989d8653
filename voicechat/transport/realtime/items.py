"""Items of the conversation as the realtime protocol writes them. No I/O."""

from voicechat.conversation import Item, ItemStatus, Kind, Role
from voicechat.events import ItemAdded, ItemDeleted, ItemRetrieved, ItemTruncated
from voicechat.transport.realtime.formats import milliseconds

Message = dict[str, object]
"""One JSON object that a client is sent."""

ItemEvent = ItemAdded | ItemRetrieved | ItemDeleted | ItemTruncated


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
            return {"role": str(item.role), "content": _content(item)}


def _content(item: Item) -> list[Message]:
    """Its words and, without their pixels, its pictures."""
    side = "output" if item.role is Role.ASSISTANT else "input"
    seen: list[Message] = [{"type": "input_image", "detail": picture.detail} for picture in item.pictures]
    if item.spoken:
        return [{"type": f"{side}_audio", "transcript": item.text or None}, *seen]
    return seen if seen and not item.text else [{"type": f"{side}_text", "text": item.text}, *seen]
