/** Sound as the realtime protocol writes it: 16 bit, little-endian as all browsers' machines are, in base64. */

export const RATE = 24000; // Hz

/** Samples from -1 to 1. */
export function encode(samples) {
  const whole = Int16Array.from(samples, (sample) => Math.round(32767 * Math.max(-1, Math.min(1, sample))));
  return btoa(String.fromCharCode(...new Uint8Array(whole.buffer)));
}

/** Samples from -1 to 1. */
export function decode(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Float32Array.from(new Int16Array(bytes.buffer), (sample) => sample / 32768);
}
