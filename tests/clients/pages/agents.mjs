// OpenAI's agents for JavaScript in a page: plays one scene and gives the facts of it.

import * as agents from "./agents/openai-realtime-agents.mjs";
import { play as act } from "./scene.mjs";

export async function play(url, key, by, scene) {
  const facts = [];
  const tell = (fact, about = {}) => facts.push({ fact, ...about });
  const wav = await (await fetch("./question.wav")).arrayBuffer();
  await act(agents, wav, tell, url, key, by, scene);
  return facts;
}
