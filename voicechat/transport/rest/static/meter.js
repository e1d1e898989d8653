/** How loud a node's sound is. */

const QUIET_DB = -60;
const LOUD_DB = -15;
const FALL = 0.85; // per drawn frame: rises at once and falls in about a third of a second

export class Meter {
  #samples = new Float32Array(1024);
  #level = 0;

  constructor(node) {
    this.analyser = new AnalyserNode(node.context, { fftSize: this.#samples.length });
    this.node = node;
    node.connect(this.analyser);
  }

  /** 0 for quiet to 1 for loud; call it once per drawn frame. */
  level() {
    this.analyser.getFloatTimeDomainData(this.#samples);
    let power = 0;
    for (const sample of this.#samples) power += sample * sample;
    const decibels = 10 * Math.log10(power / this.#samples.length + 1e-12);
    const now = Math.min(1, Math.max(0, (decibels - QUIET_DB) / (LOUD_DB - QUIET_DB)));
    this.#level = Math.max(now, this.#level * FALL);
    return this.#level;
  }

  close() {
    this.node.disconnect(this.analyser);
  }
}
