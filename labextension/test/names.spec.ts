import { nullTranslator } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import * as React from 'react';

import type { HostMessage, Invite, IssuedInvite, Person, Room } from '../src/api/types';
import { Dashboard } from '../src/rooms/Dashboard';
import { RoomModel } from '../src/rooms/model';
import { Waiting } from '../src/rooms/People';
import type { HostApi } from '../src/rooms/roomsModel';
import { RoomsModel } from '../src/rooms/roomsModel';
import { makePerson, makeRoom, NOW, RoomServer, Wire } from './fixtures';

const trans = nullTranslator.load('');
const NOW_TEXT = new Date(NOW).toISOString();

/** The host's server: lists rooms, and counts the invites it is asked for. */
class HostServer implements Partial<HostApi> {
  readonly wire = new Wire<HostMessage>();
  readonly invited: string[] = [];
  listed: Room[] = [];
  people: Person[] = [];

  hostEvents = (): Wire<HostMessage> => this.wire;
  rooms = (): Promise<Room[]> => Promise.resolve(this.listed);
  participants = (): Promise<Person[]> => Promise.resolve(this.people);
  invites = (): Promise<Invite[]> => Promise.resolve([]);
  invite = (_id: string, _role: string, name: string): Promise<IssuedInvite> => {
    this.invited.push(name);
    return new Promise(() => undefined); // On its way.
  };
}

async function settled(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve));
}

/** What a screen reader or a voice command calls each button, and what is read on it. */
function buttons(root: Element): [name: string, text: string][] {
  return [...root.querySelectorAll('button')].map(button => {
    const text = button.textContent;
    return [button.getAttribute('aria-label') ?? text, text.replace('…', '')];
  });
}

describe('what the host presses', () => {
  let shown: Widget;

  afterEach(() => {
    shown.dispose();
  });

  async function show(widget: Widget): Promise<void> {
    shown = widget;
    Widget.attach(widget, document.body);
    await settled();
  }

  async function showDashboard(server: HostServer): Promise<void> {
    const model = new RoomsModel(server as unknown as HostApi);
    await model.refresh();
    const actions = {
      chooseFiles: (): Promise<string[]> => Promise.resolve([]),
      open: (): void => undefined
    };
    await show(new Dashboard({ model, actions, trans }));
  }

  it('is called in the dashboard by what is read on it', async () => {
    const server = new HostServer();
    server.listed = (['lobby', 'live', 'ended'] as const).map(state =>
      makeRoom({ id: state, state, live_at: state === 'lobby' ? null : NOW_TEXT })
    );
    server.people = [makePerson()];
    await showDashboard(server);
    const pressed = buttons(shown.node);
    const read = new Set(pressed.map(([, text]) => text));
    for (const text of ['Look at it', 'Enter', 'Admit', 'Admit and start', 'Decline']) {
      expect(read).toContain(text);
    }
    const otherwise = pressed.filter(
      ([name, text]) => !name.toLowerCase().includes(text.toLowerCase())
    );
    expect(otherwise).toEqual([]);
  });

  it('is called in a room by what is read on it', async () => {
    const server = new RoomServer();
    const { me } = makeRoom();
    server.room = makeRoom({
      state: 'lobby',
      me: { ...me, role: 'host', actions: ['room:manage'] }
    });
    server.people = [makePerson(), makePerson({ id: 'c', role: 'observer' })];
    const model = new RoomModel('room_a', server, () => NOW);
    server.hello();
    await show(ReactWidget.create(React.createElement(Waiting, { model, trans })));
    expect(buttons(shown.node)).toEqual([
      ['Admit and start: Grace', 'Admit and start'],
      ['Decline Grace', 'Decline'],
      ['Admit Grace', 'Admit'],
      ['Decline Grace', 'Decline']
    ]);
    model.dispose();
  });

  it('makes one invite, however often Enter is pressed', async () => {
    const server = new HostServer();
    server.listed = [makeRoom()];
    await showDashboard(server);
    const form = shown.node.querySelector('.jp-Interview-Invites-form');
    for (let press = 0; press < 3; press++) {
      form?.dispatchEvent(new Event('submit', { bubbles: true, cancelable: true }));
      await settled();
    }
    expect(server.invited).toHaveLength(1);
  });
});
