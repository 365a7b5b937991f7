/** Says things to screen readers, and rings for those who look elsewhere. */

import type { IDisposable } from '@lumino/disposable';

/** Seconds and hertz of the two notes of the bell. */
const NOTES = [
  { at: 0, pitch: 660, length: 0.18 },
  { at: 0.16, pitch: 880, length: 0.3 }
];
const LOUDNESS = 0.12;

/** A live region of the page, and a bell. */
export class Announcer implements IDisposable {
  constructor() {
    this._polite = region('polite');
    this._urgent = region('assertive');
    document.body.append(this._polite, this._urgent);
  }

  /** Whether the bell rings. */
  sound = true;

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._polite.remove();
    this._urgent.remove();
    void this._audio?.close();
  }

  /** Have a screen reader say `text`; `urgent` interrupts what it is saying. */
  say(text: string, { urgent = false } = {}): void {
    const node = urgent ? this._urgent : this._polite;
    // The same text twice is only said twice if the node changes.
    const line = document.createElement('p');
    line.textContent = text;
    node.replaceChildren(line);
  }

  /** Two short notes, unless sound is off or the browser wants a click first. */
  ring(): void {
    if (!this.sound || typeof AudioContext === 'undefined') {
      return;
    }
    const audio = (this._audio ??= new AudioContext());
    void audio.resume();
    for (const note of NOTES) {
      const start = audio.currentTime + note.at;
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      tone.frequency.value = note.pitch;
      volume.gain.setValueAtTime(0, start);
      volume.gain.linearRampToValueAtTime(LOUDNESS, start + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.001, start + note.length);
      tone.connect(volume).connect(audio.destination);
      tone.start(start);
      tone.stop(start + note.length);
    }
  }

  private readonly _polite: HTMLElement;
  private readonly _urgent: HTMLElement;
  private _audio: AudioContext | undefined;
  private _isDisposed = false;
}

function region(politeness: 'polite' | 'assertive'): HTMLElement {
  const node = document.createElement('div');
  node.className = 'jp-Interview-announcer';
  node.setAttribute('aria-live', politeness);
  node.setAttribute('role', politeness === 'polite' ? 'status' : 'alert');
  return node;
}
