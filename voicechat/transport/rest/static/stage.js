/** The state of the call, as words and as a circle that moves with the sound. */

const WORDS = {
  ready: ["Ready", "Press the button and speak. You can interrupt at any time."],
  connecting: ["Connecting", "Your browser may ask for the microphone."],
  problem: ["Not connected", ""],
  idle: ["Ready", "Go ahead, I’m listening."],
  listening: ["Listening", "Take your time."],
  thinking: ["Thinking", "One moment."],
  speaking: ["Speaking", "Just speak to interrupt."],
  paused: ["Paused", "Are you saying something?"],
  interrupted: ["You interrupted", "Go on, I’m listening."],
};
const MUTED = "Your microphone is off.";

export class Stage {
  #muted = false;
  #state = "ready";

  constructor(root) {
    this.root = root;
    this.state = root.querySelector("#state");
    this.hint = root.querySelector("#hint");
    this.problem = root.querySelector("#problem");
    this.levelIn = root.querySelector("#level-in");
    this.levelOut = root.querySelector("#level-out");
  }

  /** Shows a state of the page or of the server; one it does not know changes nothing. */
  show(state) {
    if (!WORDS[state]) return;
    this.#state = state;
    this.problem.textContent = "";
    this.#draw();
  }

  /** Shows what went wrong until the next state. */
  fail(words) {
    this.show("problem");
    this.problem.textContent = words;
  }

  mute(muted) {
    this.#muted = muted;
    this.#draw();
  }

  /** Levels from 0 to 1 of the microphone and of the answer. */
  sound(heard, spoken) {
    this.levelIn.style.setProperty("--level", heard.toFixed(3));
    this.levelOut.style.setProperty("--level", spoken.toFixed(3));
    const speaks = this.#state === "speaking" || this.#state === "paused";
    this.root.style.setProperty("--level", (speaks ? spoken : heard).toFixed(3));
  }

  #draw() {
    const [state, hint] = WORDS[this.#state];
    this.root.dataset.state = this.#state;
    if (this.state.textContent !== state) this.state.textContent = state;
    this.hint.textContent = this.#muted && this.#state !== "speaking" ? MUTED : hint;
  }
}
