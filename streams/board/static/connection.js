// The stream of snapshots. The board sends something every second; three seconds of silence are a lost connection, whatever
// the socket says (a pulled cable says nothing). Then it connects anew, after 1 s, 2 s, 4 s ... at most 4 s.

const SILENCE = 2500;
const LONGEST_PAUSE = 4000;

export class Connection {
  constructor(url, { snapshot, beat, lost }) {
    this.handlers = { snapshot, beat, lost };
    this.pause = 500;
    this.heard = performance.now();
    this.down = false;
    this.watch = setInterval(() => this.check(), 250);
    this.open(url);
  }

  open(url) {
    clearTimeout(this.again);
    this.source?.close();
    this.url = url;
    const source = (this.source = new EventSource(url));
    source.addEventListener("snapshot", (event) => this.hear(source, event, this.handlers.snapshot));
    source.addEventListener("beat", (event) => this.hear(source, event, this.handlers.beat));
    source.onerror = () => {
      if (source !== this.source) return;
      source.close();
      this.retry();
    };
  }

  hear(source, event, handle) {
    if (source !== this.source) return;
    this.heard = performance.now();
    this.pause = 500;
    this.down = false;
    handle(JSON.parse(event.data));
  }

  check() {
    if (performance.now() - this.heard < SILENCE) return;
    if (!this.down) {
      this.down = true;
      this.handlers.lost();
      this.retry();
    }
  }

  retry() {
    this.source.close();
    clearTimeout(this.again);
    this.again = setTimeout(() => {
      this.open(this.url);
      // A connection that opens and stays mute is tried again too.
      this.again = setTimeout(() => this.down && this.retry(), 5000);
    }, this.pause);
    this.pause = Math.min(LONGEST_PAUSE, this.pause * 2);
  }
}
