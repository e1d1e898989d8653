/** One call, on the first way to the server that sound gets through on. */

import { NoWay } from "./no_way.js";
import { RtcLine } from "./rtc_line.js";
import { SocketLine } from "./socket_line.js";

const REMEMBERED_MS = 600000; // for so long the next calls do not look for a way over WebRTC again

let lacking = -Infinity; // when there was none, on the page's clock

export class Call {
  #line = null;
  #track = null;
  #over = false;

  /**
   * `context` measures, and may play, the sound; `speaker` is an audio element for what comes as a track.
   * `onEvent(event)` gets every event of the server, `onAnswer(node)` the answer's sound, to be measured,
   * `onLost(problem)` the end of a connected call that nobody here hung up.
   */
  constructor(ends) {
    this.ends = ends;
  }

  /** Resolves when the call is up, and rejects with a Problem. The call then owns `track`. */
  async connect(track) {
    this.#track = track;
    if (performance.now() - lacking > REMEMBERED_MS && (await this.#connectByRtc())) return;
    if (this.#over) return;
    this.#line = new SocketLine(this.ends);
    await this.#line.connect(this.#track); // it may have been replaced meanwhile
  }

  /** Whether it got through. */
  async #connectByRtc() {
    this.#line = new RtcLine(this.ends);
    try {
      await this.#line.connect(this.#track);
      return true;
    } catch (error) {
      if (!(error instanceof NoWay)) throw error;
      if (!this.#over) lacking = performance.now();
      await this.#line.close(); // the server may have one place only
      return false;
    }
  }

  /** Sends an event; before the call is up, and after it, it goes nowhere. */
  send(event) {
    this.#line?.send(event);
  }

  /** The track that is being sent. */
  get track() {
    return this.#track;
  }

  /** Whether the sound goes the second way. */
  get byDetour() {
    return this.#line instanceof SocketLine;
  }

  /** Sends `track` from now on in place of the present one. */
  async replace(track) {
    const former = this.#track;
    await this.#line.replace(track);
    this.#track = track;
    former.stop();
  }

  /** Ends the call at once; safe at any time, and twice. */
  hangUp() {
    if (this.#over) return;
    this.#over = true;
    this.#track?.stop();
    this.#line?.close();
  }
}
