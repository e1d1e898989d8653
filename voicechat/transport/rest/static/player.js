/** The answer's sound on the speaker, where it does not come as a track. */

import { RATE } from "./pcm.js";
import { Resampler } from "./resampler.js";

export class Player {
  #item = "";
  #resampler = null;

  /** `onCut(item, milliseconds)` is told what was played of an item that was cut short. The worklet must be there. */
  constructor(context, onCut) {
    this.rate = context.sampleRate;
    this.node = new AudioWorkletNode(context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    this.node.port.onmessage = ({ data: { item, played, left } }) => {
      if (left > 0) onCut(item, Math.floor((1000 * played) / this.rate));
    };
    this.node.connect(context.destination);
  }

  /** The next samples of an item, at 24 kHz. */
  play(item, samples) {
    if (item !== this.#item) this.#resampler = new Resampler(RATE, this.rate);
    this.#item = item;
    const resampled = this.#resampler.push(samples);
    this.node.port.postMessage({ order: "play", item, samples: resampled }, [resampled.buffer]);
  }

  /** Silence at once; nothing is lost. */
  hold() {
    this.node.port.postMessage({ order: "hold" });
  }

  goOn() {
    this.node.port.postMessage({ order: "goOn" });
  }

  /** Silence at once, and what has not been played is forgotten. */
  cut() {
    this.node.port.postMessage({ order: "cut" });
  }

  close() {
    this.node.port.onmessage = null;
    this.node.port.postMessage({ order: "end" });
    this.node.disconnect();
  }
}
