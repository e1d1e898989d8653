/** The second way to the server, where WebRTC does not get through: sound and events over a WebSocket. */

import { credentials, protocols } from "./key.js";
import { decode, encode } from "./pcm.js";
import { Player } from "./player.js";
import { ENDED, LOST, NO_SOUND_PATH, NO_SPEAKER, Problem, ofResponse, unreachable } from "./problem.js";
import { Sampler } from "./sampler.js";

const ADDRESS = "v1/realtime";
const OPENING_MS = 10000;
const STARTING_MS = 3000; // a context starts within 0.1 s, or never, as in Firefox without a speaker
const WAITING_BYTES = 65536; // about a second of our sound; what is said while that much waits is not sent
const STUCK_MS = 5000; // a socket that takes nothing for so long has lost its server
const ABNORMAL = 1006; // the socket broke, and nobody closed it (RFC 6455, 7.4.1)
const WORKLETS = ["player_worklet.js", "sampler_worklet.js"].map((file) => new URL(file, import.meta.url));

export class SocketLine {
  #socket = null;
  #sampler = null;
  #player = null;
  #track = null;
  #taken = 0; // when the socket last took our sound, in milliseconds
  #over = false;

  /** See `Call`. */
  constructor({ context, onEvent, onAnswer, onLost }) {
    this.context = context;
    this.onEvent = onEvent;
    this.onAnswer = onAnswer;
    this.onLost = onLost;
  }

  /** Resolves when the line is up, or closed, and rejects with a Problem. */
  async connect(track) {
    this.#track = track;
    if (!this.context.audioWorklet) throw new Problem(NO_SOUND_PATH); // on insecure pages
    await this.#start();
    await Promise.all(WORKLETS.map((file) => this.context.audioWorklet.addModule(file))).catch(() => {
      throw unreachable();
    });
    if (this.#over) return;
    this.#player = new Player(this.context, (item, milliseconds) => this.#truncate(item, milliseconds));
    this.onAnswer(this.#player.node);
    await this.#open();
    if (this.#over) return;
    this.#sampler = new Sampler(this.context, (samples) => this.#say(samples));
    this.#sampler.follow(this.#track);
  }

  send(event) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(event));
  }

  async replace(track) {
    this.#track = track;
    this.#sampler?.follow(track);
  }

  async close() {
    if (this.#over) return;
    this.#over = true;
    this.#sampler?.close();
    this.#player?.close();
    this.#socket?.close();
  }

  async #start() {
    const patience = new Promise((resolve) => setTimeout(resolve, STARTING_MS));
    await Promise.race([this.context.resume(), patience]);
    if (this.context.state !== "running") throw new Problem(NO_SPEAKER);
  }

  async #open() {
    const address = new URL(ADDRESS, document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    const shown = await protocols();
    if (this.#over) return;
    const socket = new WebSocket(address, shown);
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#over || this.#take(JSON.parse(data));
    await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Problem(NO_SOUND_PATH)), OPENING_MS);
      socket.onopen = () => {
        clearTimeout(late);
        this.#taken = performance.now();
        socket.onclose = ({ code }) => this.#lose(code === ABNORMAL ? LOST : ENDED);
        resolve();
      };
      socket.onclose = () => {
        clearTimeout(late);
        if (this.#over) resolve();
        else refusal().then(reject);
      };
    });
  }

  #lose(words) {
    if (!this.#over) this.onLost(new Problem(words));
  }

  /** One frame of the microphone's. */
  #say(samples) {
    const now = performance.now();
    if (this.#socket.bufferedAmount < WAITING_BYTES) {
      this.#taken = now;
      this.send({ type: "input_audio_buffer.append", audio: encode(samples) });
    } else if (now - this.#taken > STUCK_MS) this.#lose(LOST);
  }

  #take(event) {
    this.#acts[event.type]?.(event);
    this.onEvent(event);
  }

  /** What the events do to the speaker; the server tells of pauses who asks for `voicechat.state`. */
  #acts = {
    "response.output_audio.delta": ({ item_id, delta }) => this.#player.play(item_id, decode(delta)),
    "voicechat.paused": () => this.#player.hold(),
    "voicechat.resumed": () => this.#player.goOn(),
    "voicechat.state": ({ state }) => state === "idle" && this.#player.goOn(), // the answer's end came in the pause
    "input_audio_buffer.speech_started": () => this.#player.cut(),
    "response.done": ({ response }) => response.status === "cancelled" && this.#player.cut(),
  };

  /** The server counts what it has sent, by its clock; only we know what was heard. */
  #truncate(item_id, audio_end_ms) {
    this.send({ type: "conversation.item.truncate", item_id, content_index: 0, audio_end_ms });
  }
}

/** Why the socket did not open. Browsers do not tell, so the server is asked again without one. */
async function refusal() {
  const shown = credentials();
  let response;
  try {
    response = await fetch(ADDRESS, { headers: shown });
  } catch {
    return unreachable();
  }
  if (response.status === 400) return new Problem(NO_SOUND_PATH); // it would, so something between us does not
  return ofResponse(response, "Authorization" in shown);
}
