// The stream of snapshots. The board sends something every second; so silence is a lost connection, whatever the socket says
// (a pulled cable says nothing), and so are two errors in a row. It connects anew after 0.5 s, 1 s, 2 s ... at most 4 s.

const SILENCE = 2500;
const PATIENCE = 8000; // for the first word of a connection that has not failed: a busy board may need a while
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 4000;

export class Connection {
  constructor(url, { snapshot, beat, lost }) {
    this.handlers = { snapshot, beat, lost };
    this.heard = performance.now();
    this.down = false;
    this.open(url);
    setInterval(() => this.check(), 250);
  }

  /** Connect, now; also to another window's stream. */
  open(url) {
    this.url = url;
    this.pause = FIRST_PAUSE;
    this.failures = 0;
    this.connect();
  }

  connect() {
    this.source?.close();
    this.tried = performance.now();
    this.failed = false;
    const source = (this.source = new EventSource(this.url));
    for (const name of ["snapshot", "beat"]) {
      source.addEventListener(name, (event) => source === this.source && this.hear(event, this.handlers[name]));
    }
    source.onerror = () => source === this.source && this.fail();
  }

  hear(event, handle) {
    this.heard = performance.now();
    this.pause = FIRST_PAUSE;
    this.failures = 0;
    this.down = false;
    handle(JSON.parse(event.data));
  }

  fail() {
    this.source.close();
    this.failed = true;
    this.failures += 1;
    if (this.failures > 1) this.lose();
  }

  lose() {
    if (this.down) return;
    this.down = true;
    this.handlers.lost();
  }

  check() {
    const now = performance.now();
    if (now - this.heard > SILENCE) this.lose();
    if ((this.failed && now - this.tried > this.pause) || (this.down && now - this.tried > PATIENCE)) {
      this.pause = Math.min(LONGEST_PAUSE, this.pause * 2);
      this.connect();
    }
  }
}
