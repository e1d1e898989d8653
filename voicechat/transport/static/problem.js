/** What went wrong, in words that a person understands. */

export class Problem extends Error {
  /** `again` is in how many seconds another try makes sense. */
  constructor(message, { again = 0 } = {}) {
    super(message);
    this.again = again;
  }
}

export const LOST = "The connection was lost.";
export const ENDED = "The server ended the call.";
export const NO_SOUND_PATH =
  "The server answered, but no sound gets through. A firewall between you and it may be blocking UDP.";
const UNREACHABLE = "The server can’t be reached. Is it running, and are you on its network?";
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

/** The problem behind an answer that is not the one asked for. */
export async function ofResponse(response) {
  if (response.status === 503) {
    const again = Math.max(1, Number.parseInt(response.headers.get("Retry-After"), 10) || 5);
    return new Problem(`All lines are busy, try again in ${again} ${again === 1 ? "second" : "seconds"}.`, { again });
  }
  if (response.status === 401 || response.status === 403) return new Problem("The server does not let you in.");
  const said = await response.json().catch(() => null);
  return new Problem(`The server refused the call: ${said?.error?.message ?? `status ${response.status}`}`);
}
