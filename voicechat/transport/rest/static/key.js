/** The key that a server may want: asked for once, and kept for as long as the tab is open. */

import { ofResponse, unreachable } from "./problem.js";

const SLOT = "voicechat.key";
const SECRETS = "v1/realtime/client_secrets";
const TOKEN = /^[!#$%&'*+.^`|~\w-]+$/; // what a sub-protocol may be written in (RFC 9110, 5.6.2)

/** The headers that show the key; none while there is none. */
export function credentials() {
  const key = sessionStorage.getItem(SLOT);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/**
 * The sub-protocols of a WebSocket, which has no headers of its own in a browser. Where the key cannot be one, another
 * is made with it, for a short time. Rejects with a Problem.
 */
export async function protocols() {
  let key = sessionStorage.getItem(SLOT);
  if (!key) return ["realtime"];
  if (!TOKEN.test(key)) key = await anotherKey();
  return ["realtime", `openai-insecure-api-key.${key}`];
}

async function anotherKey() {
  const headers = { "Content-Type": "application/json", ...credentials() };
  let response;
  try {
    response = await fetch(SECRETS, { method: "POST", headers, body: "{}" });
  } catch {
    throw unreachable();
  }
  if (!response.ok) throw await ofResponse(response, true);
  return (await response.json()).value;
}

/** The form that asks for a key. */
export class KeyForm {
  /** `onKey()` is called when there is one to try. */
  constructor(form, onKey) {
    this.form = form;
    this.field = form.querySelector("input");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const key = this.field.value.trim();
      if (!key) return;
      sessionStorage.setItem(SLOT, key);
      this.hide();
      onKey();
    });
  }

  /** Whether a key has been entered that was not tried yet. */
  get filled() {
    return !this.form.hidden && this.field.value.trim() !== "";
  }

  /** Asks; a key that was tried is forgotten. */
  ask() {
    sessionStorage.removeItem(SLOT);
    this.form.hidden = false;
    this.field.focus();
  }

  hide() {
    this.form.hidden = true;
    this.field.value = "";
  }
}
