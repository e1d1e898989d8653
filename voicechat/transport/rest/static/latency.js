/** Where the last turn's time went, as a bar of four parts. */

/** Fills `figure` from the server's times, which each count from the caller's last voiced sound. */
export function showLatency(figure, { endpointed_ms, understood_ms, first_word_ms, first_sound_ms }) {
  const parts = differences([endpointed_ms, understood_ms, first_word_ms, first_sound_ms]);
  const bars = figure.querySelectorAll(".bar i");
  const numbers = figure.querySelectorAll("dd");
  parts.forEach((part, index) => {
    bars[index].style.flexGrow = part;
    numbers[index].textContent = `${Math.round(part)} ms`;
  });
  figure.querySelector("strong").textContent = `${Math.round(first_sound_ms)} ms`;
  figure.hidden = false;
}

function differences(times) {
  return times.map((time, index) => Math.max(0, time - (times[index - 1] ?? 0)));
}
