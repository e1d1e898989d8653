/** A track's sound as samples, where it is not sent as a track. */

import { RATE } from "./pcm.js";
import { Resampler } from "./resampler.js";

export class Sampler {
  #source = null;

  /** `onFrame(samples)` gets 20 ms at a time, at 24 kHz. The worklet must be there. */
  constructor(context, onFrame) {
    const resampler = new Resampler(context.sampleRate, RATE);
    this.context = context;
    this.node = new AudioWorkletNode(context, "sampler", { channelCount: 1, channelCountMode: "explicit" });
    this.node.port.onmessage = ({ data }) => onFrame(resampler.push(data));
    this.node.connect(context.destination); // it is silent, and browsers leave out what leads nowhere
  }

  /** Samples `track` from now on in place of the present one. */
  follow(track) {
    this.#source?.disconnect();
    this.#source = this.context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(this.node);
  }

  close() {
    this.#source?.disconnect();
    this.node.port.onmessage = null;
    this.node.port.postMessage("end");
    this.node.disconnect();
  }
}
