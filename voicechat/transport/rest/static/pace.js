/** Lets the words of an answer appear at the pace of speech: they come a clause at a time, ahead of their sound. */

const WORD_MS = 320; // about 190 words a minute: a little faster than most voices speak

export class Pace {
  #words = [];
  #timer = 0;

  /** `show(words)` is called with the next words, one after another. */
  constructor(show) {
    this.show = show;
  }

  /** Takes the next clause. What is left of the one before is shown at once, so that the words never fall behind. */
  feed(clause) {
    this.show(this.#words.join(""));
    clearTimeout(this.#timer);
    this.#words = clause.match(/\s*\S+\s*/g) ?? [];
    this.#step();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#words = [];
  }

  #step() {
    if (this.#words.length === 0) return;
    this.show(this.#words.shift());
    this.#timer = setTimeout(() => this.#step(), WORD_MS);
  }
}
