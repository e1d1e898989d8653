/** The first way to the server: sound both ways over WebRTC, events over the data channel beside it. */

import { credentials } from "./key.js";
import { ENDED, LOST, Problem, ofResponse, unreachable } from "./problem.js";
import { NoWay } from "./no_way.js";

const CALLS = "v1/realtime/calls";
const GATHERING_MS = 1000; // own addresses come within 20 ms; without any, or with a VPN, gathering may never end
const OPENING_MS = 4000; // usually 0.5 s; a check or a handshake whose packet is lost is repeated after 0.5 to 1 s
const RECOVERY_MS = 5000; // a peer that changes networks is "disconnected" for a moment
const GOODBYE_MS = 2000;
const CANDIDATE = /^a=candidate:\S+ \d+ udp /im; // the server speaks UDP only

export class RtcLine {
  #peer = null;
  #channel = null;
  #sender = null;
  #location = "";
  #recovery = 0;
  #over = false;

  /** See `Call`; `speaker` is the element that plays the answer. */
  constructor({ context, speaker, onEvent, onAnswer, onLost }) {
    this.context = context;
    this.speaker = speaker;
    this.onEvent = onEvent;
    this.onAnswer = onAnswer;
    this.onLost = onLost;
  }

  /** Resolves when the line is up, or closed. Rejects with NoWay where WebRTC does not get through, or with a Problem. */
  async connect(track) {
    if (!globalThis.RTCPeerConnection) throw new NoWay("no WebRTC in this browser");
    this.#peer = new RTCPeerConnection();
    this.#peer.ontrack = ({ track: answer }) => this.#play(answer);
    this.#channel = this.#peer.createDataChannel("oai-events");
    this.#channel.onmessage = ({ data }) => this.onEvent(JSON.parse(data));
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
    if (!CANDIDATE.test(answer)) throw new NoWay("the server has no address for WebRTC");
    await this.#peer.setRemoteDescription({ type: "answer", sdp: answer });
    await this.#open();
    if (!this.#over) this.#watch();
  }

  send(event) {
    if (this.#channel?.readyState === "open") this.#channel.send(JSON.stringify(event));
  }

  async replace(track) {
    await this.#sender.replaceTrack(track);
  }

  /** Resolves when the server knows; safe at any time, and twice. */
  async close() {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#recovery);
    this.speaker.srcObject = null;
    await this.#dismiss();
  }

  #play(answer) {
    const stream = new MediaStream([answer]);
    this.speaker.srcObject = stream;
    this.onAnswer(this.context.createMediaStreamSource(stream));
  }

  /** Says goodbye before closing: a server that sees its peer close first has no call left to be asked about. */
  async #dismiss() {
    const request = {
      method: "DELETE",
      keepalive: true, // outlives the page
      headers: credentials(),
      signal: AbortSignal.timeout(GOODBYE_MS),
    };
    try {
      if (this.#location) await fetch(this.#location, request);
    } catch {
      // the server is gone, and the call with it; or it will notice the silence
    } finally {
      this.#peer?.close();
    }
  }

  /** Resolves when there are addresses to offer, and rejects with NoWay where there are none. */
  async #gather() {
    const peer = this.#peer;
    await new Promise((resolve) => {
      const check = () => peer.iceGatheringState === "complete" && resolve();
      peer.onicegatheringstatechange = check;
      setTimeout(resolve, GATHERING_MS);
      check();
    });
    if (!CANDIDATE.test(peer.localDescription.sdp)) throw new NoWay("the browser has no address for WebRTC");
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
      const fail = () => reject(new NoWay("no packet gets through"));
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
