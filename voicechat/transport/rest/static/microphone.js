/** Microphones: opening one, listing them, and the silence that stands in for one. */

import { insecure, ofMicrophone } from "./problem.js";

/** A track of the microphone `device` ("" for the browser's choice). Throws a Problem. */
export async function openMicrophone(device = "") {
  if (!navigator.mediaDevices?.getUserMedia) throw insecure();
  const wishes = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  if (device) wishes.deviceId = { exact: device };
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: wishes });
    return stream.getAudioTracks()[0];
  } catch (error) {
    throw ofMicrophone(error);
  }
}

/** The microphones as {id, name}; their names are known only after one has been opened. */
export async function listMicrophones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices
    .filter((device) => device.kind === "audioinput" && device.label)
    .map((device) => ({ id: device.deviceId, name: device.label }));
}

/** A track of silence: a caller who only types still sends packets, so the server knows that they are there. */
export function silentTrack(context) {
  const source = new ConstantSourceNode(context, { offset: 0 });
  const destination = context.createMediaStreamDestination();
  source.connect(destination);
  source.start();
  return destination.stream.getAudioTracks()[0];
}
