import type { SerializableDocument } from '../bson/serialize.ts';
import type { Document } from '../bson/values.ts';
import type { Cursors } from '../cursors/cursors.ts';
import type { ReadView } from '../store/record.ts';
import type { Store } from '../store/store.ts';
import type { Session } from '../transactions/session.ts';
import type { Sessions } from '../transactions/sessions.ts';
import type { Transaction } from '../transactions/transaction.ts';

/** What every command can reach. */
export interface ServerState {
  readonly store: Store;
  readonly sessions: Sessions;
  readonly cursors: Cursors;
  readonly startedAt: Date;
  /** host:port of this server, as clients reach it. */
  readonly address: string;
}

export interface CommandContext {
  readonly server: ServerState;
  readonly store: Store;
  readonly name: string;
  readonly body: Document;
  readonly database: string;
  readonly sequences: ReadonlyMap<string, readonly Buffer[]>;
  readonly connectionId: number;
  readonly session: Session | null;
  readonly transaction: Transaction | null;
  /** What reads of this command see. */
  readonly view: ReadView;
}

export type CommandReply = SerializableDocument;

export interface Command {
  /** Fields the command understands, besides its own name and the generic ones. Others are an error. */
  readonly fields: readonly string[];
  /** Whether it may run inside a transaction. */
  readonly inTransaction?: boolean;
  readonly run: (context: CommandContext) => CommandReply | Promise<CommandReply>;
}

export type CommandTable = Readonly<Record<string, Command>>;
