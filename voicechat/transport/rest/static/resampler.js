/** Sound of one rate at another, piece by piece: Firefox takes a microphone at the rate of its device only. */

const CROSSINGS = 24; // zeros of the sinc on either side of its middle: flat up to 85 % of the band
const EDGE = 0.92; // of the narrower band; above it the filter falls

export class Resampler {
  #up;
  #down;
  #filters;
  #rest;
  #phase = 0;

  /** Rates in Hz. The sound comes out later by 24 samples of the lower rate. */
  constructor(from, to) {
    const shared = commonDivisor(from, to);
    this.#up = to / shared;
    this.#down = from / shared;
    const band = Math.min(1, to / from);
    const half = Math.ceil(CROSSINGS / band);
    this.#filters = Array.from({ length: this.#up }, (_, phase) => filter(half, band * EDGE, phase / this.#up));
    this.#rest = new Float32Array(2 * half - 1);
  }

  /** The next samples, for as many as are known by now. */
  push(samples) {
    const known = new Float32Array(this.#rest.length + samples.length);
    known.set(this.#rest);
    known.set(samples, this.#rest.length);
    const taps = this.#filters[0].length;
    const made = new Float32Array(Math.ceil((samples.length * this.#up) / this.#down) + 1);
    let at = 0;
    let count = 0;
    while (at + taps <= known.length) {
      made[count++] = product(this.#filters[this.#phase], known, at);
      this.#phase += this.#down;
      at += Math.floor(this.#phase / this.#up);
      this.#phase %= this.#up;
    }
    this.#rest = known.slice(at);
    return made.slice(0, count);
  }
}

/** A windowed sinc (Blackman) whose middle is `shift` samples behind the middle of its taps. */
function filter(half, band, shift) {
  const taps = Float32Array.from({ length: 2 * half }, (_, tap) => {
    const at = tap - half + 1 - shift;
    const angle = (Math.PI * at) / half;
    return sinc(band * at) * (0.42 + 0.5 * Math.cos(angle) + 0.08 * Math.cos(2 * angle));
  });
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return taps.map((tap) => tap / sum);
}

function sinc(at) {
  return at === 0 ? 1 : Math.sin(Math.PI * at) / (Math.PI * at);
}

function product(filter, samples, at) {
  let sum = 0;
  for (let tap = 0; tap < filter.length; tap++) sum += filter[tap] * samples[at + tap];
  return sum;
}

function commonDivisor(one, other) {
  return other === 0 ? one : commonDivisor(other, one % other);
}
