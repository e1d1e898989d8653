/** Keeps a phone's screen on during a call: a locked phone takes the microphone away. */

let lock = null;

export function stayAwake() {
  lock = navigator.wakeLock?.request("screen").catch(() => null); // refused, for one, on a low battery
}

export function rest() {
  lock?.then((held) => held?.release());
  lock = null;
}
