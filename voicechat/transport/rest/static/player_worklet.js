/** On the audio thread: plays pieces of sound one after another, and falls silent at once when it is told to. */

const RAMP_SECONDS = 0.005; // from full to silent, or back: no click, and too short to be heard as sound
const LATE_SECONDS = 0.5; // the server is 0.4 s ahead at most; more waits after a pause, or when the network was stuck
const LONGEST_SECONDS = 4;
const QUIET = 0.003; // about -50 dB

class Player extends AudioWorkletProcessor {
  #pieces = []; // {item, samples}
  #at = 0; // in the first of them
  #waiting = 0; // samples in all of them
  #item = "";
  #played = 0; // samples of the item
  #gain = 1;
  #held = false;
  #tail = new Float32Array(Math.round(RAMP_SECONDS * sampleRate));
  #tailAt = this.#tail.length;
  #over = false;

  #orders = {
    play: ({ item, samples }) => this.#take(item, samples),
    hold: () => this.#hold(),
    goOn: () => {
      this.#held = false;
    },
    cut: () => this.#cut(),
    end: () => {
      this.#over = true;
    },
  };

  constructor() {
    super();
    this.port.onmessage = ({ data }) => this.#orders[data.order](data);
  }

  process(_, [[out]]) {
    this.#hurry(out.length);
    for (let place = 0; place < out.length; place++) {
      if (this.#tailAt < this.#tail.length) out[place] = this.#tail[this.#tailAt++];
      else if (!this.#held && this.#waiting > 0) out[place] = this.#next(1);
      else break;
    }
    return !this.#over;
  }

  /** Who is late makes the pauses between the words half as long. */
  #hurry(count) {
    if (this.#held || this.#waiting < LATE_SECONDS * sampleRate) return;
    const next = this.#pieces[0].samples.subarray(this.#at, this.#at + count);
    if (next.every((sample) => Math.abs(sample) < QUIET)) this.#skip(next.length);
  }

  /** The next sample, with the loudness on its way to `wanted`. */
  #next(wanted) {
    const step = 1 / this.#tail.length;
    this.#gain = wanted > this.#gain ? Math.min(wanted, this.#gain + step) : Math.max(wanted, this.#gain - step);
    const sample = this.#pieces[0].samples[this.#at] * this.#gain;
    this.#skip(1);
    return sample;
  }

  #skip(count) {
    const [{ item, samples }] = this.#pieces;
    if (item !== this.#item) this.#played = 0;
    this.#item = item;
    this.#played += count;
    this.#at += count;
    this.#waiting -= count;
    if (this.#at < samples.length) return;
    this.#pieces.shift();
    this.#at = 0;
  }

  /** Sound that nobody could play in time is left out, the oldest first. */
  #take(item, samples) {
    if (samples.length === 0) return;
    this.#pieces.push({ item, samples });
    this.#waiting += samples.length;
    while (this.#waiting > LONGEST_SECONDS * sampleRate) this.#skip(this.#pieces[0].samples.length - this.#at);
  }

  #hold() {
    if (!this.#held) this.#fall();
    this.#held = true;
  }

  /** Tells of what was played last, and what is left of it is forgotten. */
  #cut() {
    if (!this.#held) this.#fall();
    this.port.postMessage({ item: this.#item, played: this.#played, left: this.#waiting });
    this.#pieces = [];
    this.#at = this.#waiting = 0;
    this.#gain = 1;
    this.#held = false;
  }

  /** The next milliseconds, falling silent, are what is still heard; if there are none, those of an earlier fall. */
  #fall() {
    if (this.#waiting > 0) {
      this.#tail.fill(0);
      this.#tailAt = 0;
    }
    for (let place = 0; place < this.#tail.length && this.#waiting > 0; place++) this.#tail[place] = this.#next(0);
    this.#gain = 0;
  }
}

registerProcessor("player", Player);
