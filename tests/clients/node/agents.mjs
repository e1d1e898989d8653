// OpenAI's agents for JavaScript in Node, by WebSocket: `node agents.mjs URL KEY WAV SCENE` prints the facts of a scene.

import { readFile } from "node:fs/promises";

import * as agents from "@openai/agents-realtime";

import { play } from "./scene.mjs";

const [url, key, path, scene] = process.argv.slice(2);
const { buffer, byteOffset, byteLength } = await readFile(path);
const wav = buffer.slice(byteOffset, byteOffset + byteLength);
const tell = (fact, about = {}) => console.log(JSON.stringify({ fact, ...about }));
await play(agents, wav, tell, url, key, "websocket", scene);
