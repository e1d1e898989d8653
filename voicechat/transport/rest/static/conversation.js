/** The server's events, told to the parts of the page that show them; and the caller's typing, told to the server. */

import { showLatency } from "./latency.js";

const SETTINGS = {
  type: "realtime",
  include: ["voicechat.state", "voicechat.latency", "voicechat.partials"],
  audio: { input: { transcription: { model: "default" } } },
};
const HARMLESS = new Set(["response_cancel_not_active"]); // the answer ended while our wish to end it was on its way

export class Conversation {
  #answering = false;
  #asking = false;
  #cut = false;

  /** `send(event)` reaches the server of the present call. */
  constructor({ transcript, stage, latency, send }) {
    this.transcript = transcript;
    this.stage = stage;
    this.latency = latency;
    this.send = send;
  }

  /** A typed message; it cuts an answer short like a spoken one does. */
  say(text) {
    const content = [{ type: "input_text", text }];
    this.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
    if (this.#answering) {
      this.#asking = true; // a second answer is refused until the first one is over
      this.send({ type: "response.cancel" });
    } else {
      this.send({ type: "response.create" });
    }
  }

  /** Forgets a call that is over. */
  end() {
    this.#answering = false;
    this.#asking = false;
    this.#cut = false;
    this.transcript.settle();
  }

  /** Takes an event of the server; a type it does not know is skipped. */
  take(event) {
    this.#takers[event.type]?.(event);
  }

  #takers = {
    "session.created": () => this.send({ type: "session.update", session: SETTINGS }),
    "voicechat.state": ({ state }) => this.#heed(state),
    "voicechat.latency": (event) => showLatency(this.latency, event),
    "voicechat.partial": ({ item_id, tail }) => this.transcript.guess(item_id, "user", tail),
    "conversation.item.input_audio_transcription.delta": ({ item_id, delta }) =>
      this.transcript.caption(item_id, "user", delta),
    "conversation.item.input_audio_transcription.completed": ({ item_id, transcript }) =>
      this.transcript.finish(item_id, "user", transcript),
    "conversation.item.input_audio_transcription.failed": ({ item_id }) => this.transcript.drop(item_id),
    "conversation.item.added": ({ item }) => this.#added(item),
    "conversation.item.truncated": ({ item_id }) => this.send({ type: "conversation.item.retrieve", item_id }),
    "conversation.item.retrieved": ({ item }) => this.#shortened(item),
    "conversation.item.deleted": ({ item_id }) => this.transcript.drop(item_id),
    "response.created": () => {
      this.#answering = true;
    },
    "response.output_audio_transcript.delta": ({ item_id, delta }) => this.transcript.append(item_id, delta),
    "response.done": ({ response }) => this.#answered(response),
    "voicechat.warning": ({ message }) => this.transcript.note(message),
    error: ({ error }) => HARMLESS.has(error.code) || this.transcript.note(error.message),
  };

  /** The answer pauses as soon as the caller may be speaking; only once it is cut did they interrupt it. */
  #heed(state) {
    const interrupts = this.#cut && state === "listening";
    this.#cut = false;
    if (interrupts) this.stage.show("interrupted");
    else this.stage.show(state === "barged_in" ? "paused" : state);
  }

  #added(item) {
    if (item.type !== "message" || item.role === "system") return;
    const text = textOf(item);
    if (item.role === "user" && text) this.transcript.finish(item.id, item.role, text);
    else this.transcript.place(item.id, item.role);
  }

  /** What we have heard of an answer, where our own count of it says so. */
  #shortened(item) {
    this.transcript.finish(item.id, item.role, textOf(item), { interrupted: true });
  }

  #answered({ status, status_details, output }) {
    this.#answering = false;
    this.#cut = status === "cancelled";
    const item = output?.find(({ type }) => type === "message");
    if (item) this.transcript.finish(item.id, "assistant", textOf(item), { interrupted: status === "cancelled" });
    if (status === "failed") this.transcript.note(status_details.error.message);
    if (!this.#asking) return;
    this.#asking = false;
    this.send({ type: "response.create" });
  }
}

function textOf(item) {
  return (item.content ?? []).map(({ text, transcript }) => text ?? transcript ?? "").join("");
}
