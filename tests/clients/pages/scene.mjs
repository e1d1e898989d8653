// OpenAI's agents for JavaScript, by WebRTC or WebSocket, in a page or in Node: plays one scene and tells the facts of it.

const RATE = 24000;
const PIECE_SECONDS = 0.04;
const BEFORE_CUT_SECONDS = 2.5;
const LONGEST_SECONDS = 60;
const HOURS = "The dinosaurs are open until six.";

const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** Resolves when `emitter` says `name` and `accept` likes it. */
const until = (emitter, name, accept = () => true) =>
  new Promise((resolve) => emitter.on(name, (...given) => accept(...given) && resolve(given[0])));

const words = (item) => item.content.map((part) => part.transcript ?? part.text ?? "").join("");

/** Somebody at a microphone who is silent until told to speak; each piece goes to `send` when it is due. */
function microphone(wav, send) {
  const speech = new Uint8Array(wav, 44);
  const size = 2 * RATE * PIECE_SECONDS;
  let at = speech.length;
  const begun = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    for (; sent * PIECE_SECONDS * 1000 < performance.now() - begun; sent += 1) {
      const piece = new Uint8Array(size);
      piece.set(speech.subarray(at, at + size));
      at = Math.min(speech.length, at + size);
      send(piece.buffer);
    }
  }, 20);
  return { speak: () => { at = 0; }, close: () => clearInterval(timer) };
}

/** Seconds of sound that a call brought, and how loud it was. */
async function heard(transport) {
  const reports = [...(await transport.connectionState.peerConnection.getStats()).values()];
  const sound = reports.find((report) => report.type === "inbound-rtp" && report.kind === "audio");
  return { seconds: sound.totalSamplesDuration, energy: sound.totalAudioEnergy };
}

/** `agents` is the package, `wav` the bytes of what is asked aloud by WebSocket; `tell` is given each fact. */
export async function play(...given) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("the scene did not end")), 1000 * LONGEST_SECONDS);
  });
  try {
    await Promise.race([act(...given), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function act(agents, wav, tell, url, key, by, scene) {
  const { OpenAIRealtimeWebRTC, OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession, tool } = agents;
  const hours = tool({
    name: "opening_hours",
    description: "When a hall is open.",
    strict: false,
    parameters: { type: "object", properties: { hall: { type: "string" } }, required: ["hall"], additionalProperties: true },
    execute: async (given) => { tell("tool", { name: "opening_hours", arguments: given }); return HOURS; },
  });
  const agent = new RealtimeAgent({
    name: "guide",
    instructions: scene === "interrupt" ? "Answer at length." : "Answer briefly.",
    tools: scene === "tool" ? [hours] : [],
  });
  const call = by === "webrtc";
  const transport = call
    ? new OpenAIRealtimeWebRTC({ baseUrl: `${url}/v1/realtime/calls` })
    : new OpenAIRealtimeWebSocket({ url: `${url.replace("http", "ws")}/v1/realtime?model=gpt-realtime` });
  const session = new RealtimeSession(agent, { transport, model: "gpt-realtime", tracingDisabled: true });
  session.on("error", ({ error }) => tell("error", { message: error?.error?.message ?? JSON.stringify(error) }));
  transport.on("connection_change", (status) => status === "disconnected" && tell("disconnected"));

  let bytes = 0;
  transport.on("audio", ({ data }) => { bytes += data.byteLength; });
  const audible = until(transport, "*", (event) =>
    event.type === (call ? "output_audio_buffer.started" : "response.output_audio.delta"));
  const truncated = until(transport, "*", (event) => event.type === "conversation.item.truncated");
  const cancelled = until(transport, "*", (event) =>
    event.type === "response.done" && event.response.status === "cancelled");
  const answered = until(transport, "*", (event) =>
    event.type === "response.done" && event.response.output.some((item) => item.type === "message"));

  await session.connect({ apiKey: key });
  tell("connected", call ? { call: transport.callId ?? "" } : {});
  const voice = call ? null : microphone(wav, (piece) => session.sendAudio(piece));
  voice?.speak();
  await audible;
  if (scene === "interrupt") {
    if (voice) {
      await wait(BEFORE_CUT_SECONDS);
      voice.speak();
    }
    const { response } = await cancelled;
    if (!call) await truncated; // of a call, the server knows itself what was heard
    await wait(0.5); // the package fetches the item again, and puts it into its history
    const [{ id }] = response.output;
    tell("cut", { text: words(session.history.find((item) => item.itemId === id)) });
  } else {
    await answered;
    await wait(0.3);
    for (const item of session.history.filter(({ type }) => type === "message")) {
      tell("said", { role: item.role, text: words(item) });
    }
    tell("sound", call ? await heard(transport) : { seconds: bytes / 2 / RATE });
  }
  voice?.close();
  session.close();
  await wait(0.3);
  tell("closed", { status: transport.status });
}
