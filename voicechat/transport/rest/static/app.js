/** The page: one call at a time, and the buttons and keys that steer it. */

import { rest, stayAwake } from "./awake.js";
import { Call } from "./call.js";
import { Conversation } from "./conversation.js";
import { KeyForm } from "./key.js";
import { Meter } from "./meter.js";
import { listMicrophones, openMicrophone, silentTrack } from "./microphone.js";
import { Problem } from "./problem.js";
import { Stage } from "./stage.js";
import { Transcript } from "./transcript.js";

const at = (id) => document.getElementById(id);
const body = document.body;
const talk = at("talk");
const mute = at("mute");
const devices = at("microphone");

const stage = new Stage(at("stage"));
const transcript = new Transcript(at("transcript"), at("announcer"));
const conversation = new Conversation({ transcript, stage, latency: at("latency"), send: (event) => call?.send(event) });
const keyForm = new KeyForm(at("unlock"), () => (typed ? at("typing").requestSubmit() : start()));

let context = null; // made at the first press: browsers keep one that was made unasked silent
let call = null;
let heard = null; // the meter of our microphone; none while the caller only types
let spoken = null; // the meter of the answer
let waiting = 0;
let typed = false; // the latest call began with typing

/** Calls the server, with the microphone or, for those who only type, without. Resolves to whether it worked. */
async function start({ typing = false } = {}) {
  typed = typing;
  keyForm.hide();
  context ??= new AudioContext();
  context.resume();
  const mine = new Call({
    context,
    speaker: at("answer"),
    onEvent: (event) => call === mine && conversation.take(event),
    onAnswer: (node) => call === mine && hear(node),
    onLost: (problem) => call === mine && fail(problem),
  });
  call = mine;
  show("connecting", "connecting");
  try {
    const track = typing ? silentTrack(context) : await openMicrophone(devices.value);
    if (call !== mine) {
      track.stop();
      return false;
    }
    useTrack(track, !typing);
    await mine.connect(track);
  } catch (error) {
    if (call === mine) fail(error);
    return false;
  }
  if (call !== mine) return false;
  show("live", "idle");
  at("detour").hidden = !mine.byDetour;
  offerMicrophones();
  stayAwake();
  requestAnimationFrame(draw);
  return true;
}

function hangUp() {
  finish();
  show("off", "ready");
}

function fail(error) {
  finish();
  show("off", "problem");
  stage.fail(error instanceof Problem ? error.message : `Something went wrong: ${error.message}`);
  countDown(error.again ?? 0);
  if (error.wantsKey) keyForm.ask();
}

function finish() {
  heard?.close();
  spoken?.close();
  heard = spoken = null;
  call?.hangUp();
  call = null;
  rest();
  at("detour").hidden = true;
  stage.mute(false);
  stage.sound(0, 0);
  conversation.end();
}

/** Invites to another try, which is allowed at once but makes sense in `seconds`. */
function countDown(seconds) {
  label(seconds > 0 ? `Try again (${seconds})` : "Try again");
  if (seconds > 0) waiting = setTimeout(countDown, 1000, seconds - 1);
}

function show(phase, state) {
  clearTimeout(waiting);
  body.dataset.call = phase;
  label(phase === "off" ? "Start talking" : "Hang up");
  stage.show(state);
}

function label(words) {
  talk.firstElementChild.textContent = words;
}

/** The answer's sound comes: measure it. */
function hear(node) {
  spoken?.close();
  spoken = new Meter(node);
}

/** Notes what is being sent; a track of silence counts as muted. */
function useTrack(track, isMicrophone) {
  heard?.close();
  heard = isMicrophone ? new Meter(context.createMediaStreamSource(new MediaStream([track]))) : null;
  if (isMicrophone) track.onended = () => call?.track === track && loseMicrophone();
  showMute(!isMicrophone);
}

/** The microphone was unplugged, or its permission taken back: the call goes on in silence. */
async function loseMicrophone() {
  const silence = silentTrack(context);
  useTrack(silence, false);
  transcript.note("The microphone is gone. Choose another, and unmute.");
  await call.replace(silence);
}

function showMute(muted) {
  mute.setAttribute("aria-pressed", muted);
  stage.mute(muted);
}

async function toggleMute() {
  if (body.dataset.call !== "live") return;
  if (!heard) {
    await changeMicrophone();
    return;
  }
  call.track.enabled = !call.track.enabled;
  showMute(!call.track.enabled);
}

/** Speaks through the chosen microphone from now on; without one, the call goes on as it was. */
async function changeMicrophone() {
  const mine = call;
  let track = null;
  try {
    track = await openMicrophone(devices.value);
    if (call !== mine) {
      track.stop();
      return;
    }
    await mine.replace(track);
    useTrack(track, true);
    offerMicrophones();
  } catch (error) {
    if (call?.track !== track) track?.stop();
    transcript.note(error.message);
  }
}

async function offerMicrophones() {
  const microphones = await listMicrophones();
  const chosen = call?.track?.getSettings().deviceId ?? devices.value;
  devices.replaceChildren(...microphones.map(({ id, name }) => new Option(name, id, false, id === chosen)));
  at("devices").hidden = microphones.length === 0;
}

function draw() {
  if (body.dataset.call !== "live") return;
  stage.sound(heard?.level() ?? 0, spoken?.level() ?? 0);
  requestAnimationFrame(draw);
}

async function sendTyped(event) {
  event.preventDefault();
  const text = at("text").value.trim();
  if (!text || body.dataset.call === "connecting") return;
  if (body.dataset.call === "off" && !(await start({ typing: true }))) return;
  at("text").value = "";
  conversation.say(text);
}

function onKey(event) {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && call && event.target !== devices) hangUp();
  const writes = event.target.matches("input, select");
  if (event.key.toLowerCase() === "m" && !writes && !event.repeat) toggleMute();
}

talk.addEventListener("click", () => (call ? hangUp() : keyForm.filled ? at("unlock").requestSubmit() : start()));
mute.addEventListener("click", toggleMute);
devices.addEventListener("change", () => call && changeMicrophone());
at("typing").addEventListener("submit", sendTyped);
document.addEventListener("keydown", onKey);
navigator.mediaDevices?.addEventListener("devicechange", () => call && offerMicrophones());
window.addEventListener("pagehide", () => call && hangUp());
