/** What went wrong, in words that a person understands. */

export class Problem extends Error {
  /** `again` is in how many seconds another try makes sense, `wantsKey` whether it takes a key. */
  constructor(message, { again = 0, wantsKey = false } = {}) {
    super(message);
    this.again = again;
    this.wantsKey = wantsKey;
  }
}

export const LOST = "The connection was lost.";
export const ENDED = "The server ended the call.";
export const NO_SOUND_PATH =
  "The server answered, but no sound gets through. A firewall between you and it may be blocking UDP.";
export const NO_SPEAKER = "The browser does not start its sound. Is a speaker connected?";
const UNREACHABLE = "The server can’t be reached. Is it running, and are you on its network?";
const NO_KEY = "This server lets in who has a key.";
const WRONG_KEY = "The server does not know that key. It may have expired.";
const TOO_MANY_KEYS = "Too many wrong keys were tried from here.";
const INSECURE =
  "Browsers allow the microphone on secure pages only. Open this page at localhost, or over https.";
const MICROPHONE = {
  NotFoundError: "No microphone was found. Plug one in and try again, or type below.",
  NotAllowedError: "The microphone is blocked. Allow it in the browser’s address bar and try again, or type below.",
  NotReadableError: "The microphone is in use by another program, or the system does not give it to the browser.",
  OverconstrainedError: "The chosen microphone is gone. Try again to use another.",
};

/** The problem with a page that has no microphone interface at all. */
export function insecure() {
  return new Problem(INSECURE);
}

/** The problem behind a failed getUserMedia. */
export function ofMicrophone(error) {
  return new Problem(MICROPHONE[error.name] ?? `The microphone could not be opened: ${error.message}`);
}

/** The problem behind a fetch that got no answer. */
export function unreachable() {
  return new Problem(UNREACHABLE);
}

/** The problem behind an answer that is not the one asked for; `hadKey` says whether a key was shown. */
export async function ofResponse(response, hadKey) {
  if (response.status === 503) {
    const again = waitOf(response, 5);
    return new Problem(`All lines are busy, try again in ${again} ${again === 1 ? "second" : "seconds"}.`, { again });
  }
  if (response.status === 401) return new Problem(hadKey ? WRONG_KEY : NO_KEY, { wantsKey: true });
  if (response.status === 429) return new Problem(TOO_MANY_KEYS, { again: waitOf(response, 60) });
  const said = await response.json().catch(() => null);
  const wantsKey = said?.error?.code === "insufficient_scope";
  return new Problem(`The server refused the call: ${said?.error?.message ?? `status ${response.status}`}`, { wantsKey });
}

function waitOf(response, usual) {
  return Math.max(1, Number.parseInt(response.headers.get("Retry-After"), 10) || usual);
}
