/** On the audio thread: gathers the microphone's sound into frames of 20 ms and hands them over. */

const FRAME_SECONDS = 0.02;

class Sampler extends AudioWorkletProcessor {
  #frame = this.#empty();
  #filled = 0;
  #over = false;

  constructor() {
    super();
    this.port.onmessage = () => {
      this.#over = true;
    };
  }

  process([[heard]]) {
    for (const sample of heard ?? []) {
      this.#frame[this.#filled++] = sample;
      if (this.#filled === this.#frame.length) this.#hand();
    }
    return !this.#over;
  }

  #hand() {
    this.port.postMessage(this.#frame, [this.#frame.buffer]);
    this.#frame = this.#empty();
    this.#filled = 0;
  }

  #empty() {
    return new Float32Array(Math.round(FRAME_SECONDS * sampleRate));
  }
}

registerProcessor("sampler", Sampler);
