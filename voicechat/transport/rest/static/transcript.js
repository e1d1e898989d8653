/** The conversation as a log: what the caller said and what they heard. */

import { Pace } from "./pace.js";

const NAMES = { user: "You", assistant: "Answer" };
const NEAR_END_PX = 80;

export class Transcript {
  #entries = new Map();
  #speaking = ""; // the id of the answer whose words are coming
  #pace = new Pace((words) => this.#extend(this.#speaking, words));

  /** `list` is the ordered list to fill; finished entries are also said in `announcer`, a live region. */
  constructor(list, announcer) {
    this.list = list;
    this.announcer = announcer;
  }

  /** Keeps a place for the item, so that late words of an earlier speaker do not end up below. */
  place(id, role) {
    return this.#entries.get(id) ?? this.#add(id, role);
  }

  /** The next words that are understood for good; the guess after them is over. */
  caption(id, role, words) {
    const entry = this.place(id, role);
    if (entry.dataset.stage !== "final") this.#write(entry, settledOf(entry) + words, "partial");
  }

  /** What may have been said after those words; a later guess takes its place. */
  guess(id, role, words) {
    const entry = this.place(id, role);
    if (entry.dataset.stage !== "final") this.#write(entry, settledOf(entry), "partial", words);
  }

  /** The next words of an answer. */
  append(id, words) {
    if (id !== this.#speaking) this.#pace.stop();
    this.#speaking = id;
    this.#pace.feed(words);
  }

  /** The last word on an item; without any words the entry goes. */
  finish(id, role, text, { interrupted = false } = {}) {
    if (id === this.#speaking) this.#pace.stop();
    const entry = this.place(id, role);
    if (!text.trim()) {
      this.drop(id);
      return;
    }
    this.#write(entry, text.trim(), interrupted ? "interrupted" : "final");
    this.announcer.textContent = `${NAMES[role]}: ${text.trim()}${interrupted ? " (interrupted)" : ""}`;
  }

  /** Something the caller should know, between the lines. */
  note(words) {
    const entry = document.createElement("li");
    entry.className = "note";
    entry.textContent = words;
    this.#keepingEnd(() => this.list.append(entry));
    this.announcer.textContent = words;
  }

  drop(id) {
    this.#entries.get(id)?.remove();
    this.#entries.delete(id);
  }

  /** Nothing more will come for the entries of an ended call: empty ones go, begun ones stay as they are. */
  settle() {
    this.#pace.stop();
    for (const [id, entry] of this.#entries) {
      if (!textOf(entry).textContent.trim()) this.drop(id);
      else if (entry.dataset.stage === "speaking") entry.dataset.stage = "interrupted";
      else if (entry.dataset.stage === "partial") this.#write(entry, textOf(entry).textContent, "final");
    }
    this.#entries.clear(); // the next call counts its items anew
  }

  #add(id, role) {
    const entry = document.createElement("li");
    entry.className = role;
    entry.dataset.stage = "waiting";
    const name = document.createElement("span");
    name.className = "unseen";
    name.textContent = NAMES[role];
    const text = document.createElement("p");
    entry.append(name, text);
    this.#keepingEnd(() => this.list.append(entry));
    this.#entries.set(id, entry);
    return entry;
  }

  #extend(id, words) {
    const entry = this.place(id, "assistant");
    this.#write(entry, textOf(entry).textContent + words, "speaking");
  }

  #write(entry, text, stage, guess = "") {
    const soft = document.createElement("span");
    soft.className = "guess";
    soft.textContent = guess;
    this.#keepingEnd(() => {
      textOf(entry).replaceChildren(text, ...(guess ? [soft] : []));
      entry.dataset.stage = stage;
    });
  }

  /** A reader who has scrolled back is left where they are. */
  #keepingEnd(change) {
    const { list } = this;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END_PX;
    change();
    if (atEnd) list.scrollTop = list.scrollHeight;
  }
}

function textOf(entry) {
  return entry.lastElementChild;
}

/** The text without the guess that may follow it. */
function settledOf(entry) {
  return textOf(entry).firstChild?.data ?? "";
}
