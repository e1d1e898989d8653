/** The key that a server may want: asked for once, and kept for as long as the tab is open. */

const SLOT = "voicechat.key";

/** The headers that show the key; none while there is none. */
export function credentials() {
  const key = sessionStorage.getItem(SLOT);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** The sub-protocols of a WebSocket, which has no headers of its own in a browser. */
export function protocols() {
  const key = sessionStorage.getItem(SLOT);
  return key ? ["realtime", `openai-insecure-api-key.${key}`] : ["realtime"];
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
