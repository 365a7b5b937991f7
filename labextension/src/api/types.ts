/** Short names for the shapes of the server's API, which `schema.ts` has from its OpenAPI. */

import type { components } from './schema';

type Schemas = components['schemas'];

export type Action = Schemas['Action'];
export type Role = Schemas['Role'];
export type RoomState = Schemas['RoomState'];
export type RunState = Schemas['RunState'];
export type Policy = Schemas['Policy'];
export type Room = Schemas['Room'];
export type Person = Schemas['Participant'];
export type Invite = Schemas['Invite'];
export type IssuedInvite = Schemas['IssuedInvite'];
export type InviteRole = Schemas['NewInvite']['role'];
export type Run = Schemas['Run'];
export type NewRun = Schemas['NewRun'];
export type Branch = Schemas['Branch'];
export type BranchChanges = Schemas['BranchChanges'];
export type ReportedOrigin = Schemas['ReportedOrigin'];
export type Sandbox = Schemas['Sandbox'];
export type TimelineEvent = Schemas['Event'];
export type InputRequest = Schemas['InputRequest'];
export type Profile = Schemas['Profile'];
export type Template = Schemas['Template'];
export type Waiting = Schemas['WaitingMessage'];
export type Durable = Schemas['DurableMessage'];

/** What is said of a new room; what is left out takes the server's default. */
export type NewRoom = Partial<Schemas['NewRoom']> & { title: string };

/** A message of a room's event socket. */
export type RoomMessage = Schemas['RoomSocketMessage'];

/** A message of the host's own event socket. */
export type HostMessage = Schemas['HostSocketMessage'];

/** The first message of a room's event socket. */
export type Hello = Schemas['Hello'];
