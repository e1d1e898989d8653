// Pipecat's client for JavaScript, by WebRTC: plays one scene and gives the facts of it. Bundled before it is loaded.

import { PipecatClient, RTVIEvent } from "@pipecat-ai/client-js";
import { SmallWebRTCTransport, WavMediaManager } from "@pipecat-ai/small-webrtc-transport";

const HOURS = "The dinosaurs are open until six.";
const TOOL = {
  type: "function",
  name: "opening_hours",
  description: "When a hall is open.",
  parameters: { type: "object", properties: { hall: { type: "string" } }, required: ["hall"] },
};

const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** Resolves when the client says `name` for the `count`-th time. */
const until = (client, name, count = 1) =>
  new Promise((resolve) => client.on(name, (given) => { count -= 1; if (count === 0) resolve(given); }));

/** Seconds of sound that the call brought, and how loud it was. */
async function heard(peers) {
  const reports = [...(await peers.at(-1).getStats()).values()];
  const sound = reports.find((report) => report.type === "inbound-rtp" && report.kind === "audio");
  return { seconds: sound.totalSamplesDuration, energy: sound.totalAudioEnergy };
}

/** The transport gives its connection up and makes another, as it does by itself when it was lost for ten seconds. */
async function lose(transport, peers) {
  transport.attemptReconnection(true);
  while (peers.length < 2 || peers.at(-1).connectionState !== "connected") await wait(0.1);
  await wait(0.5); // its channel opens
}

/** Whatever is connected from now on. */
function watched() {
  const peers = [];
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...given) { super(...given); peers.push(this); }
  };
  return peers;
}

export async function play(url, key, scene) {
  const facts = [];
  const tell = (fact, about = {}) => facts.push({ fact, ...about });
  const peers = watched();

  // The package's usual media manager loads its code from elsewhere.
  const transport = new SmallWebRTCTransport({ mediaManager: new WavMediaManager() });
  const client = new PipecatClient({ transport, enableMic: scene !== "typed" && scene !== "lost", enableCam: false });
  client.on(RTVIEvent.Error, ({ data }) => tell("error", { message: data?.error ?? data?.message }));
  client.on(RTVIEvent.MessageError, ({ data }) => tell("error", { message: data?.error }));
  client.on(RTVIEvent.Disconnected, () => tell("disconnected"));
  client.on(RTVIEvent.UserTranscript, ({ text, final }) => final && tell("said", { role: "user", text }));
  client.registerFunctionCallHandler("opening_hours", async (given) => {
    tell("tool", { name: given.functionName, arguments: given.arguments });
    return HOURS;
  });

  const loudspeaker = new Audio(); // without one a browser decodes nothing
  client.on(RTVIEvent.TrackStarted, (track, participant) => {
    if (track.kind !== "audio" || participant?.local) return;
    loudspeaker.srcObject = new MediaStream([track]);
    loudspeaker.play();
  });

  const segments = new Map(); // what was heard of each part of the present answer, and whether that is all of it
  client.on(RTVIEvent.BotLlmStarted, () => segments.clear());
  client.on(RTVIEvent.BotOutput, ({ segment_id, spoken_status, spoken_progress }) =>
    segments.set(segment_id, [spoken_progress.accumulated_text, spoken_status]));
  const words = () => [...segments.values()].map(([text]) => text).filter(Boolean).join(" ");

  const audible = until(client, RTVIEvent.BotStartedSpeaking);
  const answered = until(client, RTVIEvent.BotStoppedSpeaking);
  const session = {
    type: "realtime",
    instructions: scene === "interrupt" ? "Answer at length." : "Answer briefly.",
    tools: scene === "tool" ? [TOOL] : [],
  };
  const ready = await client.startBotAndConnect({
    endpoint: `${url}/start`,
    headers: new Headers({ Authorization: `Bearer ${key}` }),
    requestData: { transport: "webrtc", body: { session } },
  });
  tell("connected", { version: ready.version, library: ready.about.library });

  if (scene === "typed" || scene === "lost") client.sendText("Where are the dinosaurs?");
  await audible;
  await answered;
  const whole = [...segments.values()].every(([, status]) => status === "completed");
  tell(scene === "interrupt" ? "cut" : "said", { role: "assistant", text: words(), whole });
  tell("sound", await heard(peers));
  if (scene === "lost") {
    await lose(transport, peers);
    const again = until(client, RTVIEvent.BotStoppedSpeaking);
    client.sendText("How often have I asked?");
    await again;
    tell("said", { role: "assistant", text: words(), whole: true });
  }

  if (scene === "leave") {
    const left = until(client, RTVIEvent.Disconnected);
    client.disconnectBot();
    await left;
  } else {
    await client.disconnect();
  }
  await wait(0.3);
  tell("closed", { status: client.state });
  return facts;
}
