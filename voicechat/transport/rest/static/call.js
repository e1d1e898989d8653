/** One call: sound both ways over WebRTC, events over the data channel beside it. */

import { credentials } from "./key.js";
import { ENDED, LOST, NO_SOUND_PATH, Problem, ofResponse, unreachable } from "./problem.js";

const CALLS = "v1/realtime/calls";
const GATHERING_MS = 1000; // a VPN or a slow STUN server can hold gathering up for many seconds
const OPENING_MS = 10000; // the server gives a peer that is not connected by then up as well
const RECOVERY_MS = 5000; // a peer that changes networks is "disconnected" for a moment

export class Call {
  #peer = new RTCPeerConnection();
  #channel = this.#peer.createDataChannel("oai-events");
  #sender = null;
  #location = "";
  #recovery = 0;
  #over = false;

  /**
   * `onEvent(event)` gets every event of the server, `onAnswer(track)` the answer's sound,
   * `onLost(problem)` the end of a connected call that nobody here hung up.
   */
  constructor({ onEvent, onAnswer, onLost }) {
    this.onLost = onLost;
    this.#peer.ontrack = ({ track }) => onAnswer(track);
    this.#channel.onmessage = ({ data }) => onEvent(JSON.parse(data));
  }

  /** Resolves when the call is up, and rejects with a Problem. The call then owns `track`. */
  async connect(track) {
    this.#sender = this.#peer.addTrack(track, new MediaStream([track]));
    await this.#peer.setLocalDescription();
    await this.#gather();
    if (this.#over) return;
    const response = await this.#post(this.#peer.localDescription.sdp);
    this.#location = new URL(response.headers.get("Location"), response.url).href;
    const answer = await response.text();
    if (this.#over) {
      await this.#dismiss(); // hung up while the server was answering: it holds a line for us
      return;
    }
    await this.#peer.setRemoteDescription({ type: "answer", sdp: answer });
    await this.#open();
    this.#watch();
  }

  /** Sends an event; before the call is up, and after it, it goes nowhere. */
  send(event) {
    if (this.#channel.readyState === "open") this.#channel.send(JSON.stringify(event));
  }

  /** The track that is being sent. */
  get track() {
    return this.#sender?.track ?? null;
  }

  /** Sends `track` from now on in place of the present one. */
  async replace(track) {
    const former = this.track;
    await this.#sender.replaceTrack(track);
    former?.stop();
  }

  /** Ends the call at once; safe at any time, and twice. */
  hangUp() {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#recovery);
    this.track?.stop();
    this.#dismiss();
  }

  /** Says goodbye before closing: a server that sees its peer close first has no call left to be asked about. */
  async #dismiss() {
    try {
      // keepalive lets the request outlive the page; if it fails all the same, the server notices the silence.
      if (this.#location) await fetch(this.#location, { method: "DELETE", keepalive: true, headers: credentials() });
    } catch {
      // the server is gone, and the call with it
    } finally {
      this.#peer.close();
    }
  }

  #gather() {
    const peer = this.#peer;
    return new Promise((resolve) => {
      const check = () => peer.iceGatheringState === "complete" && resolve();
      peer.onicegatheringstatechange = check;
      setTimeout(resolve, GATHERING_MS);
      check();
    });
  }

  async #post(sdp) {
    const shown = credentials();
    const headers = { "Content-Type": "application/sdp", ...shown };
    let response;
    try {
      response = await fetch(CALLS, { method: "POST", headers, body: sdp });
    } catch {
      throw unreachable();
    }
    if (response.status !== 201) throw await ofResponse(response, "Authorization" in shown);
    return response;
  }

  #open() {
    return new Promise((resolve, reject) => {
      const fail = () => reject(new Problem(NO_SOUND_PATH));
      const late = setTimeout(fail, OPENING_MS);
      this.#channel.onopen = () => {
        clearTimeout(late);
        resolve();
      };
      this.#peer.onconnectionstatechange = () => this.#peer.connectionState === "failed" && fail();
    });
  }

  #watch() {
    const lose = (words) => this.#over || this.onLost(new Problem(words));
    this.#channel.onclose = () => {
      this.#location = ""; // the server closed it, so it knows
      lose(ENDED);
    };
    this.#peer.onconnectionstatechange = () => {
      const state = this.#peer.connectionState;
      clearTimeout(this.#recovery);
      if (state === "failed" || state === "closed") lose(LOST);
      if (state === "disconnected") this.#recovery = setTimeout(lose, RECOVERY_MS, LOST);
    };
  }
}
