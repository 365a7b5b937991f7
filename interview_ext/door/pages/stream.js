// The lobby's socket. It comes back after every interruption, those included that nobody tells of.

/** Milliseconds of silence after which the page pings. */
const PING_MS = 10_000;
/** Milliseconds until the answer; then the connection counts as dead. */
const ANSWER_MS = 5_000;
/** Milliseconds that a new socket may take to open: by itself the browser would wait for minutes. */
const OPENING_MS = 10_000;
/** Milliseconds by which a timer is late if the page stood still, and in which it then listens on. */
const LATE_MS = 1_000;
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 15_000;

/** What the browser knows of the network, or that somebody looks at the page again. */
const HINTS = [
  [window, 'online'],
  [window, 'offline'],
  [window, 'pageshow'],
  [document, 'visibilitychange']
];

/** Every page is shown once, and hidden now and then: that says nothing. */
const tells = ({ type, persisted }) =>
  !(type === 'pageshow' && !persisted) && !(type === 'visibilitychange' && document.hidden);

/** Messages of one socket, as parsed JSON. A network that swallows everything closes nothing. */
export class Stream {
  /**
   * @param {string} path - Of the socket, on this server.
   * @param {object} to - Who is told: `heard(message)`, `opened(wasSilent)`, which gets whether
   *   the connection before was given up unclosed, `lost()`, and `hinted()`, when things may
   *   have changed.
   */
  constructor(path, to) {
    this.address = new URL(path, location.href);
    this.address.protocol = this.address.protocol.replace('http', 'ws');
    this.to = to;
    this.pause = FIRST_PAUSE_MS;
    this.hint = event => {
      if (tells(event)) {
        this.look();
      }
    };
    for (const [target, type] of HINTS) {
      target.addEventListener(type, this.hint);
    }
    this.open();
  }

  /** Be quiet from now on. */
  stop() {
    for (const [target, type] of HINTS) {
      target.removeEventListener(type, this.hint);
    }
    this.drop();
  }

  /** Find out now how things stand. */
  look() {
    const state = this.socket?.readyState;
    if (state === WebSocket.OPEN) {
      this.ping();
    } else if (state !== WebSocket.CONNECTING) {
      this.open();
    }
    this.to.hinted();
  }

  open() {
    this.drop();
    const socket = new WebSocket(this.address);
    this.socket = socket;
    this.giveUpAfter(OPENING_MS);
    socket.onopen = () => {
      const { wasSilent = false } = this;
      this.wasSilent = false;
      this.pause = FIRST_PAUSE_MS;
      this.pingLater();
      this.to.opened(wasSilent);
    };
    socket.onmessage = ({ data }) => {
      this.pingLater();
      this.to.heard(JSON.parse(data));
    };
    socket.onclose = () => this.lose();
  }

  lose() {
    this.drop();
    this.retry = setTimeout(() => this.open(), this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(MAX_PAUSE_MS, this.pause * 2);
    this.to.lost();
  }

  pingLater() {
    clearTimeout(this.timer);
    this.asked = false;
    this.timer = setTimeout(() => this.ping(), PING_MS);
  }

  ping() {
    if (!this.asked) {
      this.asked = true;
      this.socket.send(JSON.stringify({ type: 'ping' }));
      this.giveUpAfter(ANSWER_MS);
    }
  }

  giveUpAfter(ms) {
    clearTimeout(this.timer);
    const due = performance.now() + ms;
    this.timer = setTimeout(() => {
      if (performance.now() > due + LATE_MS) {
        this.giveUpAfter(LATE_MS); // What has come meanwhile is heard only now.
        return;
      }
      this.wasSilent = true;
      this.lose();
    }, ms);
  }

  drop() {
    clearTimeout(this.retry);
    clearTimeout(this.timer);
    this.asked = false;
    const { socket } = this;
    this.socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }
}
